"""Foretells what a re-run would skip, and why it would not: walks the graph as if everything that runs succeeded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from magnus.domain.names import ROOT_BRANCH, branch_name, encode_map_value, step_name
from magnus.domain.run_log import Status

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from magnus.domain.graph import Graph
    from magnus.domain.nodes import Node
    from magnus.domain.parameters import Values
    from magnus.engine.rerun import Rerun

ANY_ITEM = "*"
"""Stands for the branch of a map in the pattern of a step's name."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What would happen to one step.

    Attributes:
        step: Its internal name; with `*` for the items of a map whose list is not known yet.
        skip: Whether it counts as done.
        reason: Why it does, or does not.
    """

    step: str
    skip: bool
    reason: str


def foretell(graph: Graph, rerun: Rerun, values: Values) -> dict[str, list[Decision]]:
    """Return what would happen to the tasks of *graph*.

    Args:
        graph: The pipeline as it is now.
        rerun: The run that would be continued.
        values: The parameters that the re-run would start from.

    Returns:
        By the pattern of a step's name (`*` for the items of maps) one decision for each step that it stands for. A node that
        only a failure leads to has none.
    """
    walker = _Walker(rerun)
    # Walks wait for the walks inside them on a list and not on the stack: pipelines nest without limit.
    waiting = [walker.walk(_Walk(graph, ROOT_BRANCH, ROOT_BRANCH, dict(values), None))]
    cause: str | None = None
    while waiting:
        try:
            inner = waiting[-1].send(cause)
        except StopIteration as stop:
            waiting.pop()
            cause = stop.value
        else:
            waiting.append(inner)
            cause = None  # what begins takes nothing
    return walker.decisions


@dataclass(frozen=True, slots=True)
class _Walk:
    """One graph to go through.

    Attributes:
        graph: The graph.
        branch: Its internal name.
        pattern: The same with `*` for the items of maps.
        values: What its parameters are, as far as that is known.
        cause: Why nothing in it may be skipped; None if something may.
    """

    graph: Graph
    branch: str
    pattern: str
    values: Values
    cause: str | None


class _Walker:
    """Collects decisions."""

    def __init__(self, rerun: Rerun) -> None:
        self._rerun = rerun
        self.decisions: dict[str, list[Decision]] = {}

    def walk(self, walk: _Walk) -> Generator[Any, str | None, str | None]:
        """Go through one graph; yields the walks of branches, takes and returns why nothing after them may be skipped."""
        cause = walk.cause
        node = walk.graph.get_node_by_name(walk.graph.start_at)
        while node.next is not None:
            name = step_name(walk.branch, node.name)
            if node.branches:
                inner = cause or self._change(name, node)
                found = inner
                for branch in self._branches(walk, node, inner):
                    found = (yield self.walk(branch)) or found
                cause = cause or found
            elif node.task is not None:
                cause = self._decide(walk, node, cause)
            if cause is None:
                self._take_over(name, walk.values)
            node = walk.graph.get_node_by_name(node.next)
        return cause

    def _decide(self, walk: _Walk, node: Node, cause: str | None) -> str | None:
        """Note what happens to a task; return why nothing after it may be skipped."""
        name = step_name(walk.branch, node.name)
        skip = cause is None and self._rerun.may_skip(name, node.work_hash(), something_ran_before=False)
        reason = self._rerun.message() if skip else cause or self._why_not(name, node)
        pattern = step_name(walk.pattern, node.name)
        self.decisions.setdefault(pattern, []).append(Decision(name, skip, reason))
        return cause if skip or cause is not None else f"'{name}', which comes before it, runs again"

    def _why_not(self, name: str, node: Node) -> str:
        run_id, old = self._rerun.original_run_id, self._rerun.steps.get(name)
        if old is None:
            return f"run {run_id} did not come to it"
        if old.status is not Status.SUCCESS:
            how = "failed" if old.status is Status.FAIL else "had not ended"
            return f"it {how} in run {run_id}"
        return self._change(name, node) or "it is not as it was"

    def _change(self, name: str, node: Node) -> str | None:
        if not self._rerun.work_changed(name, node.work_hash()):
            return None
        return f"the definition of '{name}' is not what it was in run {self._rerun.original_run_id}"

    def _branches(self, walk: _Walk, node: Node, cause: str | None) -> list[_Walk]:
        name = step_name(walk.branch, node.name)
        pattern = step_name(walk.pattern, node.name)
        if node.map is None:
            return [
                _Walk(graph, branch_name(name, key), branch_name(pattern, key), dict(walk.values), cause)
                for key, graph in node.branches.items()
            ]
        (graph,) = node.branches.values()
        pattern = branch_name(pattern, ANY_ITEM)
        # The list may be set by a step that runs again: then nobody can tell the items yet.
        items = walk.values.get(node.map.iterate_on) if cause is None else None
        decoded = items.decode() if items is not None else None
        names = [encode_map_value(item) for item in decoded] if isinstance(decoded, list) else [ANY_ITEM]
        return [_Walk(graph, branch_name(name, key), pattern, dict(walk.values), cause) for key in names]

    def _take_over(self, name: str, values: Values) -> None:
        """Set the parameters that a skipped step had set."""
        old = self._rerun.steps.get(name)
        if old is not None:
            outputs: Mapping[str, Any] = self._rerun.outputs(old)
            values.update({key: value for key, value in outputs.items() if key not in self._rerun.explicit})
