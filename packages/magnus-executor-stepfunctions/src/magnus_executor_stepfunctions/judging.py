"""What is wrong with a dag for Step Functions, as far as that can be seen in its nodes. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnus.domain.verdict import Judgement, Verdict
from magnus.ports.executor import Objection
from magnus_executor_stepfunctions.own_states import own_state_problem
from magnus_executor_stepfunctions.resources import DoesNotFitError, requirements

if TYPE_CHECKING:
    from collections.abc import Callable

    from magnus.domain.graph import Graph
    from magnus.domain.nodes import Node
    from magnus_executor_stepfunctions.config import StepFunctionsOptions

_OF_THE_RUN = ("items", "region", "endpoint_url")
"""Options that a run has once: a step that overrides one would not get what it asks for."""


def judge_nodes(
    options: StepFunctionsOptions, graph: Graph, options_of: Callable[[Node], StepFunctionsOptions]
) -> list[Objection]:
    """Return what would be refused, node by node."""
    objections = []
    for path, node in graph.walk():
        name = ".".join((*path, node.name))
        own = options_of(node)
        objections += [
            _error(option, "it holds for a run as a whole", "set it in the configuration", name)
            for option in _OF_THE_RUN
            if getattr(own, option) != getattr(options, option)
        ]
        if own.enable_parallel and not options.enable_parallel:
            reason = "the services were judged by a configuration in which no branches run at the same time"
            objections.append(_error("enable_parallel", reason, "set it for all nodes, or for none", name))
        if node.map is not None and not options.items:
            reason = "Step Functions reads what a map iterates over from S3, and no place is known for that"
            objections.append(
                _error("items", reason, "set `items: s3://bucket/prefix` for the executor", name)
            )
        if problem := own_state_problem(node):
            objections.append(_error("render_string", problem, "or leave it out", name))
        if node.task is not None:
            try:
                requirements(node, own, options)
            except DoesNotFitError as error:
                objections.append(_error("resources", str(error), "", name))
    return objections


def _error(what: str, reason: str, remedy: str, place: str) -> Objection:
    return Objection(Verdict(Judgement.ERROR, reason, remedy), "step", what, (place,))
