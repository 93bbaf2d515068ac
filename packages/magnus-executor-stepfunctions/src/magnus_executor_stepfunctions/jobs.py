"""A command of magnus as a state: one job of AWS Batch, for whose end Step Functions waits. Pure."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from magnus_executor_stepfunctions.expressions import array, longest_command
from magnus_executor_stepfunctions.limits import SHORTEST_JOB_TIMEOUT_SECONDS
from magnus_executor_stepfunctions.resources import requirements
from magnus_executor_stepfunctions.retries import BUSY, longest_pause_seconds, retriers

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus.domain.render_plan import Command, RenderedNode
    from magnus_executor_stepfunctions.config import StepFunctionsOptions

RESOURCE = "arn:aws:states:::batch:submitJob.sync"

_SECONDS_TO_START = 300
"""What starting magnus in the job may take, on top of the step's own timeout and pause, before Batch ends it."""

_RECLAIMED_REASONS = ("Host EC2*", "Your Spot Task was interrupted*")


def attempt_state(
    node: RenderedNode, command: Command, in_general: StepFunctionsOptions, moves: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the state that runs one attempt at *node* after another by *command*; *moves* say what comes next."""
    job = _job(command, node.key, node.options, requirements(node.node, node.options, in_general))
    if node.node.timeout_seconds is not None:
        # magnus ends the attempt itself, to the second; this is for a job that cannot any more.
        seconds = node.node.timeout_seconds + longest_pause_seconds(node.node.retry) + _SECONDS_TO_START
        job["Timeout"] = {"AttemptDurationSeconds": max(SHORTEST_JOB_TIMEOUT_SECONDS, math.ceil(seconds))}
    return _state(job, comment_of(node), retriers(node.node.retry), moves)


def call_state(
    command: Command, name: str, options: StepFunctionsOptions, comment: str, moves: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the state that calls magnus once, in a job as small as its definition says."""
    return _state(_job(command, name, options, []), comment, [BUSY], moves)


def comment_of(node: RenderedNode, what: str = "") -> str:
    """Return what leads from a state back to the pipeline's file, in one line."""
    text = f"{node.node.name}, {node.node.type}{f': {what}' if what else ''}"
    return " ".join((f"{node.place}: {text}" if node.place else text).split())


def overrides_size(command: Command, options: StepFunctionsOptions, asked: list[dict[str, str]]) -> int:
    """Return how many characters the overrides have at most, besides the items of maps."""
    overrides = {
        "command": longest_command(command),
        "environment": _environment(options),
        "resourceRequirements": asked,
    }
    # Step Functions adds a variable of its own.
    return len(json.dumps(overrides, separators=(",", ":"))) + len(
        '{"name":"MANAGED_BY_AWS","value":"STARTED_BY_STEP_FUNCTIONS"},'
    )


def _state(
    job: dict[str, Any], comment: str, retry: list[dict[str, Any]], moves: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "Type": "Task",
        "Comment": comment,
        "Resource": RESOURCE,
        "Parameters": job,
        "ResultPath": None,
        "Retry": retry,
        **moves,
    }


def _job(
    command: Command, name: str, options: StepFunctionsOptions, asked: list[dict[str, str]]
) -> dict[str, Any]:
    overrides: dict[str, Any] = {"Command.$": array(command)}
    if environment := _environment(options):
        overrides["Environment"] = environment
    if asked:
        overrides["ResourceRequirements"] = asked
    job: dict[str, Any] = {
        "JobName": f"magnus-{name}",
        "JobQueue": options.job_queue,
        "JobDefinition": options.job_definition,
        "ContainerOverrides": overrides,
        "RetryStrategy": _retry_strategy(options),
    }
    if options.tags:
        job["Tags"] = dict(options.tags)
    return job


def _environment(options: StepFunctionsOptions) -> list[dict[str, str]]:
    variables: dict[str, str] = {}
    if options.region:
        variables |= {"AWS_REGION": options.region, "AWS_DEFAULT_REGION": options.region}
    if options.endpoint_url:
        variables["AWS_ENDPOINT_URL"] = options.endpoint_url
    variables |= options.environment
    return [{"Name": name, "Value": value} for name, value in variables.items()]


def _retry_strategy(options: StepFunctionsOptions) -> dict[str, Any]:
    """Return when Batch itself tries a job again: only when its host was taken away."""
    if options.reclaims == 0:
        return {"Attempts": 1}  # a definition may say more
    again = [{"OnStatusReason": reason, "Action": "RETRY"} for reason in _RECLAIMED_REASONS]
    return {
        "Attempts": 1 + options.reclaims,
        "EvaluateOnExit": [*again, {"OnReason": "*", "Action": "EXIT"}],
    }
