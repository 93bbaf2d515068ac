"""What a job's container is: the definition, with what the submission overrides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .jobs import Attempt, Job

DEFAULT_LOG_GROUP = "/aws/batch/job"


class LogPlace(NamedTuple):
    """Where the lines of a job go."""

    group: str
    prefix: str
    """What the names of the streams start with."""
    is_created: bool
    """Whether the group is made if there is none."""


def container_of(job: Job) -> dict[str, Any]:
    """Return the properties of the container, overrides applied and placeholders still in the command."""
    container = dict(job.definition["containerProperties"])
    overrides = dict(job.request.get("containerOverrides") or {})
    for key, name in (("environment", "name"), ("resourceRequirements", "type")):
        container[key] = _merged(container.get(key) or [], overrides.pop(key, None) or [], name)
    return container | {key: value for key, value in overrides.items() if value is not None}


def command_of(job: Job) -> list[str]:
    """Return the command, with `Ref::name` replaced by the parameters."""
    parameters = dict(job.definition.get("parameters") or {}) | dict(job.request.get("parameters") or {})
    command = list(container_of(job).get("command") or [])
    for name, value in parameters.items():
        command = [part.replace(f"Ref::{name}", value) for part in command]
    return command


def environment_of(job: Job, attempt: Attempt, compute_environment: str) -> dict[str, str]:
    """Return the variables that the container sees: the job's, and those that Batch sets."""
    variables = {item["name"]: item["value"] for item in container_of(job)["environment"]}
    variables |= {
        "AWS_BATCH_JOB_ID": job.job_id,
        "AWS_BATCH_JOB_ATTEMPT": str(attempt.number),
        "AWS_BATCH_JQ_NAME": job.queue_name,
        "AWS_BATCH_CE_NAME": compute_environment,
    }
    if job.index is not None:
        variables["AWS_BATCH_JOB_ARRAY_INDEX"] = str(job.index)
    return variables


def requirement(job: Job, kind: str) -> float | None:
    """Return how much of *kind* (`MEMORY` in MiB, `VCPU`) the container gets, or None where nothing says it."""
    container = container_of(job)
    for item in container["resourceRequirements"]:
        if item["type"] == kind:
            return float(item["value"])
    older: float | None = container.get({"MEMORY": "memory", "VCPU": "vcpus"}[kind])
    return older


def log_place(job: Job) -> LogPlace | None:
    """Return where the container's lines go, or None if another log driver than the service's own was chosen."""
    configuration = job.definition["containerProperties"].get("logConfiguration") or {}
    if configuration.get("logDriver", "awslogs") != "awslogs":
        return None
    options = configuration.get("options") or {}
    group = options.get("awslogs-group", DEFAULT_LOG_GROUP)
    prefix = options.get("awslogs-stream-prefix", job.definition["jobDefinitionName"])
    is_created = group == DEFAULT_LOG_GROUP or options.get("awslogs-create-group") == "true"
    return LogPlace(group, prefix, is_created)


def timeout_seconds(job: Job) -> int | None:
    """Return how long an attempt may run; what the submission says wins."""
    timeout = job.request.get("timeout") or job.definition.get("timeout") or {}
    seconds: int | None = timeout.get("attemptDurationSeconds")
    return seconds


def _merged(
    defined: Iterable[Mapping[str, Any]], overriding: Iterable[Mapping[str, Any]], key: str
) -> list[dict[str, Any]]:
    merged = {item[key]: dict(item) for item in defined}
    return list((merged | {item[key]: dict(item) for item in overriding}).values())
