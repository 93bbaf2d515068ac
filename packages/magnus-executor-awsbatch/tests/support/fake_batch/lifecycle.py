"""How a job gets from one status to the next, and what becomes of the parent of an array."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from .jobs import BEFORE_STARTING, STATUSES, Attempt
from .retries import is_retried

if TYPE_CHECKING:
    from collections.abc import Callable

    from .jobs import Job

EXITED = "Essential container in task exited"
NOT_STARTED = "Task failed to start"
TIMED_OUT = "Job attempt duration exceeded timeout"
CHILD_FAILED = "Array Child Job failed"
DEPENDENCY_FAILED = "Dependent Job failed"
OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"
CANNOT_PULL = "CannotPullContainerError: "
CANNOT_START = "CannotStartContainerError: "
NO_LOG_GROUP = (
    "CannotStartContainerError: failed to initialize logging driver: the log group {group} does not exist"
)
TOO_MANY_VCPUS = (
    "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE - CE(s) associated with the job queue cannot meet the CPU "
    "requirement of the job"
)
HOST_TERMINATED = "Host EC2 (instance i-0abc1234def567890) terminated."
"""What is said of an attempt whose host went away on EC2, with the host's id."""
SPOT_TASK_INTERRUPTED = "Your Spot Task was interrupted."
"""Likewise on Fargate."""


class Outcome(NamedTuple):
    """How an attempt ended."""

    status_reason: str
    exit_code: int | None = None
    """None if the container did not end by itself: it never started, or went away with its host."""
    reason: str | None = None
    is_final: bool = False
    """Whether no retry strategy applies, because a person or a timeout ended the job."""


def check_dependencies(job: Job, find: Callable[[str], Job | None], now: int) -> bool:
    """Let a job that has not become runnable do so, wait, or fail with what it depends on; tell whether it changed."""
    before = job.status
    if before not in BEFORE_STARTING[:2] or job.children:
        return False
    statuses = [found.status for found in map(find, dependencies_of(job)) if found is not None]
    if "FAILED" in statuses:
        end(job, "FAILED", DEPENDENCY_FAILED, now)
    elif any(status != "SUCCEEDED" for status in statuses):
        job.status = "PENDING"
    elif job.is_cancelled or job.is_terminated:
        end(job, "FAILED", job.status_reason, now)
    else:
        job.status = "RUNNABLE"
        if job.parent and job.parent.status == "SUBMITTED":
            job.parent.status = "PENDING"
    return job.status != before


def dependencies_of(job: Job) -> list[str]:
    """Return the ids of the jobs that must have succeeded."""
    ids = []
    for item in job.request.get("dependsOn") or []:
        kind, job_id = item.get("type"), item.get("jobId")
        if job.index is not None and kind == "N_TO_N":
            ids.append(f"{job_id}:{job.index}")
        elif job.index is not None and kind == "SEQUENTIAL" and job.parent:
            ids += [f"{job.parent.job_id}:{job.index - 1}"] if job.index else []
        elif job_id:
            ids.append(job_id)
    return ids


def start_attempt(job: Job, task_id: str) -> Attempt:
    """Turn a runnable job to STARTING and return its new attempt."""
    attempt = Attempt(number=len(job.attempts) + 1, task_id=task_id)
    job.attempts.append(attempt)
    job.status = "STARTING"
    job.status_reason = None
    return attempt


def run_attempt(job: Job, log_stream_name: str | None, now: int) -> None:
    """Turn a starting job to RUNNING, now that its container runs."""
    attempt = job.attempts[-1]
    attempt.log_stream_name = log_stream_name
    attempt.started_at = job.started_at = now
    job.status = "RUNNING"


def end_attempt(job: Job, outcome: Outcome, now: int) -> None:
    """Record how the attempt ended; the job succeeds, fails, or becomes runnable again."""
    attempt = job.attempts[-1]
    attempt.exit_code, attempt.reason = outcome.exit_code, outcome.reason
    attempt.status_reason, attempt.stopped_at = outcome.status_reason, now
    if outcome.exit_code == 0 and not outcome.is_final:
        end(job, "SUCCEEDED", outcome.status_reason, now)
    elif not outcome.is_final and is_retried(job, attempt):
        job.status = "RUNNABLE"
        job.status_reason = outcome.status_reason
    else:
        end(job, "FAILED", outcome.status_reason, now)


def stop_waiting(job: Job, reason: str, now: int, *, is_terminated: bool) -> None:
    """Cancel a job that has not started; one that waits for others is cancelled once these have ended."""
    job.is_terminated, job.is_cancelled = is_terminated, not is_terminated
    job.status_reason = reason
    if job.status == "RUNNABLE" or (job.status == "SUBMITTED" and not job.children):
        end(job, "FAILED", reason, now)


def end(job: Job, status: str, reason: str | None, now: int) -> None:
    """End a job, and its parent if this was the last child."""
    job.status, job.status_reason, job.stopped_at = status, reason, now
    parent = job.parent
    if parent and all(child.has_ended for child in parent.children):
        has_failed = any(child.status == "FAILED" for child in parent.children)
        was_stopped = parent.is_terminated or parent.is_cancelled
        parent.status, parent.stopped_at = "FAILED" if has_failed else "SUCCEEDED", now
        if not has_failed:
            parent.status_reason = None
        elif not was_stopped:
            parent.status_reason = CHILD_FAILED


def status_summary(parent: Job) -> dict[str, int]:
    """Return how many children are in each status."""
    counts = Counter(child.status for child in parent.children)
    return {status: counts[status] for status in STATUSES}
