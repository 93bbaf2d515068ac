"""Builds graphs from what was written, and finds every mistake in them on the way."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from magnus.definition.blocks import BLOCK_ALIASES, BLOCKS
from magnus.definition.checks import check, check_names
from magnus.definition.findings import Findings, Spot, without_consequences
from magnus.definition.keys import GRAPH_KEYS
from magnus.definition.node_builder import Draft, NodeBuilder
from magnus.definition.settings import number
from magnus.definition.source import read_document
from magnus.definition.words import found
from magnus.domain.graph import DEFAULT_MAX_TIME_SECONDS, Graph, find_problems
from magnus.domain.names import DAG_BRANCH, node_name_problem
from magnus.domain.nodes import Node
from magnus.errors import DefinitionError, Problem
from magnus.ports.node_type import Role
from magnus.ports.task_type import TaskType

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus.definition.node_kinds import Kinds
    from magnus.definition.source import Document
    from magnus.domain.nodes import Place

MAX_GRAPH_DEPTH = 200
"""How deep graphs may stand in graphs, over all files: hashing a graph takes a few frames for each level."""

MAX_NODES = 250_000
"""How many nodes a pipeline may have in all: a few files that name each other twice can stand for any number."""


class _Scope(NamedTuple):
    """Where a graph stands.

    Attributes:
        findings: Takes the mistakes of its file.
        builder: Builds the nodes of its file.
        folder: What `dag_definition` is relative to.
        files: The files that led here, outermost first: as shown, and as found on disk.
        items: The names of the items of the maps around it.
        depth: How many graphs are around it.
    """

    findings: Findings
    builder: NodeBuilder
    folder: str
    files: tuple[tuple[str, str], ...] = ()
    items: tuple[str, ...] = ()
    depth: int = 0


class GraphBuilder:
    """Builds the graph of one pipeline.

    Attributes:
        problems: Every mistake, over all files.
        files: What was read, as shown to people.
        variables: The variables that were used in those files.
    """

    def __init__(self, kinds: Kinds, environ: Mapping[str, str]) -> None:
        """Take node types from *kinds* and variables from *environ*."""
        self.problems: list[Problem] = []
        self.files: list[str] = []
        self.variables: set[str] = set()
        self._kinds = kinds
        self._environ = environ
        self._documents: dict[str, Document] = {}
        self._shell_steps: set[int] = set()
        self._node_count = 0

    def from_document(self, document: Document, folder: str) -> Graph | None:
        """Build the graph of a pipeline file that was read already; None if it has none that could be looked at."""
        self._remember(document)
        real = os.path.realpath(document.path)
        scope = self._scope(Findings(document.path, self.problems), folder, ((document.path, real),))
        return self._graph_of(document, scope)

    def from_mapping(self, dag: Mapping[str, Any], folder: str) -> Graph | None:
        """Build the graph of a pipeline written in Python."""
        scope = self._scope(Findings(None, self.problems), folder, ())
        return self._graph(dag, scope, Spot("dag", scope.findings, None, None))

    def check_variables(self) -> None:
        """Note every variable without a value; to be called when all graphs are built."""
        for document in self._documents.values():
            unset = document.unset_problems(
                lambda variable: variable.key == "command" and id(variable.holder) in self._shell_steps
            )
            self.problems[:] = without_consequences(self.problems, unset)

    def _remember(self, document: Document) -> None:
        self._documents[os.path.realpath(document.path)] = document
        self.files.append(document.path)
        self.variables |= document.used_variables

    def _scope(self, findings: Findings, folder: str, files: tuple[tuple[str, str], ...]) -> _Scope:
        return _Scope(findings, NodeBuilder(self._kinds, findings, self._shell_steps), folder, files)

    def _graph_of(self, document: Document, scope: _Scope) -> Graph | None:
        block = document.value.get("dag")
        # The blocks of an included file are its own: it may be a pipeline that is run alone, too.
        check_names(
            document.value,
            ["dag", *BLOCKS],
            ["dag"],
            Spot("the file", scope.findings, None, None),
            BLOCK_ALIASES,
        )
        if "dag" not in document.value:
            return None
        return self._graph(block, scope, Spot("dag", scope.findings, document.value, "dag"))

    def _graph(self, raw: Any, scope: _Scope, spot: Spot) -> Graph | None:
        """Build the graph *raw*, which stands at *spot*."""
        what, findings, holder, key = spot
        if not isinstance(raw, dict):
            spot.note(f"is {found(raw)}; expected a mapping with 'start_at' and 'steps'")
            return None
        if scope.depth > MAX_GRAPH_DEPTH:
            findings.add(
                f"{what}: graphs are nested more than {MAX_GRAPH_DEPTH} levels deep; flatten them", raw
            )
            return None
        check_names(raw, GRAPH_KEYS, ("start_at", "steps"), spot)
        valid = {
            name: value
            for name, value in raw.items()
            if name in GRAPH_KEYS
            and check(value, GRAPH_KEYS[name], Spot(f"{what}: '{name}'", findings, raw, name))
        }
        if "steps" not in valid:
            return None
        steps = valid["steps"]
        if not steps:
            findings.add(f"{what}: 'steps' is empty; expected the steps by name", raw, "steps")
            return None
        nodes: dict[str, Node] = {}
        sound = "start_at" in valid
        for name in steps:
            node, complete = self._node(name, steps, scope, what)
            sound &= complete
            if node is not None:
                nodes[name] = node
        self._tell_apart(nodes)
        graph = Graph(
            valid.get("start_at", next(iter(nodes), "")),
            nodes,
            valid.get("name"),
            valid.get("description"),
            number(valid.get("max_time", DEFAULT_MAX_TIME_SECONDS)),
            findings.place_of(holder, key) if key is not None else None,
        )
        self._check_graph(graph, findings, sound=sound)
        return graph

    def _tell_apart(self, nodes: dict[str, Node]) -> None:
        """Let tasks that share a command each leave files of their own."""
        sharing: dict[tuple[str, str], list[Node]] = {}
        for node in nodes.values():
            if node.task is not None:
                sharing.setdefault((node.task.command_type, node.task.command.strip()), []).append(node)
        for (command_type, _), each in sharing.items():
            task_type = self._kinds.task(command_type) if len(each) > 1 else None
            if not isinstance(task_type, TaskType):
                continue
            for node in each:
                task = node.task
                if task is None:
                    continue
                config = task_type.config_of_shared(task.command, task.command_config, node.name)
                if config is not task.command_config:
                    nodes[node.name] = node._replace(
                        task=task._replace(command_config=config),
                        definition={**node.definition, "command_config": dict(config)},
                    )

    def _check_graph(self, graph: Graph, findings: Findings, *, sound: bool) -> None:
        """Check the rules of a graph; where an edge is missing, only those that do not follow edges."""
        for node in graph.nodes.values():
            if (node.next is not None and node.next not in graph.nodes) or (
                node.on_failure is not None and node.on_failure not in graph.nodes
            ):
                sound = False
                break
        problems = find_problems(graph, edges_known=sound and graph.start_at in graph.nodes)
        if findings.path is not None:
            problems = [each if each.path else Problem(each.message, findings.path) for each in problems]
        findings.problems.extend(problems)

    def _node(
        self, name: Any, steps: Mapping[str, Any], scope: _Scope, outer: str
    ) -> tuple[Node | None, bool]:
        """Return the node *name*, as far as it can be told, and whether its edges are known."""
        findings, builder = scope.findings, scope.builder
        self._node_count += 1
        if self._node_count > MAX_NODES:
            message = f"the pipeline has more than {MAX_NODES:,} nodes; is a file included many times over?"
            raise DefinitionError([*self.problems, Problem(message, findings.path)])
        what = f"step '{name}'" if outer == "dag" else f"{outer}, step '{name}'"
        raw = steps[name]
        if not builder.check_name(name, steps, outer):
            return _stand_in(name, raw, "task", None), False
        place = findings.place_of_key(steps, name)
        if not isinstance(raw, dict):
            findings.add(f"{what} is {found(raw)}; expected a mapping with 'type'", steps, name)
            return _stand_in(name, raw, "task", place), False
        kind, known = builder.kind_of(raw, what)
        if kind is None or not known:
            return _stand_in(name, raw, kind.name if kind else "task", place), False
        checked = builder.check_keys(raw, kind, what)
        complete = kind.role is Role.TERMINAL or "next" in checked
        draft = Draft(name, steps, kind, checked, what)
        branches, inside = self._branches(draft, scope)
        return builder.build(draft, branches, inside), complete

    def _branches(self, draft: Draft, scope: _Scope) -> tuple[dict[str, Graph], dict[str, Any]]:
        """Build the graphs inside a node: for `Node.branches`, and for its canonical definition."""
        kind, checked, what = draft.kind, draft.checked, draft.what
        raw = draft.holder[draft.name]
        if kind.role is not Role.COMPOSITE:
            return _NO_BRANCHES, _NO_BRANCHES
        branches: dict[str, Graph] = {}
        inside: dict[str, Any] = {}
        item = checked.get("iterate_as") if "iterate_as" in kind.keys else None
        items = scope.items
        if item is not None:
            _check_item(item, items, Spot(f"{what}: 'iterate_as':", scope.findings, raw, "iterate_as"))
            items = (*items, item)
        inner = scope._replace(items=items, depth=scope.depth + 1)
        for key in kind.graph_keys:
            if key in checked:
                graph = self._graph(checked.pop(key), inner, Spot(f"{what}, {key}", scope.findings, raw, key))
                if graph is not None:
                    branches[DAG_BRANCH if key == DAG_BRANCH or item is None else item] = graph
                    inside[key] = graph.definition()
        for key in kind.graphs_keys:
            if key in checked:
                spot = Spot(f"{what}: '{key}'", scope.findings, raw, key)
                found_here = self._named_graphs(checked.pop(key), inner, spot, what)
                branches.update(found_here)
                inside[key] = {name: graph.definition() for name, graph in found_here.items()}
        if "dag_definition" in kind.keys:
            graph = self._included(checked.pop("dag_definition", None), inner, raw, what)
            if graph is not None:
                branches[DAG_BRANCH] = graph
                inside[DAG_BRANCH] = graph.definition()
        return branches, inside

    def _named_graphs(self, value: Any, scope: _Scope, spot: Spot, what: str) -> dict[str, Graph]:
        graphs: dict[str, Graph] = {}
        if not isinstance(value, dict) or not value:
            shown = "empty" if value == {} else found(value)
            spot.note(f"is {shown}; expected a mapping of names to graphs")
            return graphs
        for name in value:
            if scope.builder.check_name(name, value, spot.what):
                graph = self._graph(
                    value[name], scope, Spot(f"{what}, branch '{name}'", scope.findings, value, name)
                )
                if graph is not None:
                    graphs[name] = graph
        return graphs

    def _included(self, named: str | None, scope: _Scope, raw: Mapping[str, Any], what: str) -> Graph | None:
        """Build the graph that a dag node takes from the file *named*."""
        findings = scope.findings
        if "dag" in raw and "dag_definition" in raw:
            findings.add_key(f"{what} has both 'dag_definition' and 'dag'; keep one of them", raw, "dag")
        elif "dag" not in raw and "dag_definition" not in raw:
            findings.add(f"{what} lacks the key 'dag_definition', the file that holds its graph", raw)
        if named is None or "dag" in raw:
            return None
        spot = Spot(f"{what}: 'dag_definition'", findings, raw, "dag_definition")
        path = os.path.join(scope.folder, named)  # noqa: PTH118 - pathlib would drop the './' that a user wrote
        real = path if "\0" in path else os.path.realpath(path)
        if real in (found_at for _, found_at in scope.files):
            chain = " -> ".join([*(shown for shown, _ in scope.files), path])
            spot.note(f"leads back to a file that is being read: {chain}; remove it from one of them")
            return None
        document = self._document(path, real, spot)
        if document is None:
            return None
        there = Findings(document.path, self.problems)
        builder = NodeBuilder(self._kinds, there, self._shell_steps)
        folder = os.path.dirname(path)  # noqa: PTH120 - as above
        files = (*scope.files, (path, real))
        return self._graph_of(
            document, scope._replace(findings=there, builder=builder, folder=folder, files=files)
        )

    def _document(self, path: str, real: str, spot: Spot) -> Document | None:
        if real in self._documents:
            return self._documents[real]
        try:
            document = read_document(path, environ=self._environ)
        except DefinitionError as error:
            for problem in error.problems:
                if problem.line is None:
                    spot.note(f"names {problem.path}: {problem.message}")
                else:
                    self.problems.append(problem)
            return None
        if not isinstance(document.value, dict):
            text = f"the file holds {found(document.value)}; expected a mapping with 'dag'"
            self.problems.append(document.problem(text))
            return None
        self._remember(document)
        return document


_NO_BRANCHES: dict[str, Any] = {}


def _check_item(item: str, around: tuple[str, ...], spot: Spot) -> None:
    problem = node_name_problem(item)
    if problem is None and item in around:
        problem = f"the name '{item}' is that of the item of a map around this one; choose another"
    if problem:
        spot.note(problem)


def _stand_in(name: Any, raw: Any, kind: str, place: Place | None) -> Node | None:
    """Return a node for a step that cannot be built, so that what leads to it is not called wrong as well."""
    if not isinstance(name, str):
        return None
    written = raw if isinstance(raw, dict) else {}
    edges = (written.get(key) for key in ("next", "on_failure"))
    following, on_failure = (edge if isinstance(edge, str) else None for edge in edges)
    return Node(name, kind, {}, following, on_failure, place=place)
