"""The limits of Step Functions and Batch, looked at before anything is written. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magnus.errors import ConfigurationError
from magnus_executor_stepfunctions.limits import (
    LARGEST_DEFINITION,
    LARGEST_OVERRIDES,
    LONGEST_EXECUTION_SECONDS,
    LONGEST_STATE_NAME,
    MOST_EVENTS,
    MOST_NESTED_GRAPHS,
)
from magnus_executor_stepfunctions.shape import cost

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus.domain.render_plan import RenderedGraph, RenderedNode, RenderPlan
    from magnus_executor_stepfunctions.shape import Shape

_SECONDS_TO_SPARE = 7200


def check_plan(plan: RenderPlan, shape: Shape) -> None:
    """Refuse what is too deep, too long, or takes too long.

    Raises:
        ConfigurationError: Names node, limit and target.
    """
    deepest = max(plan.graphs, key=lambda graph: shape.depth[graph.key])
    if shape.depth[deepest.key] > MOST_NESTED_GRAPHS:
        raise refusal(
            f"the branch '{'.'.join(deepest.path)}' stands in {shape.depth[deepest.key]} others, and a state machine nests "
            f"{MOST_NESTED_GRAPHS} at most; run a part of the pipeline as one of its own"
        )
    if plan.max_time_seconds + _SECONDS_TO_SPARE > LONGEST_EXECUTION_SECONDS:
        raise refusal(
            f"the outermost graph has a `max_time` of {plan.max_time_seconds:g} s, and an execution ends after a year "
            f"({LONGEST_EXECUTION_SECONDS} s); set a smaller one"
        )
    for graph in plan.graphs:
        if shape.executions[graph.key] == graph.key:
            _check_events(graph, plan, shape)
    for graph in plan.graphs:
        for node in graph.nodes:
            if node.key in shape.inline and shape.most_items(graph) == 0:
                raise refusal(
                    f"{_named(node, graph)} leaves no room for a single item in the {MOST_EVENTS} events of one execution; "
                    "set its `max_concurrency` above 40, so that each item has a history of its own"
                )


def _check_events(first: RenderedGraph, plan: RenderPlan, shape: Shape) -> None:
    events = shape.events_of_execution(first.key)
    if events <= MOST_EVENTS:
        return
    costs = {
        (graph.key, node.key): cost(node, shape.events, is_inline=node.key in shape.inline).certain
        for graph in plan.graphs
        if shape.executions[graph.key] == first.key
        for node in graph.nodes
        if not node.branches
    }
    worst = max(costs, key=lambda keys: costs[keys])
    graph = next(graph for graph in plan.graphs if graph.key == worst[0])
    node = next(node for node in graph.nodes if node.key == worst[1])
    raise refusal(
        f"one execution can have {events} events in its history, and may have {MOST_EVENTS}: most are of "
        f"{_named(node, graph)} with {node.node.retry.max_attempts} attempts ({costs[worst]} events); allow fewer attempts "
        "(`retry`), or run a part of the pipeline as one of its own"
    )


def check_overrides(size: int, node: RenderedNode, graph: RenderedGraph) -> None:
    """Refuse a job that is given too much besides its definition.

    Raises:
        ConfigurationError: Names node, limit and target.
    """
    if size > LARGEST_OVERRIDES:
        raise refusal(
            f"{_named(node, graph)}: what its job is given besides its definition needs {size} characters, and AWS Batch "
            f"takes {LARGEST_OVERRIDES}; make `environment` smaller, or put it in the job definition"
        )


def check_machine(machine: Mapping[str, Any]) -> None:
    """Refuse a name of a state that is too long.

    Raises:
        ConfigurationError: Names state, limit and target.
    """
    waiting = [machine]
    while waiting:
        for name, state in waiting.pop()["States"].items():
            if len(name) > LONGEST_STATE_NAME:
                raise refusal(
                    f"the state '{name}' ({state.get('Comment', '')}) has a name of {len(name)} characters, and "
                    f"{LONGEST_STATE_NAME} are the most; call the node something else"
                )
            waiting += state.get("Branches", ())
            if state["Type"] == "Map" and "ItemProcessor" in state:
                waiting.append(state["ItemProcessor"])


def check_text(text: str, plan: RenderPlan) -> None:
    """Refuse a definition that is too large.

    Raises:
        ConfigurationError: Names its size, limit and target.
    """
    size = len(text.encode())
    if size > LARGEST_DEFINITION:
        count = sum(len(graph.nodes) for graph in plan.graphs)
        raise refusal(
            f"the {count} nodes of {plan.pipeline_file} make a state machine of {size} bytes, and {LARGEST_DEFINITION} "
            "(1 MiB) are the most; run a part of the pipeline as one of its own"
        )


def refusal(reason: str) -> ConfigurationError:
    """Return the error that says so for this executor."""
    return ConfigurationError(f"executor aws-step-functions: {reason}")


def _named(node: RenderedNode, graph: RenderedGraph) -> str:
    name = ".".join((*graph.path, node.node.name))
    return f"{node.place}: the step '{name}'" if node.place else f"the step '{name}'"
