"""Log streams in moto's CloudWatch Logs, filled while the containers run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from moto.logs.models import logs_backends

from aws.fake_batch.containers import log_place

if TYPE_CHECKING:
    from moto.logs.models import LogsBackend

    from aws.batch_corrections.log_lines import Line
    from aws.fake_batch.jobs import Attempt, Job


class LogStreams:
    """The stream of one attempt."""

    def __init__(self, job: Job, attempt: Attempt) -> None:
        """Find out where the lines of *attempt* go."""
        self._place = log_place(job)
        _, _, _, region, account, *_ = job.queue.split(":")
        self._backend: LogsBackend = logs_backends[account][region]
        self.name = f"{self._place.prefix}/default/{attempt.task_id}" if self._place else None

    def create(self) -> None:
        """Make the stream, and its group if that is the service's own or was asked for."""
        if self._place and self.name:
            if self._place.is_created:
                self._backend.ensure_log_group(self._place.group)
            self._backend.create_log_stream(self._place.group, self.name)

    def put(self, line: Line) -> None:
        """Add a line."""
        if self._place and self.name:
            self._backend.put_log_events(self._place.group, self.name, [line.event])
