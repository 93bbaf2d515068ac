"""In which order the nodes of a graph are called by a target that knows no edge for failures. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from magnus.domain.render_plan import RenderedNode


def in_order(nodes: Sequence[RenderedNode]) -> list[tuple[RenderedNode, tuple[str, ...]]]:
    """Return every node after all that may lead to it, and the keys of those that it has to wait for.

    It waits for no node that another one of them waits for already: the fail node, to which an edge leads from everywhere, for
    the last ones only.
    """
    sources = _sources(nodes)
    waiting = {key: len(before) for key, before in sources.items()}
    by_key = {node.key: node for node in nodes}
    ready = [node for node in reversed(nodes) if not waiting[node.key]]
    position: dict[str, int] = {}
    ordered: list[RenderedNode] = []
    while ready:
        node = ready.pop()
        position[node.key] = len(ordered)
        ordered.append(node)
        for key in reversed(_targets(node)):
            waiting[key] -= 1
            if not waiting[key]:
                ready.append(by_key[key])
    return [
        (node, awaited) for node, awaited in zip(ordered, _reduced(ordered, sources, position), strict=True)
    ]


def _targets(node: RenderedNode) -> list[str]:
    return list(dict.fromkeys(key for key in (node.next, node.on_failure) if key))


def _sources(nodes: Sequence[RenderedNode]) -> dict[str, list[str]]:
    sources: dict[str, list[str]] = {node.key: [] for node in nodes}
    for node in nodes:
        for key in _targets(node):
            sources[key].append(node.key)
    return sources


def _reduced(
    ordered: Sequence[RenderedNode], sources: Mapping[str, Sequence[str]], position: Mapping[str, int]
) -> list[tuple[str, ...]]:
    """Return for each node its sources without those that come before another of them anyway."""
    before: dict[str, int] = {}  # for each node, a bit for every one that ends before it begins
    reduced = []
    for node in ordered:
        covered = 0
        kept = []
        for key in sorted(sources[node.key], key=position.__getitem__, reverse=True):
            bit = 1 << position[key]
            if not covered & bit:
                kept.append(key)
                covered |= before[key] | bit
        before[node.key] = covered
        reduced.append(tuple(reversed(kept)))
    return reduced
