"""A graph as a list of events, from the outside to the inside: what formats with nested clusters are written from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from magnus.domain.graph import Graph
    from magnus.domain.nodes import Node

SUCCEEDS = "next"
FAILS = "on_failure"


@dataclass(frozen=True, slots=True)
class Leaf:
    """A node without branches.

    Attributes:
        id: Letters and digits, unique in the drawing.
        node: The node.
    """

    id: str
    node: Node


@dataclass(frozen=True, slots=True)
class Opened:
    """A composite node (*branch* is empty), or one of its branches, begins."""

    id: str
    node: Node
    branch: str = ""


@dataclass(frozen=True, slots=True)
class Closed:
    """What was opened last ends."""


@dataclass(frozen=True, slots=True)
class Edge:
    """A way from one node to another of the same graph.

    Attributes:
        source: Its id.
        target: Its id.
        kind: `SUCCEEDS` or `FAILS`.
    """

    source: str
    target: str
    kind: str


def outline(graph: Graph) -> Iterator[Leaf | Opened | Closed | Edge]:
    """Yield what *graph* holds; the edges of a graph come after its nodes. Ids are the positions in the definition."""
    # Explicit stack: pipelines nest without limit.
    pending: list[Leaf | Opened | Closed | Edge | _Inside] = [_Inside(graph, "n")]
    while pending:
        item = pending.pop()
        if isinstance(item, _Inside):
            pending.extend(reversed(_inside(item.graph, item.prefix)))
            continue
        yield item
        if isinstance(item, Opened) and not item.branch:
            pending.extend(reversed(_branches(item)))


@dataclass(frozen=True, slots=True)
class _Inside:
    """A graph that is still to be gone through."""

    graph: Graph
    prefix: str


def _inside(graph: Graph, prefix: str) -> list[Leaf | Opened | Closed | Edge | _Inside]:
    ids = {name: f"{prefix}{index}" for index, name in enumerate(graph.nodes)}
    items: list[Leaf | Opened | Closed | Edge | _Inside] = [
        Opened(ids[name], node) if node.branches else Leaf(ids[name], node)
        for name, node in graph.nodes.items()
    ]
    for name, node in graph.nodes.items():
        for kind, target in ((SUCCEEDS, node.next), (FAILS, node.on_failure)):
            if target is not None:
                items.append(Edge(ids[name], ids[target], kind))
    return items


def _branches(opened: Opened) -> list[Leaf | Opened | Closed | Edge | _Inside]:
    items: list[Leaf | Opened | Closed | Edge | _Inside] = []
    for index, (name, graph) in enumerate(opened.node.branches.items()):
        branch_id = f"{opened.id}b{index}"
        items += [Opened(branch_id, opened.node, name), _Inside(graph, f"{branch_id}n"), Closed()]
    return [*items, Closed()]
