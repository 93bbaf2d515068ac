"""Looks at the jobs that are under way: how they stand, why they wait, what they print, and when they have ended."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from magnus.errors import ServiceError
from magnus_executor_awsbatch import failures, log_follower
from magnus_executor_awsbatch.client import MOST_DESCRIBED
from magnus_executor_awsbatch.errors import ThrottledError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from magnus_executor_awsbatch.client import Batch, JobState
    from magnus_executor_awsbatch.failures import Cause
    from magnus_executor_awsbatch.pace import Pace
    from magnus_executor_awsbatch.underway import BatchJob, Underway

_WAITING = frozenset({"SUBMITTED", "PENDING", "RUNNABLE"})
_KNOWN = _WAITING | {"STARTING", "RUNNING", "SUCCEEDED", "FAILED"}
_ENDED = frozenset({"SUCCEEDED", "FAILED"})

_LOOKS_UNTIL_LOST = 5
"""How many times in a row Batch may not know a job, or give it a status that nobody knows."""

_FAILURES_UNTIL_LOST = 10
"""How many times in a row Batch may not be able to say anything; the pauses grow meanwhile."""

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
        self, batch: Batch, log_group: Callable[[Underway], str], pace: Pace, patience: float
    ) -> None:
        """Look at *batch*.

        Args:
            batch: The service.
            log_group: Where the lines of a job are.
            pace: Is slowed down while the service is too busy.
            patience: Seconds for which lines are waited for after a job's end.
        """
        self._batch = batch
        self._log_group = log_group
        self._pace = pace
        self._patience = max(_LEAST_SECONDS_FOR_LOGS, patience)
        self._failures = 0
        self._logs_failed = False
        self._looks = 0

    def look(self, underway: Sequence[Underway], tell: Callable[[str], None]) -> list[Ended]:
        """Ask once for the state and the lines of *underway*, and return those that have ended."""
        self._looks += 1
        causes = self._read_states(underway)
        self._read_logs(underway, tell)
        now = time.monotonic()
        ended = []
        for each in underway:
            cause = causes.get(each.id) or self._blocked(each, tell)
            if cause is not None:
                ended.append(Ended(each, cause))
            elif self._has_ended(each, now):
                ended.append(Ended(each, self._why(each)))
        return ended

    # How they stand

    def _read_states(self, underway: Sequence[Underway]) -> dict[str, Cause]:
        """Read the state of each; return why some will never have one again, by id."""
        open_jobs = {each.id: each for each in underway if each.ended_at is None}
        unseen = {
            each.batch_job.id: each.batch_job for each in open_jobs.values() if _may_lack_children(each)
        }
        wanted = [*open_jobs, *unseen]
        states: dict[str, JobState] = {}
        asked: list[str] = []
        for start in range(0, len(wanted), MOST_DESCRIBED):
            part = wanted[start : start + MOST_DESCRIBED]
            try:
                states |= self._batch.describe(part)
            except ThrottledError:
                self._pace.slow_down()
                return {}
            except ServiceError as error:
                self._pace.slow_down()
                self._failures += 1
                if self._failures < _FAILURES_UNTIL_LOST:
                    return {}
                return {job_id: failures.lost(f"its status cannot be read: {error}") for job_id in open_jobs}
            asked += part
        self._pace.recover()
        self._failures = 0
        for each in open_jobs.values():
            self._take(each, states)
        return {
            each.id: failures.lost(_not_told(each))
            for each in open_jobs.values()
            if each.missing >= _LOOKS_UNTIL_LOST
        }

    def _take(self, each: Underway, states: dict[str, JobState]) -> None:
        state = states.get(each.id)
        if state is None and (parent := states.get(each.batch_job.id)) is not None:
            # The children of an array are made some time after it; one that failed before that has none.
            if parent.status == "FAILED":
                state = parent
            elif parent.status in _KNOWN:
                return
        if state is None or state.status not in _KNOWN:
            each.missing += 1
            each.state = state or each.state
            return
        each.missing = 0
        each.state = state
        if state.id == each.id:
            each.batch_job.is_seen = True
        if state.log_stream and state.log_stream != each.log_stream:
            log_follower.begin(each, state.log_stream)
        if state.status in _ENDED and each.ended_at is None:
            each.ended_at = time.monotonic()

    # Why they wait

    def _blocked(self, each: Underway, tell: Callable[[str], None]) -> Cause | None:
        """Return why a job will never start; show why it has not yet."""
        state = each.state
        if state is None or state.status not in _WAITING:
            return None
        if state.reason:
            if (cause := failures.blocked(state)) is not None:
                return cause
            self._show(each.batch_job, f"waits: {state.reason}", tell)
        if self._looks % _LOOKS_BETWEEN_QUEUES == 0:
            return self._queue_problem(each.batch_job.intent.queue)
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

    def _read_logs(self, underway: Sequence[Underway], tell: Callable[[str], None]) -> None:
        by_group: dict[str, list[Underway]] = {}
        for each in underway:
            if each.log_stream:
                by_group.setdefault(self._log_group(each), []).append(each)
        for group, readers in by_group.items():
            try:
                log_follower.follow(self._batch, group, readers)
            except ThrottledError:
                self._pace.slow_down()
            except ServiceError as error:
                if not self._logs_failed:
                    tell(f"what the jobs print cannot be shown: {error}")
                self._logs_failed = True

    # How they ended

    def _has_ended(self, each: Underway, now: float) -> bool:
        """Whether a job has ended and nothing more is expected of its lines."""
        if each.ended_at is None:
            return False
        if not each.log_stream or self._logs_failed or each.remote.has_told_all:
            return True
        return now - each.ended_at >= self._patience

    def _why(self, each: Underway) -> Cause | None:
        state = each.state
        if state is None or state.status == "SUCCEEDED":
            return None
        seconds = each.job.timeout_seconds
        if seconds is not None and (
            each.remote.timed_out or state.reason.startswith(failures.TIMED_OUT_REASON)
        ):
            return failures.timed_out(seconds)
        return failures.ended(
            state,
            has_begun=each.remote.has_begun,
            refusal=each.remote.refusal,
            last_words=each.remote.last_words,
        )


def _may_lack_children(each: Underway) -> bool:
    return each.batch_job.is_array and not each.batch_job.is_seen


def _not_told(each: Underway) -> str:
    if each.state is not None and each.state.status not in _KNOWN:
        return f"Batch gives it the status '{each.state.status}', which nobody here knows"
    return "Batch does not know it any more"
