"""Jobs that were asked for and have not ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from magnus.domain.jobs import Job
    from magnus.ports.executor import RemoteStep
    from magnus_executor_awsbatch.answers import JobState
    from magnus_executor_awsbatch.failures import FailureClass
    from magnus_executor_awsbatch.handover import Intent


@dataclass(slots=True, eq=False)
class BatchJob:
    """One job of Batch: a job of ours, or an array of them.

    Attributes:
        intent: Under which name, to which queue, for which jobs.
        request: What submits it.
        id: Of the job, once it is submitted.
        due: When it is submitted next, on the monotonic clock.
        tries: How often submitting it was put off.
        asked_at: When it was submitted last without an answer that tells whether it was, on the monotonic clock.
        members: Its jobs by index, as far as somebody waits for them.
        has_children: Whether Batch has begun to make its children.
        told: Reasons for waiting that were shown.
        given_up: The ids whose end was asked for.
        was_followed: Whether a job of an earlier traversal was asked for again.
    """

    intent: Intent
    request: dict[str, Any]
    id: str = ""
    due: float = 0.0
    tries: int = 0
    asked_at: float | None = None
    members: dict[int, Underway] = field(default_factory=dict)
    has_children: bool = False
    told: set[str] = field(default_factory=set)
    given_up: set[str] = field(default_factory=set)
    was_followed: bool = False

    @property
    def is_array(self) -> bool:
        """Whether its jobs are children of it."""
        return len(self.intent.members) > 1


@dataclass(slots=True, eq=False)
class Underway:
    """One of our jobs.

    Attributes:
        job: What was asked for.
        remote: What the core lends for it.
        batch_job: What it is in Batch.
        index: Which child of it.
        state: What Batch said last.
        read_in_look: The look in which Batch was last asked about it.
        missing: How many times in a row Batch did not know it.
        ended_at: When Batch was first seen to say that it has ended, on the monotonic clock.
        log_stream: Where its lines are read.
        log_since: The time of the newest line, in milliseconds.
        log_is_read: Whether that place was there, at the last look.
        log_misses: How often it was not.
        log_seen: The lines that were taken and may be told again, with their times.
        spent: How often it was tried again, by cause.
    """

    job: Job
    remote: RemoteStep
    batch_job: BatchJob
    index: int = 0
    state: JobState | None = None
    read_in_look: int = 0
    missing: int = 0
    ended_at: float | None = None
    log_stream: str = ""
    log_since: int = 0
    log_is_read: bool = False
    log_misses: int = 0
    log_seen: dict[str, int] = field(default_factory=dict)
    spent: dict[FailureClass, int] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The id of its own job in Batch; empty before it is submitted."""
        parent = self.batch_job.id
        return f"{parent}:{self.index}" if parent and self.batch_job.is_array else parent
