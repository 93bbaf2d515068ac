"""Tells which nodes of a re-run need not even be called."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnus.domain.names import split
from magnus.domain.run_log import Status
from magnus.usecases.skipping import foretell

if TYPE_CHECKING:
    from collections.abc import Iterable

    from magnus.domain.graph import Graph
    from magnus.domain.nodes import Node
    from magnus.domain.parameters import Values
    from magnus.engine.rerun import Rerun
    from magnus.usecases.skipping import Decision

_STEP_AND_BRANCH = 2


def finished_nodes(graph: Graph, rerun: Rerun, values: Values) -> frozenset[str]:
    """Return the names of the nodes of the outermost graph with which nothing begins to run again.

    Those from the beginning on, up to the first in which something has to run: in branches all steps count. It leaves out
    what is not certain.

    Args:
        graph: The pipeline as it is now.
        rerun: The run that is continued.
        values: The parameters that the re-run would start from.
    """
    decisions = [each for of_step in foretell(graph, rerun, values).values() for each in of_step]
    found = []
    node = graph.get_node_by_name(graph.start_at)
    while node.next is not None:
        inside = [each for each in decisions if split(each.step)[0] == node.name]
        if not all(each.skip for each in inside) or (node.branches and not _had_ended(node, rerun, inside)):
            break
        # A node that runs nothing may be there for what the target makes of it.
        if node.task is not None or node.branches:
            found.append(node.name)
        node = graph.get_node_by_name(node.next)
    return frozenset(found)


def _had_ended(node: Node, rerun: Rerun, inside: Iterable[Decision]) -> bool:
    """Whether a composite node had succeeded with the branches that it has now."""
    old = rerun.steps.get(node.name)
    if old is None or old.status is not Status.SUCCESS:
        return False
    now = {".".join(split(each.step)[:_STEP_AND_BRANCH]) for each in inside}
    return now == rerun.branches.get(node.name, set())
