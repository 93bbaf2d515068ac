"""Builds one node from what was written, except for the graphs inside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from magnus.definition import settings
from magnus.definition.checks import check, is_misspelt, plain
from magnus.definition.findings import Spot
from magnus.definition.keys import NODE_ALIASES, TASK_KEYS
from magnus.definition.node_kinds import NodeKind
from magnus.definition.options import option_problems
from magnus.definition.words import found, hint, one_of
from magnus.domain.names import node_name_problem
from magnus.domain.nodes import MapSettings, Node, TaskSettings
from magnus.ports.node_type import Role

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from magnus.definition.findings import Findings
    from magnus.definition.node_kinds import Kinds
    from magnus.domain.graph import Graph

SHELL_TASKS = frozenset({"shell", "container"})
"""Task types in whose command `${NAME}` may stay as it is: it is the shell's own syntax."""

_EMPTY: dict[str, Any] = {}
"""Shared by all nodes that were given nothing, because a chain may have many thousands of them."""

_DEFAULT_TASK = "python"
_OF_THE_TASK = frozenset({"command", "command_type", "command_config", "executor_config"})
_SETTINGS: dict[str, Callable[[Any, Spot], tuple[Any, Any]]] = {
    "retry": settings.retry,
    "catalog": settings.catalog,
    "resources": settings.resources,
}


class Draft(NamedTuple):
    """A node that was checked.

    Attributes:
        name: The node's name.
        holder: The mapping of steps that it stands in.
        kind: Its type.
        checked: The values that were found right, under today's names.
        what: How messages call it.
    """

    name: str
    holder: Mapping[str, Any]
    kind: NodeKind
    checked: dict[str, Any]
    what: str


