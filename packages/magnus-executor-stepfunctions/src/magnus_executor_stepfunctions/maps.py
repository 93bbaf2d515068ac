"""The states of a map: where its items are read, and what is done with each. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magnus.domain.role import Role
from magnus_executor_stepfunctions.expressions import ITEMS, PLACE, filled_in
from magnus_executor_stepfunctions.items import MOST_DISTRIBUTED, place_of
from magnus_executor_stepfunctions.jobs import comment_of, overrides_size
from magnus_executor_stepfunctions.limits import MOST_DISTRIBUTED_BRANCHES
from magnus_executor_stepfunctions.resources import requirements
from magnus_executor_stepfunctions.shape import most_at_once

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus.domain.render_plan import RenderedGraph, RenderedNode, RenderPlan
    from magnus_executor_stepfunctions.config import StepFunctionsOptions
    from magnus_executor_stepfunctions.items import ItemsPlace
    from magnus_executor_stepfunctions.shape import Shape

_BUSY = {"ErrorEquals": ["States.TaskFailed"], "IntervalSeconds": 2, "MaxAttempts": 5, "BackoffRate": 2.0}
_ADDRESS_SIZE = 500
"""Characters that what `--items-to` is given has at most, the configured address apart."""


def rooms(plan: RenderPlan, options: StepFunctionsOptions) -> Mapping[str, int]:
    """Return for every graph how large the overrides of its jobs are at most, those of the items in it apart."""
    found: dict[str, int] = {}
    for graph in reversed(plan.graphs):
        sizes = [size_of(node, options) for node in graph.nodes]
        sizes += [
            found[key] for node in graph.nodes if node.node.map is None for key in node.branches.values()
        ]
        found[graph.key] = max(sizes)
    return found


def size_of(node: RenderedNode, options: StepFunctionsOptions) -> int:
    """Return how large the overrides of the jobs of *node* are at most, without items."""
    if node.role is Role.COMPOSITE:
        address = "x" * (_ADDRESS_SIZE + len(options.items)) if node.node.map is not None else ""
        return max(
            overrides_size(command, node.options, []) for command in ((*node.fan_out, address), node.fan_in)
        )
    asked = requirements(node.node, node.options, options) if node.role is Role.WORK else []
    return overrides_size((*node.command, "--if-reached"), node.options, asked)


def items_place(
    node: RenderedNode,
    graph: RenderedGraph,
    options: StepFunctionsOptions,
    shape: Shape,
    sizes: Mapping[str, int],
) -> ItemsPlace:
    """Return where the items of the map *node* in *graph* are put."""
    inline = node.key in shape.inline
    (branch,) = node.branches.values()
    return place_of(
        node,
        options.items,
        inline=inline,
        most=shape.most_items(graph) if inline else MOST_DISTRIBUTED,
        overrides_size=sizes[branch],
    )


def map_states(node: RenderedNode, place: ItemsPlace, branch: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the states between fan-out and fan-in, without what comes after each."""
    where = {"Bucket": place.bucket, "Key.$": str(place.object_key)}
    state: dict[str, Any] = {"Type": "Map", "Comment": comment_of(node)}
    states: dict[str, dict[str, Any]] = {}
    if place.inline:
        states[f"{node.key}.items"] = {
            "Type": "Task",
            "Comment": comment_of(node, "reads its items"),
            "Resource": "arn:aws:states:::aws-sdk:s3:getObject",
            "Parameters": where,
            "ResultSelector": {"list.$": "States.StringToJson($.Body)"},
            "ResultPath": ITEMS,
            "Retry": [_BUSY],
        }
        state["ItemsPath"] = f"{ITEMS}.list"
    else:
        state["ItemReader"] = {
            "Resource": "arn:aws:states:::s3:getObject",
            "ReaderConfig": {"InputType": "JSON"},
            "Parameters": where,
        }
    state["ItemSelector"] = {
        "run_id.$": "$.run_id",
        "place.$": str(filled_in("{}/{}", PLACE, "$$.Map.Item.Index")),
        "map_variable.$": "$$.Map.Item.Value",
    }
    processor = {"Mode": "INLINE"} if place.inline else {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
    state["ItemProcessor"] = {"ProcessorConfig": processor, **branch}
    if limit := most_at_once(node):
        state["MaxConcurrency"] = min(limit, MOST_DISTRIBUTED_BRANCHES)
    # Of an inline map the list is dropped with that; it would go on through all states otherwise.
    state["ResultPath"] = ITEMS if place.inline else None
    states[node.key] = state
    return states
