"""Looks at the jobs that are under way: how they stand, why they wait, what they print, and when they have ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from magnus.errors import ServiceError
from magnus_executor_awsbatch import failures, log_follower
from magnus_executor_awsbatch.errors import ThrottledError
from magnus_executor_awsbatch.states import WAITING, StateReader

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from magnus_executor_awsbatch.batch import Batch
    from magnus_executor_awsbatch.clock import Clock
    from magnus_executor_awsbatch.failures import Cause
    from magnus_executor_awsbatch.pace import Pace
    from magnus_executor_awsbatch.underway import BatchJob, Underway

_LOOKS_BETWEEN_QUEUES = 10
"""A queue is looked at again after so many looks at jobs that wait in it."""

_LEAST_SECONDS_FOR_LOGS = 2.0
"""The last lines of a job become readable a little after its end."""


class Ended(NamedTuple):
    """A job that has ended; *cause* is None if it succeeded."""

    underway: Underway
    cause: Cause | None


class Watcher:
    """Looks at jobs, all of them each time."""

    def __init__(
        self, batch: Batch, log_group: Callable[[Underway], str], pace: Pace, patience: float, clock: Clock
    ) -> None:
        """Look at *batch*.

        Args:
            batch: The service.
            log_group: Where the lines of a job are.
            pace: Is slowed down while the service is too busy.
            patience: Seconds for which lines are waited for after a job's end.
            clock: Tells the time.
        """
        self._batch = batch
        self._states = StateReader(batch, clock)
        self._log_group = log_group
        self._pace = pace
        self._patience = max(_LEAST_SECONDS_FOR_LOGS, patience)
        self._clock = clock
        self._told_groups: set[str] = set()
        self._closed_groups: set[str] = set()
        self._problems: dict[str, Cause | None] = {}
        self._looks = 0

    def look(self, underway: Sequence[Underway], tell: Callable[[str], None]) -> list[Ended]:
        """Ask once for the state and the lines of *underway*, and return those that have ended."""
        self._looks += 1
        self._problems.clear()
        causes = self._states.read(underway)
        is_busy = self._read_logs(underway, tell)
        if is_busy or self._states.is_hindered:
            self._pace.slow_down()
        else:
            self._pace.recover()
        now = self._clock.monotonic()
        ended = []
        for each in underway:
            cause = causes.get(each) or self._blocked(each, tell)
            if cause is not None:
                ended.append(Ended(each, cause))
            elif self._has_ended(each, now):
                ended.append(Ended(each, self._why(each)))
        return ended

    # Why they wait

    def _blocked(self, each: Underway, tell: Callable[[str], None]) -> Cause | None:
        """Return why a job will never start; show why it has not yet."""
        state = each.state
        if state is None or state.status not in WAITING:
            return None
        if state.reason:
            if (cause := failures.blocked(state)) is not None:
                return cause
            self._show(each.batch_job, f"waits: {state.reason}", tell)
        if self._looks % _LOOKS_BETWEEN_QUEUES == 0:
            queue = each.batch_job.intent.queue
            if queue not in self._problems:
                self._problems[queue] = self._queue_problem(queue)
            return self._problems[queue]
        return None

    def _show(self, batch_job: BatchJob, text: str, tell: Callable[[str], None]) -> None:
        if text not in batch_job.told:
            batch_job.told.add(text)
            step = batch_job.intent.members[0].step_name
            more = f" and {len(batch_job.intent.members) - 1} more" if batch_job.is_array else ""
            tell(f"{step}{more}: {text}")

    def _queue_problem(self, queue: str) -> Cause | None:
        try:
            found = self._batch.queues([queue])
        except ServiceError:
            return None  # it is looked at again
        if not found:
            return failures.unschedulable(f"the queue '{queue}' is gone")
        return failures.unschedulable(found[0].problem) if found[0].problem else None

    # What they print

    def _read_logs(self, underway: Sequence[Underway], tell: Callable[[str], None]) -> bool:
        """Take the new lines; return whether there were too many calls."""
        by_group: dict[str, list[Underway]] = {}
        for each in underway:
            if each.log_stream:
                by_group.setdefault(self._log_group(each), []).append(each)
        is_busy = False
        for group, readers in by_group.items():
            try:
                log_follower.follow(self._batch, group, readers)
            except ThrottledError:
                is_busy = True
            except ServiceError as error:
                if group not in self._told_groups:
                    tell(f"what the jobs print cannot be shown: {error}")
                self._told_groups.add(group)
                if not error.retriable:
                    self._closed_groups.add(group)
            else:
                self._told_groups.discard(group)
                self._closed_groups.discard(group)
        return is_busy

    # How they ended

    def _has_ended(self, each: Underway, now: float) -> bool:
        """Whether a job has ended and nothing more is expected of its lines."""
        if each.ended_at is None:
            return False
        if not each.log_stream or each.remote.has_told_all or self._log_group(each) in self._closed_groups:
            return True
        return now - each.ended_at >= self._patience

    def _why(self, each: Underway) -> Cause | None:
        state = each.state
        if state is None or state.status == "SUCCEEDED":
            return None
        seconds = each.job.timeout_seconds
        if seconds is not None and state.reason.startswith(failures.TIMED_OUT_REASON):
            return failures.timed_out(seconds)
        return failures.ended(
            state,
            has_begun=each.remote.has_begun,
            refusal=each.remote.refusal,
            last_words=each.remote.last_words,
        )
