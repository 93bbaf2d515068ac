"""A graph of nodes, and the rules that every graph and branch obeys."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, NamedTuple

from magnus.domain.nodes import canonical_json
from magnus.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from magnus.domain.nodes import Node, Place

DEFAULT_MAX_TIME_SECONDS = 86_400


class Graph(NamedTuple):
    """Nodes and where they start.

    Attributes:
        start_at: The name of the first node.
        nodes: By name, in declared order.
        name: What people call the pipeline; not part of its hash.
        description: For people; not part of the hash.
        max_time_seconds: How long the graph may take in all.
        place: Where it was defined; None for a pipeline written in Python.
    """

    start_at: str
    nodes: Mapping[str, Node]
    name: str | None = None
    description: str | None = None
    max_time_seconds: float = DEFAULT_MAX_TIME_SECONDS
    place: Place | None = None

    def get_node_by_name(self, name: str) -> Node:
        """Return the node called *name*; it exists, because the definition was checked."""
        return self.nodes[name]

    def get_success_node(self) -> Node:
        """Return the one node that closes the graph with success."""
        return next(node for node in self.nodes.values() if node.type == "success")

    def get_fail_node(self) -> Node:
        """Return the one node that closes the graph with failure."""
        return next(node for node in self.nodes.values() if node.type == "fail")

    def definition(self) -> dict[str, Any]:
        """Return the graph in canonical form, as a `dag:` block that gives the same hash."""
        steps = {name: dict(node.definition) for name, node in self.nodes.items()}
        block: dict[str, Any] = {"start_at": self.start_at, "steps": steps}
        if self.max_time_seconds != DEFAULT_MAX_TIME_SECONDS:
            block["max_time"] = self.max_time_seconds
        return block

    def hash(self) -> str:
        """Return the hash of everything in the graph that has a meaning when it runs, included graphs too."""
        return hashlib.sha256(canonical_json(self.definition()).encode(errors="surrogatepass")).hexdigest()

    def walk(self) -> Iterator[tuple[tuple[str, ...], Node]]:
        """Yield every node of the graph and of its branches, with the names of the steps and branches that lead to it."""
        pending: list[tuple[tuple[str, ...], Graph]] = [((), self)]
        while pending:
            path, graph = pending.pop()
            for node in graph.nodes.values():
                yield path, node
                pending.extend(((*path, node.name, name), branch) for name, branch in node.branches.items())


def find_problems(graph: Graph, *, edges_known: bool = True) -> list[Problem]:
    """Return every rule that *graph* itself (not its branches) breaks, in a stable order.

    Exactly one success and one fail node; every `start_at`, `next` and `on_failure` exists; no cycle; every node is reached.

    Args:
        graph: The graph.
        edges_known: False where an edge is missing or leads nowhere: what cannot be reached is a consequence then, and
            is not told.
    """
    problems = [*_terminal_problems(graph), *_edge_problems(graph), *_cycle_problems(graph)]
    if edges_known:
        problems.extend(_reach_problems(graph))
    return problems


def _problem(place: Place | None, message: str) -> Problem:
    if place is None:
        return Problem(message)
    return Problem(message, place.path, place.line, place.column)


def _terminal_problems(graph: Graph) -> Iterator[Problem]:
    for kind in ("success", "fail"):
        found = [node for node in graph.nodes.values() if node.type == kind]
        if not found:
            yield _problem(graph.place, f"the graph has no node of type '{kind}'; it needs exactly one")
        for extra in found[1:]:
            yield _problem(
                extra.place,
                f"'{extra.name}' is a second node of type '{kind}' beside '{found[0].name}'; a graph has exactly one",
            )


def _edge_problems(graph: Graph) -> Iterator[Problem]:
    if graph.start_at not in graph.nodes:
        yield _problem(
            graph.place,
            f"start_at names '{graph.start_at}', which is not a step{_hint(graph, graph.start_at)}",
        )
    for node in graph.nodes.values():
        for key, target in (("next", node.next), ("on_failure", node.on_failure)):
            if target is not None and target not in graph.nodes:
                yield _problem(
                    node.place,
                    f"step '{node.name}': {key} names '{target}', which is not a step{_hint(graph, target)}",
                )


def _hint(graph: Graph, name: str) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, list(graph.nodes), n=1)
    return f". Did you mean '{close[0]}'?" if close else f"; the steps are {_some(graph.nodes)}"


def _some(names: Mapping[str, Any], most: int = 8) -> str:
    shown = ", ".join(f"'{name}'" for name in list(names)[:most])
    return f"{shown}, ..." if len(names) > most else shown


def _targets(graph: Graph, node: Node) -> list[str]:
    return [target for target in (node.next, node.on_failure) if target in graph.nodes and target is not None]


def _cycle_problems(graph: Graph) -> Iterator[Problem]:
    """Depth first with an explicit stack: a chain of 20,000 nodes must not reach the recursion limit."""
    done: set[str] = set()
    for first in graph.nodes:
        if first in done:
            continue
        path: dict[str, None] = {first: None}
        stack = [(first, iter(_targets(graph, graph.nodes[first])))]
        while stack:
            name, targets = stack[-1]
            for target in targets:
                if target in path:
                    names = list(path)
                    ring = [*names[names.index(target) :], target]
                    yield _problem(graph.nodes[name].place, f"the steps form a cycle: {' -> '.join(ring)}")
                elif target not in done:
                    path[target] = None
                    stack.append((target, iter(_targets(graph, graph.nodes[target]))))
                    break
            else:
                stack.pop()
                path.pop(name)
                done.add(name)


def _reach_problems(graph: Graph) -> Iterator[Problem]:
    """A fail node needs no edge of its own: every step leads there when it fails."""
    reached: set[str] = set()
    pending = [graph.start_at]
    while pending:
        name = pending.pop()
        if name in reached or name not in graph.nodes:
            continue
        reached.add(name)
        pending.extend(_targets(graph, graph.nodes[name]))
    for node in graph.nodes.values():
        if node.name not in reached and node.type != "fail":
            yield _problem(
                node.place,
                f"step '{node.name}' is never reached; lead there by 'next' or 'on_failure', or remove it",
            )
