"""The jobs of one run, from being asked for to their ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magnus.domain.jobs import JobEnd
from magnus.domain.run_log import Status
from magnus.errors import ServiceError
from magnus_executor_awsbatch import failures
from magnus_executor_awsbatch.answers import MOST_DESCRIBED
from magnus_executor_awsbatch.errors import ThrottledError
from magnus_executor_awsbatch.failures import FailureClass
from magnus_executor_awsbatch.pace import Pace
from magnus_executor_awsbatch.requests import LARGEST_ARRAY, resources_of
from magnus_executor_awsbatch.watcher import Watcher

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magnus.domain.jobs import Job, JobIdentity
    from magnus.ports.executor import StepRunner
    from magnus_executor_awsbatch.batch import Batch
    from magnus_executor_awsbatch.clock import Clock
    from magnus_executor_awsbatch.config import AwsBatchOptions
    from magnus_executor_awsbatch.failures import Cause
    from magnus_executor_awsbatch.handover import Handover
    from magnus_executor_awsbatch.preparation import Definitions
    from magnus_executor_awsbatch.submitter import Submitter
    from magnus_executor_awsbatch.underway import BatchJob, Underway

_SECONDS_TO_STOP = 8.0
_SECONDS_BETWEEN_STOPS = 0.5
_ENDED = frozenset({"SUCCEEDED", "FAILED"})
_STARTED = frozenset({"STARTING", "RUNNING"})
_LONGEST_REASON = 1024


class Jobs:
    """Submits jobs, watches them, tries them again, and ends them.

    Attributes:
        handover: What lies in S3 for the run.
        submitter: Brings jobs to Batch.
    """

    def __init__(
        self,
        options: AwsBatchOptions,
        batch: Batch,
        handover: Handover,
        definitions: Definitions,
        submitter: Submitter,
        run_here: StepRunner,
        clock: Clock,
    ) -> None:
        """Have no jobs yet.

        Args:
            options: As configured for all nodes.
            batch: The service.
            handover: Of the run.
            definitions: The job definitions.
            submitter: Brings jobs to *batch*.
            run_here: What the core lends.
            clock: Tells the time.
        """
        self._options = options
        self._batch = batch
        self.handover = handover
        self._definitions = definitions
        self.submitter = submitter
        self._lent = run_here
        self._clock = clock
        self._pace = Pace(options.poll_interval)
        self._watcher = Watcher(batch, self._log_group, self._pace, 2 * options.poll_interval, clock)
        self._next_look = 0.0
        self._waiting: list[BatchJob] = []
        self._underway: dict[JobIdentity, Underway] = {}
        self._found: dict[JobIdentity, tuple[BatchJob, int]] = {}
        self._adopted: list[BatchJob] = []
        self._meant: dict[JobIdentity, tuple[int, int]] = {}
        self._leaves_some = False
        self._known: dict[JobIdentity, Status] = {}
        self._ends: list[JobEnd] = []

    def _log_group(self, underway: Underway) -> str:
        return self._definitions.log_group(underway.job.options, self._resources(underway.job))

    def _resources(self, job: Job) -> Any:
        return resources_of(job.node, job.options, self._options)

    # What an earlier traversal has left

    def take_over(self, batch_job: BatchJob, identities: Sequence[JobIdentity]) -> None:
        """Remember that *batch_job* does the jobs *identities*, for when they are asked for."""
        self._adopted.append(batch_job)
        for index, identity in enumerate(identities):
            self._found[identity] = (batch_job, index)

    def mean(self, identities: Sequence[JobIdentity], generation: int, queue_index: int) -> None:
        """Remember how jobs are to be submitted that were meant to be: an earlier try has the name before."""
        self._meant |= dict.fromkeys(identities, (generation, queue_index))

    # Asking for jobs

    def trigger(self, jobs: Sequence[Job]) -> list[Status]:
        """See `trigger_jobs` of the port."""
        # One that cannot be submitted has an end like any other.
        known = [self._known.get(job.identity, Status.TRIGGERED) for job in jobs]
        new = []
        for job in jobs:
            if job.identity in self._found:
                self._follow(job)
            elif job.identity not in self._known:
                new.append(job)
            self._known.setdefault(job.identity, Status.TRIGGERED)
        for start in range(0, len(new), LARGEST_ARRAY):
            self._start(new[start : start + LARGEST_ARRAY])
        return known

    def _start(self, jobs: Sequence[Job]) -> None:
        generation, queue_index = max(self._meant.get(job.identity, (0, 0)) for job in jobs)
        try:
            batch_job = self._make(jobs, queue_index, generation)
        except ServiceError as error:
            for job in jobs:
                self._known[job.identity] = Status.FAIL
                self._ends.append(_final_end(job, str(error), "submission"))
            return
        self._add(batch_job)

    def _make(self, jobs: Sequence[Job], queue_index: int = 0, generation: int = 0) -> BatchJob:
        resources = self._resources(jobs[0])
        definition = self._definitions.of(jobs[0].options, resources).arn
        return self.submitter.make(
            jobs, self._lent, definition, resources, queue_index=queue_index, generation=generation
        )

    def _add(self, batch_job: BatchJob) -> None:
        for underway in batch_job.members.values():
            self._underway[underway.job.identity] = underway
        if not self._next_look:
            self._next_look = self._clock.monotonic() + self._pace.next_pause()
        if not batch_job.id:
            self._submit(batch_job)

    def _submit(self, batch_job: BatchJob) -> None:
        """Submit it now, or have it submitted later."""
        job = next(iter(batch_job.members.values())).job
        if batch_job not in self._waiting:
            self._waiting.append(batch_job)
        try:
            self.submitter.submit(batch_job)
        except ThrottledError as error:
            if batch_job.tries <= job.options.budget(FailureClass.THROTTLED):
                self._lent.tell(f"{batch_job.intent.members[0].step_name}: {error}; trying again")
                return
            self._end_all(batch_job, self._not_submitted(batch_job, failures.throttled(str(error))))
        except ServiceError as error:
            refused = failures.Cause(str(error), failure="submission", may_mend=False)
            self._end_all(batch_job, self._not_submitted(batch_job, refused))
        else:
            if not batch_job.id:
                return  # it is still being looked for
        self._waiting.remove(batch_job)

    def _not_submitted(self, batch_job: BatchJob, cause: Cause) -> Cause:
        """Return *cause*, unless the job may have been submitted all the same."""
        if batch_job.asked_at is None:
            return cause
        return failures.lost(f"nobody knows whether it was submitted: {cause.message}")

    def _follow(self, job: Job) -> None:
        batch_job, index = self._found.pop(job.identity)
        self._underway[job.identity] = self.submitter.again(job, self._lent, batch_job, index)
        if not self._next_look:
            self._next_look = self._clock.monotonic()

    def wait(self, timeout_seconds: float | None) -> list[JobEnd]:
        """See `wait_for_jobs` of the port."""
        until = None if timeout_seconds is None else self._clock.monotonic() + timeout_seconds
        while self._underway or self._ends:
            if self._ends:
                ends, self._ends = self._ends, []
                return ends
            now = self._clock.monotonic()
            if until is not None and now >= until:
                return []
            for batch_job in [each for each in self._waiting if each.due <= now]:
                self._submit(batch_job)
            if now >= self._next_look:
                self._look()
                self._next_look = self._clock.monotonic() + self._pace.next_pause()
            moments = [self._next_look, *(each.due for each in self._waiting)]
            moments += [] if until is None else [until]
            if not self._ends:
                self._clock.sleep(max(0.0, min(moments) - self._clock.monotonic()))
        return []

    def _look(self) -> None:
        submitted = [each for each in self._underway.values() if each.id]
        if submitted:
            for underway, cause in self._watcher.look(submitted, self._lent.tell):
                self._conclude(underway, cause)

    # Ends

    def _conclude(self, underway: Underway, cause: Cause | None) -> None:
        """A job has ended: hand on how, or try it again."""
        job = underway.job
        if underway.remote.has_answer:
            self._take_answer(underway)
        if cause is None and not underway.remote.has_begun and not self._lent.is_recorded(job):
            cause = failures.did_nothing(underway.remote.last_words)
        if cause is None:
            self._end(underway, JobEnd(job, Status.SUCCESS))
        elif self._lent.is_recorded(job):
            self._end(underway, JobEnd(job, Status.FAIL, cause.message, cause.exit_code, cause.failure))
        elif cause.failure_class is None:
            message, code, name = cause.message, cause.exit_code, cause.failure
            self._end(underway, JobEnd(job, Status.FAIL, message, code, name, retryable=cause.may_mend))
        else:
            self._end_job_in_batch(underway, cause)
            if not self._try_again(underway, cause):
                message = _with_budget(cause, underway)
                self._end(underway, _final_end(job, message, cause.failure_class, cause.exit_code))

    def _take_answer(self, underway: Underway) -> None:
        try:
            answer = self.handover.answer(underway.batch_job.intent.name, underway.index)
        except ServiceError as error:
            # Without it, later steps hide less of what they print; that is no failure of this one.
            self._lent.tell(f"{underway.job.step_name}: the secrets that it learned cannot be read: {error}")
            return
        if answer is not None:
            underway.remote.take_answer(answer)

    def _end_job_in_batch(self, underway: Underway, cause: Cause) -> None:
        """Make sure that a job which is given up, or tried again, does not run all the same."""
        batch_job = underway.batch_job
        if underway.ended_at is not None or batch_job.id in batch_job.given_up:
            return
        # What can never start is an array as a whole, unless some children have started.
        is_whole = cause.failure_class is FailureClass.UNSCHEDULABLE and not any(
            _has_started(each) for each in batch_job.members.values()
        )
        target = batch_job.id if is_whole else underway.id
        batch_job.given_up.add(target)
        try:
            self._batch.terminate(target, f"given up by magnus: {cause.message}"[:_LONGEST_REASON])
        except ServiceError as error:
            self._lent.tell(f"{underway.job.step_name}: its job could not be ended: {error}")

    def _try_again(self, underway: Underway, cause: Cause) -> bool:
        """Submit a job once more, if the budget for the cause allows it; return whether it does."""
        job, failure_class = underway.job, cause.failure_class
        if failure_class is None or not cause.may_mend:
            return False
        intent = underway.batch_job.intent
        queue_index = intent.queue_index
        spent = underway.spent.get(failure_class, 0)
        if failure_class is FailureClass.HOST_RECLAIMED:
            queue_index += 1  # on this queue Batch itself has tried as often as the budget allows
            if queue_index >= len(job.options.queues):
                return False
        elif spent >= job.options.budget(failure_class):
            return False
        try:
            made = self._make([job], queue_index, intent.generation + 1)
        except ServiceError as error:
            self._lent.tell(f"{job.step_name}: it could not be tried again: {error}")
            return False
        self._forget(underway)
        again = made.members[0]
        again.spent = {**underway.spent, failure_class: spent + 1}
        self._lent.tell(
            f"{job.step_name}: {cause.message}; submitted again to the queue '{made.intent.queue}'"
        )
        self._add(made)
        return True

    def _end_all(self, batch_job: BatchJob, cause: Cause) -> None:
        if cause.failure_class is FailureClass.THROTTLED:
            tries = {FailureClass.THROTTLED: batch_job.tries - 1}
            for underway in batch_job.members.values():
                underway.spent |= tries
        for underway in list(batch_job.members.values()):
            message, failure = _with_budget(cause, underway), cause.failure_class or cause.failure
            self._end(underway, _final_end(underway.job, message, failure))

    def _end(self, underway: Underway, end: JobEnd) -> None:
        self._underway.pop(underway.job.identity, None)
        self._known[underway.job.identity] = end.status
        self._ends.append(end)
        self._forget(underway)

    def _forget(self, underway: Underway) -> None:
        """Close what the core has lent, and clear the handover once nobody needs it."""
        underway.remote.close()
        batch_job = underway.batch_job
        batch_job.members.pop(underway.index, None)
        answered = underway.remote.has_answer
        if batch_job.members and not answered:
            return
        try:
            names = [] if batch_job.members else [batch_job.intent.name]
            self.handover.forget(names, [(batch_job.intent.name, underway.index)] if answered else [])
        except ServiceError as error:
            self._lent.tell(f"{underway.job.step_name}: its handover could not be removed: {error}")

    # Interrupts, and the end

    def stop(self) -> None:
        """Terminate every job of this run, and wait a little for their ends."""
        running = list({each.batch_job: None for each in self._underway.values()})
        running += list({batch_job: None for batch_job, _ in self._found.values() if not batch_job.members})
        left = [each for each in running if each.id or each.asked_at is not None]
        until = self._clock.monotonic() + _SECONDS_TO_STOP
        while left:
            for batch_job in left:
                self._stop(batch_job)
            ids = self._not_ended([each.id for each in left if each.id])
            left = [each for each in left if each.id in ids or not each.id]
            if self._clock.monotonic() >= until:
                break
            if left:
                self._clock.sleep(_SECONDS_BETWEEN_STOPS)
        self._let_go(running)

    def _stop(self, batch_job: BatchJob) -> None:
        """Ask for the end of a job, once it is known which it is."""
        try:
            if not batch_job.id:
                batch_job.id = self.submitter.find(batch_job)
            if batch_job.id and batch_job.id not in batch_job.given_up:
                self._batch.terminate(batch_job.id, "the run was interrupted")
                batch_job.given_up.add(batch_job.id)
        except ServiceError as error:
            self._show_once(batch_job, f"its job could not be ended: {error}")

    def _show_once(self, batch_job: BatchJob, text: str) -> None:
        if text not in batch_job.told:
            batch_job.told.add(text)
            self._lent.tell(f"{batch_job.intent.members[0].step_name}: {text}")

    def _let_go(self, stopped: Sequence[BatchJob]) -> None:
        """Forget the jobs of this run; what may still run stays in the handover, where `reap` finds it."""
        for underway in self._underway.values():
            underway.remote.close()
        self._underway.clear()
        self._waiting.clear()
        self._found.clear()
        at_large = [
            each
            for each in stopped
            if each.id not in each.given_up and (each.id or each.asked_at is not None)
        ]
        self._leaves_some = bool(at_large)
        for batch_job in at_large:
            run_it = f"{batch_job.intent.name} in the queue '{batch_job.intent.queue}'"
            self._show_once(batch_job, f"the job {run_it} may still run; `magnus runs reap` ends it")
        try:
            if not at_large:
                self.handover.forget_all()
        except ServiceError as error:
            self._lent.tell(f"the handover of the run could not be removed: {error}")

    def _not_ended(self, job_ids: Sequence[str]) -> list[str]:
        if not job_ids:
            return []
        try:
            states = self._batch.describe(job_ids[:MOST_DESCRIBED])
        except ServiceError:
            return list(job_ids)
        return [job_id for job_id in job_ids if job_id in states and states[job_id].status not in _ENDED]

    def close(self) -> None:
        """Leave nothing in the handover but what belongs to jobs that go on without this traversal."""
        if self._underway or self._leaves_some:
            return
        # What had ended, and was recorded, before this traversal attached to it was never asked for.
        unasked = [each for each in self._adopted if not each.was_followed]
        try:
            if self._not_ended([each.id for each in unasked]):
                return
            self.handover.forget_all()
        except ServiceError as error:
            self._lent.tell(f"the handover of the run could not be removed: {error}")


def _final_end(job: Job, message: str, failure: str, exit_code: int | None = None) -> JobEnd:
    """Return an end that the user's `retry` is not for."""
    return JobEnd(job, Status.FAIL, message, exit_code, failure, retryable=False)


def _has_started(underway: Underway) -> bool:
    return underway.state is not None and underway.state.status in _STARTED


def _with_budget(cause: Cause, underway: Underway) -> str:
    """Say which budget is spent, beside the cause."""
    failure_class = cause.failure_class
    if failure_class is None:
        return cause.message
    if not cause.may_mend:
        return f"{cause.message} ({failure_class}: not tried again)"
    if failure_class is FailureClass.HOST_RECLAIMED:
        times = underway.job.options.budget(failure_class)
        where = " on each queue" if len(underway.job.options.queues) > 1 else ""
    else:
        times, where = underway.spent.get(failure_class, 0), ""
    again = {0: "not tried again", 1: "tried again once"}.get(times, f"tried again {times} times")
    return f"{cause.message} ({failure_class}: {again}{where}; see `budgets`)"
