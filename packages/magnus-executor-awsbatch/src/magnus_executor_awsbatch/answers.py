"""What Batch and CloudWatch Logs answer, as plain values. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_DESCRIBED = 100
"""Jobs that one call of `DescribeJobs` takes, and streams that one of `FilterLogEvents` takes."""


class JobState(NamedTuple):
    """What Batch says of a job.

    Attributes:
        id: Of the job; of a child of an array, `<array>:<index>`.
        status: `SUBMITTED`, `PENDING`, `RUNNABLE`, `STARTING`, `RUNNING`, `SUCCEEDED` or `FAILED`.
        reason: Why it has that status, in the service's words.
        container_reason: What the service says of the container.
        exit_code: Of the container; None where there is none.
        log_stream: Where its lines are; empty as long as there is none.
        is_terminated: Whether somebody asked for its end.
    """

    id: str
    status: str
    reason: str = ""
    container_reason: str = ""
    exit_code: int | None = None
    log_stream: str = ""
    is_terminated: bool = False


class FoundJob(NamedTuple):
    """A job that a list names."""

    id: str
    status: str


class JobDefinition(NamedTuple):
    """A job definition, as far as it matters here."""

    arn: str
    image: str
    log_group: str


class Queue(NamedTuple):
    """A job queue.

    Attributes:
        name: Its name.
        problem: Why it starts no job; empty if it does.
        most_vcpus: What the largest of its compute environments has; None if one has no limit, or none is known.
    """

    name: str
    problem: str
    most_vcpus: int | None


class LogEvent(NamedTuple):
    """One line of a log; *timestamp* is in milliseconds."""

    stream: str
    id: str
    timestamp: int
    message: str


def job_state(job: Mapping[str, Any]) -> JobState:
    """Read an entry of `DescribeJobs`."""
    container = job.get("container", {})
    return JobState(
        id=job["jobId"],
        status=job["status"],
        reason=job.get("statusReason", ""),
        container_reason=container.get("reason", ""),
        exit_code=container.get("exitCode"),
        log_stream=container.get("logStreamName", ""),
        is_terminated=job.get("isTerminated", False) or job.get("isCancelled", False),
    )


def queue_of(queue: Mapping[str, Any], environments: Mapping[str, Mapping[str, Any]]) -> Queue:
    """Read an entry of `DescribeJobQueues`; *environments* are those of `DescribeComputeEnvironments`, by name and ARN."""
    name = queue["jobQueueName"]
    if queue["state"] != "ENABLED":
        return Queue(name, f"the queue '{name}' is disabled", None)
    if queue.get("status", "VALID") not in ("VALID", "UPDATING"):
        why = queue.get("statusReason") or f"its status is {queue['status']}"
        return Queue(name, f"the queue '{name}' starts no jobs: {why}", None)
    problems, sizes = [], []
    for order in queue.get("computeEnvironmentOrder", ()):
        environment = environments.get(order["computeEnvironment"])
        if environment is None:
            continue
        label = environment["computeEnvironmentName"]
        if environment.get("state") != "ENABLED":
            problems.append(f"the compute environment '{label}' is disabled")
        elif environment.get("status", "VALID") not in ("VALID", "UPDATING", "CREATING"):
            why = environment.get("statusReason") or f"its status is {environment['status']}"
            problems.append(f"the compute environment '{label}' starts no jobs: {why}")
        else:
            sizes.append(environment.get("computeResources", {}).get("maxvCpus"))
    if problems and not sizes:
        return Queue(name, f"the queue '{name}' has nothing to run jobs on: {'; '.join(problems)}", None)
    known = [size for size in sizes if size is not None]
    return Queue(name, "", max(known) if known and len(known) == len(sizes) else None)
