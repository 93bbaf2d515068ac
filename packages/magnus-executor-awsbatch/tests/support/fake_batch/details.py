"""Jobs in the shapes that `DescribeJobs` and `ListJobs` answer with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .containers import container_of, log_place
from .lifecycle import status_summary
from .retries import strategy_of

if TYPE_CHECKING:
    from .jobs import Attempt, Job


def detail(job: Job) -> dict[str, Any]:
    """Return the job as `DescribeJobs` describes it."""
    return _without_none(
        {
            **_common(job),
            # Newer descriptions of the service have it in a summary too; nobody needs it there, and older ones do not know it.
            "arrayProperties": _array(job) | ({"statusSummary": status_summary(job)} if job.children else {})
            or None,
            "jobQueue": job.queue,
            "jobDefinition": job.definition["jobDefinitionArn"],
            "dependsOn": list(job.request.get("dependsOn") or []),
            "parameters": dict(job.definition.get("parameters") or {})
            | (job.request.get("parameters") or {}),
            "tags": dict(job.request.get("tags") or {}),
            "platformCapabilities": list(job.definition.get("platformCapabilities") or ["EC2"]),
            "retryStrategy": dict(strategy_of(job)) or {"attempts": 1, "evaluateOnExit": []},
            "timeout": job.request.get("timeout") or job.definition.get("timeout") or None,
            "container": _container(job),
            "attempts": [
                _attempt(job, attempt) for attempt in job.attempts if attempt.stopped_at is not None
            ],
        }
    )


def summary(job: Job) -> dict[str, Any]:
    """Return the job as `ListJobs` lists it."""
    last = job.attempts[-1] if job.has_ended and job.attempts else None
    container = _without_none({"exitCode": last.exit_code, "reason": last.reason}) if last else {}
    return _without_none(
        {
            **_common(job),
            "arrayProperties": _array(job) or None,
            "jobDefinition": job.definition["jobDefinitionArn"],
            "container": container or None,
        }
    )


def _array(job: Job) -> dict[str, Any]:
    if job.children:
        return {"size": len(job.children)}
    return {} if job.index is None else {"index": job.index}


def _common(job: Job) -> dict[str, Any]:
    return {
        "jobArn": job.arn,
        "jobId": job.job_id,
        "jobName": job.name,
        "createdAt": job.created_at,
        "status": job.status,
        "statusReason": job.status_reason,
        "startedAt": job.started_at,
        "stoppedAt": job.stopped_at,
        "isCancelled": job.is_cancelled or None,
        "isTerminated": job.is_terminated or None,
    }


def _container(job: Job) -> dict[str, Any]:
    container = container_of(job)
    container.setdefault("command", [])
    place = log_place(job)
    if place and "logConfiguration" not in container:
        container["logConfiguration"] = {"logDriver": "awslogs", "options": {}, "secretOptions": []}
    for key in ("volumes", "mountPoints", "ulimits", "secrets", "networkInterfaces"):
        container.setdefault(key, [])
    last = job.attempts[-1] if job.attempts else None
    return _without_none(container | (_of_attempt(job, last) if last else {}))


def _attempt(job: Job, attempt: Attempt) -> dict[str, Any]:
    return _without_none(
        {
            "container": _without_none({**_of_attempt(job, attempt), "networkInterfaces": []}),
            "startedAt": attempt.started_at,
            "stoppedAt": attempt.stopped_at,
            "statusReason": attempt.status_reason,
        }
    )


def _of_attempt(job: Job, attempt: Attempt) -> dict[str, Any]:
    ecs = job.queue.rpartition(":")[0].replace(":batch:", ":ecs:")
    return {
        "containerInstanceArn": f"{ecs}:container-instance/magnus-tests/0",
        "taskArn": f"{ecs}:task/magnus-tests/{attempt.task_id}",
        "exitCode": attempt.exit_code,
        "reason": attempt.reason,
        "logStreamName": attempt.log_stream_name,
    }


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}
