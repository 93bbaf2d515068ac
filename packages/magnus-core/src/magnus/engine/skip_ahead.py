"""Begins a re-run that nobody traverses: records all that may be skipped, so that whoever walks it finds that done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnus.engine.composite import root_walk
from magnus.engine.traversal import Traversal

if TYPE_CHECKING:
    from magnus.domain.graph import Graph
    from magnus.domain.nodes import Node
    from magnus.domain.run_log import Status
    from magnus.engine.composite import Pending, Walk


class SkipAhead(Traversal):
    """A traversal that stops wherever something would have to run, and goes on beside that."""

    def skip_ahead(self, graph: Graph) -> None:
        """Go through *graph* and its branches as far as nothing runs; the outermost graph is not closed."""
        self._ready.append(root_walk(graph, self._root_scope, None))
        while self._go_on():
            self._context.interrupts.check()
        self._recorder.flush()

    def execute_from_graph(self, node: Node, walk: Walk) -> Status | None:
        """See the base; the end of the run is left to who comes to it."""
        if node.is_terminal and walk.fan_out is None:
            return None
        return super().execute_from_graph(node, walk)

    def _begin(self, pending: Pending) -> Status | None:
        return None

    def _limit(self, node: Node, branches: int) -> int:
        return branches  # one in which something has to run must not keep the others from being skipped
