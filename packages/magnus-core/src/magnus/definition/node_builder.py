"""Builds one node from what was written, except for the graphs inside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magnus.definition import settings
from magnus.definition.checks import check, plain
from magnus.definition.keys import NODE_ALIASES, TASK_KEYS
from magnus.definition.node_kinds import NodeKind
from magnus.definition.options import option_problems
from magnus.definition.words import found, hint
from magnus.domain.names import node_name_problem
from magnus.domain.nodes import MapSettings, Node, RetryPolicy, TaskSettings
from magnus.ports.node_type import Role

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus.definition.findings import Findings
    from magnus.definition.node_kinds import Kinds
    from magnus.domain.graph import Graph

SHELL_TASKS = frozenset({"shell", "container"})
"""Task types in whose command `${NAME}` may stay as it is: it is the shell's own syntax."""

_EMPTY: dict[str, Any] = {}
"""Shared by all nodes that were given nothing, because a chain may have many thousands of them."""

_ONCE = RetryPolicy()

_REFUSED_BY_COMPOSITES = "put it on the tasks inside"


class NodeBuilder:
    """Checks and builds the nodes of one file.

    Attributes:
        shell_steps: The `id` of every mapping that holds a task in whose command `${NAME}` may stay.
    """

    def __init__(self, kinds: Kinds, findings: Findings, shell_steps: set[int]) -> None:
        """Take node types from *kinds* and leave mistakes in *findings*."""
        self._kinds = kinds
        self._findings = findings
        self.shell_steps = shell_steps

    def kind_of(self, raw: Mapping[str, Any], what: str) -> tuple[NodeKind | None, bool]:
        """Return the type of the node *raw*, and whether it is what was written rather than what comes nearest."""
        name = raw.get("type")
        if type(name) is str:
            kind = self._kinds.node(name)
            if isinstance(kind, NodeKind):
                return kind, True
            self._findings.add(f"{what}: {kind}", raw, "type")
            return self._kinds.nearest_node(name), False
        if "type" in raw:
            self._findings.add(f"{what}: 'type' is {found(name)}; expected the name of a node type", raw, "type")
        else:
            names = ", ".join(self._kinds.node_names())
            near = next((key for key in raw if isinstance(key, str) and hint(key, ["type"])), None)
            advice = f". Did you mean 'type' by '{near}'?" if near else ""
            self._findings.add(f"{what} lacks the key 'type'; it is one of {names}{advice}", raw)
        return None, False

    def check_keys(self, raw: Mapping[str, Any], kind: NodeKind, what: str) -> dict[str, Any]:
        """Return the values of *raw* that are right, under today's names, and note what is wrong with the others."""
        checked: dict[str, Any] = {}
        findings = self._findings
        graphs = (*kind.graph_keys, *kind.graphs_keys)
        for key, value in raw.items():
            if key == "type":
                continue
            schema = kind.keys.get(key)
            if schema is None:
                self._other_key(raw, key, kind, what, checked)
            elif key in graphs:
                checked[key] = value
            elif check(value, schema, f"{what}: '{key}'", findings, raw, key):
                name = NODE_ALIASES.get(key, key)
                if name in checked or (name != key and name in raw):
                    findings.add_key(f"{what}: '{key}' is the older spelling of '{name}'; keep one of them", raw, key)
                checked[name] = value
        for key in kind.required:
            if key not in raw:
                findings.add(f"{what} lacks the key '{key}', which a node of type '{kind.name}' needs", raw)
        return checked

    def _other_key(
        self, raw: Mapping[str, Any], key: Any, kind: NodeKind, what: str, checked: dict[str, Any]
    ) -> None:
        if kind.takes_other_keys and isinstance(key, str):
            checked[key] = plain(raw[key], f"{what}: '{key}'", self._findings, raw, key)
            return
        known = ["type", *(name for name in kind.keys if name not in NODE_ALIASES)]
        if kind.role is Role.COMPOSITE and key in TASK_KEYS:
            reason = f"a node of type '{kind.name}' does not take '{key}'; {_REFUSED_BY_COMPOSITES}"
        elif kind.role is Role.TERMINAL:
            reason = f"unknown key {key!r}; a node of type '{kind.name}' takes no key besides 'type'"
        else:
            reason = f"unknown key {key!r}; a node of type '{kind.name}' takes {', '.join(known)}{hint(str(key), known)}"
        self._findings.add_key(f"{what}: {reason}", raw, key)

    def build(
        self,
        name: str,
        holder: Mapping[str, Any],
        kind: NodeKind,
        checked: Mapping[str, Any],
        branches: Mapping[str, Graph],
        inside: Mapping[str, Any],
        what: str,
    ) -> Node:
        """Build the node *name* of the mapping of steps *holder*.

        Args:
            name: The node's name.
            holder: Where it stands.
            kind: Its type.
            checked: The values that were found right.
            branches: The graphs in it, for `Node.branches`.
            inside: The same graphs for its canonical definition.
            what: How messages call it.
        """
        findings = self._findings
        raw = holder[name]
        definition: dict[str, Any] = {"type": kind.name}
        task = catalog = resources = map_settings = None
        retry = _ONCE
        if kind.role is Role.WORK:
            for key, value in checked.items():
                if key == "retry":
                    retry, canonical = settings.retry(value, f"{what}: 'retry'", findings)
                elif key == "catalog":
                    catalog, canonical = settings.catalog(value, f"{what}: 'catalog'", findings)
                elif key == "resources":
                    resources, canonical = settings.resources(value, f"{what}: 'resources'", findings)
                elif key == "timeout":
                    canonical = settings.number(value)
                elif key in _OF_THE_TASK:
                    continue
                else:
                    canonical = plain(value, f"{what}: '{key}'", findings, raw, key)
                if canonical is not None:
                    definition[key] = canonical
            if "command" in checked:
                task = self._task(checked, raw, what)
                definition["command"] = task.command
                if task.command_type != "python":
                    definition["command_type"] = task.command_type
                if task.command_config:
                    definition["command_config"] = task.command_config
        else:
            definition.update(
                (key, plain(value, f"{what}: '{key}'", findings, raw, key))
                for key, value in checked.items()
                if key not in inside and key not in kind.graph_keys and key not in kind.graphs_keys
            )
            definition.pop("dag_definition", None)
            definition.update(inside)
            if "iterate_on" in checked and "iterate_as" in checked:
                map_settings = MapSettings(
                    checked["iterate_on"], checked["iterate_as"], checked.get("max_concurrency")
                )
        executor_config = checked.get("executor_config") or _EMPTY
        if executor_config:
            definition["executor_config"] = plain(
                executor_config, f"{what}: 'executor_config'", findings, raw, "executor_config"
            )
        else:
            definition.pop("executor_config", None)
        return Node(
            name,
            kind.name,
            definition,
            next=checked.get("next"),
            on_failure=checked.get("on_failure"),
            task=task,
            catalog=catalog,
            retry=retry,
            timeout_seconds=definition.get("timeout") if kind.role is Role.WORK else None,
            resources=resources,
            branches=branches,
            map=map_settings,
            executor_config=executor_config,
            place=findings.place_of_key(holder, name),
        )

    def _task(self, checked: Mapping[str, Any], raw: Mapping[str, Any], what: str) -> TaskSettings:
        findings = self._findings
        command = checked["command"]
        command_type = checked.get("command_type", "python")
        written = checked.get("command_config") or _EMPTY
        config = plain(written, f"{what}: 'command_config'", findings, raw, "command_config") if written else _EMPTY
        if command_type in SHELL_TASKS:
            self.shell_steps.add(id(raw))
        task_type = self._kinds.task(command_type)
        if isinstance(task_type, str):
            findings.add(f"{what}: {task_type}", raw, "command_type")
        else:
            problem = task_type.find_problem(command)
            if problem:
                findings.add(f"{what}: 'command': {problem}", raw, "command")
            if config:
                findings.problems.extend(
                    option_problems(task_type.Options, written, f"{what}: 'command_config'", findings.path)
                )
        return TaskSettings(command, command_type, config)

    def check_name(self, name: Any, holder: Mapping[str, Any], what: str) -> bool:
        """Note what is wrong with the *name* of a step or branch in *holder*; say whether it can be used."""
        if type(name) is str:
            problem = node_name_problem(name)
        else:
            problem = f"the name {name!r} is {found(name)}; expected text"
        if problem:
            self._findings.add_key(f"{what}: {problem}", holder, name)
        return problem is None


_OF_THE_TASK = frozenset({"command", "command_type", "command_config", "executor_config"})

