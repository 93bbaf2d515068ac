"""Asks Batch how jobs stand, a hundred in one call, and says which of them it will never tell of again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnus.errors import ServiceError
from magnus_executor_awsbatch import failures, log_follower
from magnus_executor_awsbatch.answers import MOST_DESCRIBED
from magnus_executor_awsbatch.errors import ThrottledError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from magnus_executor_awsbatch.answers import JobState
    from magnus_executor_awsbatch.batch import Batch
    from magnus_executor_awsbatch.clock import Clock
    from magnus_executor_awsbatch.failures import Cause
    from magnus_executor_awsbatch.underway import Underway

WAITING = frozenset({"SUBMITTED", "PENDING", "RUNNABLE"})
ENDED = frozenset({"SUCCEEDED", "FAILED"})
_KNOWN = WAITING | ENDED | {"STARTING", "RUNNING"}

_LOOKS_UNTIL_LOST = 5
"""How many times in a row Batch may not know a job, or give it a status that nobody knows."""

_FAILURES_UNTIL_LOST = 10
"""How many times in a row Batch may not be able to say anything; the pauses grow meanwhile."""

_BUSY_UNTIL_LOST = 30
"""How many times in a row Batch may say nothing but that there are too many calls."""


class StateReader:
    """Reads the states of jobs into them."""

    def __init__(self, batch: Batch, clock: Clock) -> None:
        """Ask *batch*."""
        self._batch = batch
        self._clock = clock
        self._looks = 0
        self._failures = 0
        self._error: ServiceError | None = None

    @property
    def is_hindered(self) -> bool:
        """Whether Batch did not answer all that was asked last."""
        return self._error is not None

    def read(self, underway: Sequence[Underway]) -> dict[Underway, Cause]:
        """Read the state of each that has not ended; return why some will never have one again."""
        self._looks += 1
        self._error = None
        open_jobs = [each for each in underway if each.ended_at is None]
        parents = {each.batch_job.id: each.batch_job for each in open_jobs if _is_unseen(each)}
        states = self._ask(parents)
        for parent in parents.values():
            state = states.get(parent.id)
            parent.has_children |= state is not None and state.status != "SUBMITTED"
        asked = [each for each in open_jobs if each.batch_job.has_children or not each.batch_job.is_array]
        asked.sort(key=lambda each: each.read_in_look)  # whom an earlier answer did not come to is first
        told = self._ask(each.id for each in asked)
        if self.is_hindered and not told:
            self._failures += 1
            if (cause := self._given_up()) is not None:
                return dict.fromkeys(open_jobs, cause)
            return {}
        self._failures = 0
        states |= told
        for each in open_jobs:
            self._take(each, states)
        return {
            each: failures.lost(_not_told(each)) for each in open_jobs if each.missing >= _LOOKS_UNTIL_LOST
        }

    def _ask(self, job_ids: Iterable[str]) -> dict[str, JobState | None]:
        """Return what Batch says of jobs, None of those that it does not know; nothing of those it was not asked about."""
        ids = list(job_ids)
        states: dict[str, JobState | None] = {}
        for start in range(0, len(ids), MOST_DESCRIBED):
            if self._error is not None:
                break
            part = ids[start : start + MOST_DESCRIBED]
            try:
                states |= {**dict.fromkeys(part), **self._batch.describe(part)}
            except ServiceError as error:
                self._error = error
        return states

    def _given_up(self) -> Cause | None:
        is_busy = isinstance(self._error, ThrottledError)
        if self._failures < (_BUSY_UNTIL_LOST if is_busy else _FAILURES_UNTIL_LOST):
            return None
        return failures.lost(f"its status cannot be read: {self._error}")

    def _take(self, each: Underway, states: dict[str, JobState | None]) -> None:
        if each.id in states:
            each.read_in_look = self._looks
            state = states[each.id]
            if state is not None and state.status in _KNOWN:
                self._set(each, state)
                return
            if state is not None or not each.batch_job.is_array:
                each.missing += 1
                each.state = state or each.state
                return
        if each.batch_job.is_array and each.batch_job.id in states:
            self._take_from_parent(each, states[each.batch_job.id], was_asked=each.id in states)

    def _take_from_parent(self, each: Underway, parent: JobState | None, *, was_asked: bool) -> None:
        """The children of an array are made some time after it; one that ended before that has none."""
        if parent is None or parent.status not in _KNOWN:
            each.missing += 1
            each.state = parent or each.state
        elif parent.status not in ENDED or was_asked:
            self._set(each, parent)

    def _set(self, each: Underway, state: JobState) -> None:
        each.missing = 0
        each.state = state
        if state.log_stream and state.log_stream != each.log_stream:
            log_follower.begin(each, state.log_stream)
        if state.status in ENDED:
            each.ended_at = self._clock.monotonic()


def _is_unseen(each: Underway) -> bool:
    """Whether it is a child of an array of which Batch has not told yet."""
    return each.batch_job.is_array and (each.state is None or each.state.id != each.id)


def _not_told(each: Underway) -> str:
    if each.state is not None and each.state.status not in _KNOWN:
        return f"Batch gives it the status '{each.state.status}', which nobody here knows"
    return "Batch does not know it any more"