class NodeBuilder:
    """Checks and builds the nodes of one file."""

    def __init__(self, kinds: Kinds, findings: Findings, shell_steps: set[int]) -> None:
        """Begin a file.

        Args:
            kinds: The node types and task types.
            findings: Takes the mistakes.
            shell_steps: Takes the `id` of every mapping that holds a task in whose command `${NAME}` may stay.
        """
        self._kinds = kinds
        self._findings = findings
        self._shell_steps = shell_steps

    def kind_of(self, raw: Mapping[str, Any], what: str) -> tuple[NodeKind | None, bool]:
        """Return the type of the node *raw*, and whether it is what was written rather than what comes nearest."""
        name = raw.get("type")
        if isinstance(name, str):
            kind = self._kinds.node(name)
            if isinstance(kind, NodeKind):
                return kind, True
            self._findings.add(f"{what}: {kind}", raw, "type")
            return self._kinds.nearest_node(name), False
        if "type" in raw:
            self._findings.add(
                f"{what}: 'type' is {found(name)}; expected the name of a node type", raw, "type"
            )
        else:
            names = ", ".join(self._kinds.node_names())
            near = next((key for key in raw if hint(str(key), ["type"])), None)
            advice = f". Did you mean 'type' by '{near}'?" if near else ""
            self._findings.add(f"{what} lacks the key 'type'; it is one of {names}{advice}", raw)
        return None, False

    def check_keys(self, raw: Mapping[str, Any], kind: NodeKind, what: str) -> dict[str, Any]:
        """Return the values of *raw* that are right, under today's names, and note what is wrong with the others."""
        checked: dict[str, Any] = {}
        findings = self._findings
        for key, value in raw.items():
            if key == "type":
                continue
            schema = kind.keys.get(key)
            if schema is None:
                self._other_key(raw, key, kind, what, checked)
            elif key in kind.graph_keys or key in kind.graphs_keys:
                checked[key] = value
            elif check(value, schema, Spot(f"{what}: '{key}'", findings, raw, key)):
                name = NODE_ALIASES.get(key, key)
                if name != key and name in raw:
                    findings.add_key(
                        f"{what}: '{key}' is the older spelling of '{name}'; keep one of them", raw, key
                    )
                checked[name] = value
        missing = [key for key in kind.required if key not in raw]
        if missing:
            unknown = (
                ()
                if kind.takes_other_keys
                else [key for key in raw if key != "type" and key not in kind.keys]
            )
            for key in missing:
                if not is_misspelt(key, unknown, kind.keys):
                    findings.add(
                        f"{what} lacks the key '{key}', which a node of type '{kind.name}' needs", raw
                    )
        return checked

    def _other_key(
        self, raw: Mapping[str, Any], key: Any, kind: NodeKind, what: str, checked: dict[str, Any]
    ) -> None:
        if kind.takes_other_keys and isinstance(key, str):
            checked[key] = raw[key]
            return
        known = ["type", *(name for name in kind.keys if name not in NODE_ALIASES)]
        if kind.role is Role.COMPOSITE and key in TASK_KEYS:
            reason = f"a node of type '{kind.name}' does not take '{key}'; put it on the tasks inside"
        elif kind.role is Role.TERMINAL:
            reason = f"unknown key {key!r}; a node of type '{kind.name}' takes no key besides 'type'"
        else:
            takes = f"a node of type '{kind.name}' takes {one_of(known)}"
            reason = f"unknown key {key!r}; {takes}{hint(str(key), known)}"
        self._findings.add_key(f"{what}: {reason}", raw, key)

    def build(self, draft: Draft, branches: Mapping[str, Graph], inside: Mapping[str, Any]) -> Node:
        """Build a node.

        Args:
            draft: What was found right in it.
            branches: The graphs in it, for `Node.branches`.
            inside: The same graphs for its canonical definition.
        """
        checked = draft.checked
        executor_config = checked.get("executor_config") or _EMPTY
        definition: dict[str, Any] = {"type": draft.kind.name}
        fields: dict[str, Any] = {}
        if draft.kind.role is Role.WORK:
            self._work(draft, definition, fields)
        else:
            for key in checked:
                if key != "executor_config" and key not in draft.kind.left_out:
                    definition[key] = self._plain(draft, key)
            definition.update(inside)
            if "iterate_on" in checked and "iterate_as" in checked:
                limit = checked.get("max_concurrency")
                fields["map"] = MapSettings(checked["iterate_on"], checked["iterate_as"], limit)
        if executor_config:
            definition["executor_config"] = self._plain(draft, "executor_config")
        return Node(
            draft.name,
            draft.kind.name,
            definition,
            next=checked.get("next"),
            on_failure=checked.get("on_failure"),
            branches=branches,
            executor_config=executor_config,
            place=self._findings.place_of_key(draft.holder, draft.name),
            **fields,
        )

    def _plain(self, draft: Draft, key: str) -> Any:
        raw = draft.holder[draft.name]
        return plain(draft.checked[key], Spot(f"{draft.what}: '{key}'", self._findings, raw, key))

    def _work(self, draft: Draft, definition: dict[str, Any], fields: dict[str, Any]) -> None:
        """Fill in what a node that does work has besides what all nodes have."""
        raw = draft.holder[draft.name]
        for key, value in draft.checked.items():
            if key in _OF_THE_TASK:
                continue
            convert = _SETTINGS.get(key)
            if convert is not None:
                spot = Spot(f"{draft.what}: '{key}'", self._findings, raw, key)
                fields[key], canonical = convert(value, spot)
            elif key == "timeout":
                fields["timeout_seconds"] = canonical = settings.number(value)
            else:
                canonical = self._plain(draft, key)
            if canonical is not None:
                definition[key] = canonical
        if "command" not in draft.checked:
            return
        task = fields["task"] = self._task(draft, raw)
        definition["command"] = task.command
        if task.command_type != _DEFAULT_TASK:
            definition["command_type"] = task.command_type
        if task.command_config:
            definition["command_config"] = task.command_config

    def _task(self, draft: Draft, raw: Mapping[str, Any]) -> TaskSettings:
        findings, what, checked = self._findings, draft.what, draft.checked
        command = checked["command"]
        command_type = checked.get("command_type", _DEFAULT_TASK)
        written = checked.get("command_config")
        config = self._plain(draft, "command_config") if written else _EMPTY
        if command_type in SHELL_TASKS:
            self._shell_steps.add(id(raw))
        task_type = self._kinds.task(command_type)
        if isinstance(task_type, str):
            if task_type:
                findings.add(f"{what}: {task_type}", raw, "command_type")
        else:
            problem = task_type.find_problem(command)
            if problem:
                findings.add(f"{what}: 'command': {problem}", raw, "command")
            label = f"{what}: 'command_config'"
            if written:
                findings.problems.extend(option_problems(task_type.Options, written, label, findings.path))
        return TaskSettings(command, command_type, config)

    def check_name(self, name: Any, holder: Mapping[str, Any], what: str) -> bool:
        """Note what is wrong with the *name* of a step or branch in *holder*; say whether it can be used."""
        is_text = isinstance(name, str)
        problem = node_name_problem(name) if is_text else f"the name {name!r} is {found(name)}; expected text"
        if problem:
            self._findings.add_key(f"{what}: {problem}", holder, name)
        return problem is None
