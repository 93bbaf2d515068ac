"""What kind of map each map becomes, and what that means for the limits of Step Functions. Pure.

A map is inline, a part of the execution that it stands in, if few of its items run at the same time; else distributed: each
item is an execution with a history of its own. Inside an inline map all maps are distributed, so that how many items fit can be
told before there are any.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from magnus.domain.role import Role
from magnus_executor_stepfunctions.limits import MOST_EVENTS, MOST_INLINE_BRANCHES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus.domain.render_plan import RenderedGraph, RenderedNode, RenderPlan

_CALL = 6
"""Events of a job: entered, scheduled, started, submitted, succeeded, exited."""
_ANOTHER_CALL = 4
"""Of another attempt: scheduled, started, submitted, failed."""
_READ = 5
_CONTAINER = 5
"""Of a parallel or map state itself."""
_ITEM = 2
_EXECUTION = 12
"""Of the execution, its first state, and its last ones."""


class Events(NamedTuple):
    """What a graph adds to the history of its execution at most.

    Attributes:
        certain: Events of the longest way through it.
        each_item: Further events for each item that its inline maps have.
    """

    certain: int
    each_item: int


class Shape(NamedTuple):
    """What follows from a plan as a whole.

    Attributes:
        inline: The keys of the maps that are inline.
        executions: For every graph the key of the graph that its execution begins with.
        events: For every graph.
        depth: For every graph, how many graphs are around it.
    """

    inline: frozenset[str]
    executions: Mapping[str, str]
    events: Mapping[str, Events]
    depth: Mapping[str, int]

    def most_items(self, graph: RenderedGraph) -> int:
        """Return how many items an inline map in *graph* may have."""
        events = self.events[self.executions[graph.key]]
        return max(0, MOST_EVENTS - _EXECUTION - events.certain) // events.each_item

    def events_of_execution(self, graph_key: str) -> int:
        """Return how many events an execution that begins with a graph has at most, without its items."""
        return self.events[graph_key].certain + _EXECUTION


def shape_of(plan: RenderPlan) -> Shape:
    """Look at all graphs of *plan*."""
    root = plan.root.key
    inline: set[str] = set()
    executions, depth, is_inside_inline = {root: root}, {root: 0}, {root: False}
    for graph in plan.graphs:
        for node in graph.nodes:
            is_map = node.node.map is not None
            is_inline = is_map and may_be_inline(node) and not is_inside_inline[graph.key]
            if is_inline:
                inline.add(node.key)
            for key in node.branches.values():
                depth[key] = depth[graph.key] + 1
                begins_execution = is_map and not is_inline
                executions[key] = key if begins_execution else executions[graph.key]
                is_inside_inline[key] = not begins_execution and (is_inline or is_inside_inline[graph.key])
    events: dict[str, Events] = {}
    for graph in reversed(plan.graphs):
        costs = {node.key: cost(node, events, is_inline=node.key in inline) for node in graph.nodes}
        events[graph.key] = Events(
            _longest_way(graph, {key: each.certain for key, each in costs.items()}),
            sum(each.each_item for each in costs.values()),
        )
    return Shape(frozenset(inline), executions, events, depth)


def most_at_once(node: RenderedNode) -> int:
    """Return how many items of a map may run at the same time; 0 for no limit."""
    settings = node.node.map
    if not node.options.enable_parallel:
        return 1
    return settings.max_concurrency or 0 if settings is not None else 0


def may_be_inline(node: RenderedNode) -> bool:
    """Whether a map lets so few items run at the same time that it can be inline."""
    return 0 < most_at_once(node) <= MOST_INLINE_BRANCHES


def cost(node: RenderedNode, events: Mapping[str, Events], *, is_inline: bool) -> Events:
    """Return the events of *node*, when those of the graphs that it holds are known."""
    if node.role is not Role.COMPOSITE:
        return Events(_CALL + _ANOTHER_CALL * (node.node.retry.max_attempts - 1), 0)
    own = 2 * _CALL + _CONTAINER
    inside = [events[key] for key in node.branches.values()]
    if node.node.map is None:
        own += 0 if node.options.enable_parallel else _CONTAINER * (len(inside) - 1)
        return Events(own + sum(each.certain for each in inside), sum(each.each_item for each in inside))
    if is_inline:
        return Events(own + _READ, inside[0].certain + _ITEM)
    return Events(own, 0)


def _longest_way(graph: RenderedGraph, costs: Mapping[str, int]) -> int:
    following = {
        node.key: [key for key in dict.fromkeys((node.next, node.on_failure)) if key] for node in graph.nodes
    }
    before = dict.fromkeys(costs, 0)
    for keys in following.values():
        for key in keys:
            before[key] += 1
    order = [key for key, count in before.items() if count == 0]
    for key in order:  # grows while it is walked
        for other in following[key]:
            before[other] -= 1
            if before[other] == 0:
                order.append(other)
    longest: dict[str, int] = {}
    for key in reversed(order):
        longest[key] = costs[key] + max((longest[other] for other in following[key]), default=0)
    return longest[graph.start_at]
