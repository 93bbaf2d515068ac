"""What Batch knows about a job, and about each attempt to run it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

BEFORE_STARTING = ("SUBMITTED", "PENDING", "RUNNABLE")
ENDED = ("SUCCEEDED", "FAILED")
STATUSES = (*BEFORE_STARTING, "STARTING", "RUNNING", *ENDED)


@dataclass
class Attempt:
    """One try of a job. Times are milliseconds since 1970, as everywhere in the service."""

    number: int
    task_id: str
    log_stream_name: str | None = None
    started_at: int | None = None
    stopped_at: int | None = None
    exit_code: int | None = None
    reason: str | None = None
    status_reason: str | None = None


@dataclass
class Job:
    """A job, the parent of an array, or one child of it."""

    job_id: str
    queue: str
    """The queue's ARN."""
    definition: Mapping[str, Any]
    """As `DescribeJobDefinitions` gives it."""
    request: Mapping[str, Any]
    """As `SubmitJob` got it."""
    created_at: int
    index: int | None = None
    """The place in the array, if this is a child."""
    parent: Job | None = field(default=None, repr=False)
    children: list[Job] = field(default_factory=list, repr=False)
    status: str = "SUBMITTED"
    status_reason: str | None = None
    started_at: int | None = None
    stopped_at: int | None = None
    attempts: list[Attempt] = field(default_factory=list)
    is_cancelled: bool = False
    is_terminated: bool = False

    @property
    def name(self) -> str:
        """The name that the job was submitted under."""
        name: str = self.request["jobName"]
        return name

    @property
    def arn(self) -> str:
        """The job's ARN, in the queue's region and account."""
        return f"{self.queue.rpartition(':')[0]}:job/{self.job_id}"

    @property
    def queue_name(self) -> str:
        """The name of the queue."""
        return self.queue.rpartition("/")[2]

    @property
    def has_ended(self) -> bool:
        """Whether nothing will happen to the job any more."""
        return self.status in ENDED
