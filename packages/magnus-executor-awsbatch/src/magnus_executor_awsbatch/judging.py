"""What is wrong with a dag for AWS Batch, as far as that can be seen without asking AWS. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnus.domain.verdict import Judgement, Verdict
from magnus.ports.executor import Objection
from magnus_executor_awsbatch.requests import (
    LARGEST_OVERRIDES,
    DoesNotFitError,
    container_overrides,
    overrides_size,
    resources_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from magnus.domain.graph import Graph
    from magnus.domain.nodes import Node
    from magnus.ports.executor import ComputeNeeds
    from magnus_executor_awsbatch.config import AwsBatchOptions
    from magnus_executor_awsbatch.requests import Resources

NO_HANDOVER = (
    "jobs find what to do in S3, and no place is known for that; set `handover: s3://bucket/prefix`, or choose the run log "
    "or the catalog 's3'"
)

_OF_THE_RUN = ("region", "endpoint_url", "poll_interval", "on_interrupt", "handover", "enable_parallel")
"""Options that a run has once: a step that overrides one would not get what it asks for."""

_ROOM_FOR_COMMAND = 1024
"""Bytes for the run's id, the handover's address and the name of the job, which are not known before the run."""


def handover_of(options: AwsBatchOptions, needs: Sequence[ComputeNeeds]) -> str:
    """Return where jobs find what to do; empty if no place is known."""
    return options.handover or next((need.handover for need in needs if need.handover), "")


def judge_graph(
    options: AwsBatchOptions,
    graph: Graph,
    options_of: Callable[[Node], AwsBatchOptions],
    needs: Sequence[ComputeNeeds],
) -> list[Objection]:
    """Return what would be refused, for the whole dag and for each task."""
    objections = []
    if not handover_of(options, needs):
        objections.append(Objection(Verdict(Judgement.ERROR, NO_HANDOVER), "option", "handover"))
    for path, node in graph.walk():
        if node.task is not None:
            name = ".".join((*path, node.name))
            own = options_of(node)
            objections += [
                _error(option, "it holds for a run as a whole; set it in the configuration", name)
                for option in _OF_THE_RUN
                if getattr(own, option) != getattr(options, option)
            ]
            try:
                resources = resources_of(node, own, options)
            except DoesNotFitError as error:
                objections.append(_error("resources", str(error), name))
                continue
            if refusal := _too_large(name, own, resources, needs):
                objections.append(_error("environment", refusal, name))
    return objections


def _too_large(
    name: str, options: AwsBatchOptions, resources: Resources, needs: Sequence[ComputeNeeds]
) -> str:
    command = ["x" * _ROOM_FOR_COMMAND, name]
    size = overrides_size(container_overrides(command, options, resources, needs))
    if size <= LARGEST_OVERRIDES:
        return ""
    return (
        f"what the job is given besides its definition needs {size} bytes, and Batch takes {LARGEST_OVERRIDES}; make "
        "`environment` smaller, or put it in the job definition"
    )


def _error(what: str, reason: str, place: str) -> Objection:
    return Objection(Verdict(Judgement.ERROR, reason), "step", what, (place,))
