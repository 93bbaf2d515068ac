"""Log streams in moto's CloudWatch Logs, filled while the containers run."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from fake_batch.containers import log_place
from moto.logs.models import logs_backends

if TYPE_CHECKING:
    from fake_batch.jobs import Attempt, Job
    from moto.logs.models import LogsBackend

    from aws.batch_corrections.log_lines import Line

_LOCK = threading.Lock()
"""moto makes groups and counts events without one: a group made twice loses streams, an id given twice loses lines."""


class LogStream:
    """The stream of one attempt.

    Gap: moto writes a job's lines, and names its stream, after the job has ended; always into the same group.
    Service: lines arrive while the container runs; `logStreamName` is there once the job is RUNNING, another one for each
    attempt (API reference, `AttemptContainerDetail`); the definition may name a group, which has to exist (user guide,
    "Use the awslogs log driver").
    """

    def __init__(self, job: Job, attempt: Attempt) -> None:
        """Find out where the lines of *attempt* go."""
        self._place = log_place(job)
        _, _, _, region, account, *_ = job.queue.split(":")
        self._backend: LogsBackend = logs_backends[account][region]
        self.group = self._place.group if self._place else ""
        self.name = f"{self._place.prefix}/default/{attempt.task_id}" if self._place else None
        """None where the job has its lines sent elsewhere."""

    @property
    def can_be_made(self) -> bool:
        """Whether the group is there, or will be made."""
        return self._place is None or self._place.is_created or self.group in self._backend.groups

    def create(self) -> None:
        """Make the stream, and its group where that is wanted."""
        if self._place and self.name:
            with _LOCK:
                if self._place.is_created:
                    self._backend.ensure_log_group(self.group)
                self._backend.create_log_stream(self.group, self.name)

    def put(self, line: Line) -> None:
        """Add a line."""
        if self.name:
            with _LOCK:
                self._backend.put_log_events(self.group, self.name, [line.event])
