"""The executor `local-aws-batch`: every step in a job of AWS Batch, the traversal on the user's machine."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from magnus.domain.capabilities import ExecutorCapabilities, Placement
from magnus.domain.jobs import JobEnd
from magnus.domain.owner import is_alive, is_here
from magnus.domain.run_log import CodeIdentity, Status
from magnus.errors import ConfigurationError, ServiceError
from magnus.ports.executor import InteractiveExecutor
from magnus_executor_awsbatch import failures, judging
from magnus_executor_awsbatch.clock import Clock
from magnus_executor_awsbatch.config import AwsBatchOptions
from magnus_executor_awsbatch.errors import ThrottledError
from magnus_executor_awsbatch.failures import FailureClass
from magnus_executor_awsbatch.pace import Pace
from magnus_executor_awsbatch.requests import LARGEST_ARRAY, resources_of
from magnus_executor_awsbatch.underway import BatchJob

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from magnus.domain.graph import Graph
    from magnus.domain.jobs import Job, JobIdentity
    from magnus.domain.nodes import Node
    from magnus.ports.executor import ComputeNeeds, Mailbox, Objection, StepRunner
    from magnus_executor_awsbatch.batch import Batch
    from magnus_executor_awsbatch.bucket import Bucket
    from magnus_executor_awsbatch.failures import Cause
    from magnus_executor_awsbatch.handover import Handover, Intent
    from magnus_executor_awsbatch.preparation import Definitions
    from magnus_executor_awsbatch.submitter import Submitter
    from magnus_executor_awsbatch.underway import Underway
    from magnus_executor_awsbatch.watcher import Watcher

_SECONDS_TO_STOP = 8.0
_SECONDS_BETWEEN_STOPS = 0.5
_TASK_TYPES = frozenset({"python", "python-lambda", "shell", "notebook"})
_ENDED = frozenset({"SUCCEEDED", "FAILED"})
_STARTED = frozenset({"STARTING", "RUNNING"})
_LONGEST_REASON = 1024


class AwsBatchExecutor(InteractiveExecutor):
    """Submits a job for each attempt at a step, an array of them for a map whose branch is one task, and watches them."""

    Options = AwsBatchOptions

    def __init__(
        self,
        options: AwsBatchOptions | None = None,
        *,
        connect: Callable[[str, str, str], Any] | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Speak to nobody yet.

        Args:
            options: As configured.
            connect: Returns the vendor's client of a service, by its name, region and address; by default the real one.
            clock: Tells the time; by default that of the machine.
        """
        super().__init__(options)
        self._connect = connect
        self._clock = clock or Clock()
        self._batch_in_use: Batch | None = None
        self._needs: Sequence[ComputeNeeds] = ()
        self._handover: Handover | None = None
        self._definitions: Definitions | None = None
        self._submitter: Submitter | None = None
        self._watcher: Watcher | None = None
        self._run_here: StepRunner | None = None
        self._pace = Pace(self.options.poll_interval)
        self._next_look = 0.0
        self._waiting: list[BatchJob] = []
        self._underway: dict[JobIdentity, Underway] = {}
        self._found: dict[JobIdentity, tuple[BatchJob, int]] = {}
        self._adopted: list[BatchJob] = []
        self._meant: dict[JobIdentity, tuple[int, int]] = {}
        self._leaves_some = False
        self._known: dict[JobIdentity, Status] = {}
        self._ends: list[JobEnd] = []

    # What it can do

    @classmethod
    def capabilities(cls, options: Any) -> ExecutorCapabilities:
        """See the port."""
        return ExecutorCapabilities(
            placement=Placement.REMOTE,
            concurrent_branches=options.enable_parallel,
            task_types=_TASK_TYPES,
        )

    @classmethod
    def judge_graph(
        cls,
        options: Any,
        graph: Graph,
        options_of: Callable[[Node], Any],
        needs: Callable[[], Sequence[ComputeNeeds]],
    ) -> list[Objection]:
        """Find what Batch has no field for, and what is too large for a request."""
        return judging.judge_graph(options, graph, options_of, needs())

    @classmethod
    def permissions(cls, options: Any, needs: Sequence[ComputeNeeds]) -> str:
        """Return the IAM policy that the job role needs."""
        from magnus_executor_awsbatch.iam import job_role_policy

        return job_role_policy(judging.handover_of(options, needs), needs)

    @classmethod
    def mailbox(cls, address: str) -> Mailbox:
        """See the port; region, endpoint and credentials are those of the job."""
        from magnus_executor_awsbatch.bucket import Bucket
        from magnus_executor_awsbatch.handover import JobMailbox

        folder, _, key = address.rpartition("/")
        return JobMailbox(Bucket(folder), key)

    @property
    def max_concurrent_jobs(self) -> int:
        """As many as there are, or one by one."""
        return sys.maxsize if self.options.enable_parallel else 1

    @property
    def most_jobs_together(self) -> int:
        """What an array may hold."""
        return LARGEST_ARRAY if self.options.enable_parallel else 1

    @property
    def leaves_jobs(self) -> bool:
        """See `on_interrupt`."""
        return bool(self.options.on_interrupt == "detach")

    # Before the first step

    @property
    def _batch(self) -> Batch:
        if self._batch_in_use is None:
            # The vendor's library takes longer to import than all of magnus.
            from magnus_executor_awsbatch.batch import Batch

            place = (self.options.region, self.options.endpoint_url)
            self._batch_in_use = Batch(*place, connect=self._connect, sleep=self._clock.sleep)
        return self._batch_in_use

    def _bucket(self, address: str) -> Bucket:
        from magnus_executor_awsbatch.bucket import Bucket

        return Bucket(address, self.options.region, self.options.endpoint_url, connect=self._connect)

    def _handover_of(self, run_id: str, needs: Sequence[ComputeNeeds]) -> Handover:
        from magnus_executor_awsbatch.handover import Handover

        address = judging.handover_of(self.options, needs)
        if not address:
            raise ConfigurationError(judging.NO_HANDOVER)
        return Handover(self._bucket(address), run_id)

    def prepare_for_graph_execution(
        self,
        graph: Graph,
        options_of: Callable[[Node], Any],
        needs: Sequence[ComputeNeeds],
        run_here: StepRunner,
    ) -> None:
        """Make sure of every queue and job definition; register those that are missing."""
        from magnus_executor_awsbatch.preparation import Definitions, refuse_queues

        self._needs, self._run_here = needs, run_here
        refuse_queues(self._batch, graph, options_of, self.options)
        self._definitions = Definitions(self._batch)
        for _, node in graph.walk():
            if node.task is not None:
                options = options_of(node)
                self._definitions.of(options, resources_of(node, options, self.options))

    def _open(self, run_id: str) -> tuple[Submitter, Definitions]:
        """Return what submits, made for the run when its first job comes."""
        from magnus_executor_awsbatch.submitter import Submitter
        from magnus_executor_awsbatch.watcher import Watcher

        if self._definitions is None:
            message = "nothing was prepared"
            raise RuntimeError(message)
        if self._submitter is None:
            self._handover = self._handover_of(run_id, self._needs)
            self._submitter = Submitter(self._batch, self._handover, self._needs, self._clock)
            patience = 2 * self.options.poll_interval
            self._watcher = Watcher(self._batch, self._log_group, self._pace, patience, self._clock)
        return self._submitter, self._definitions

    def _log_group(self, underway: Underway) -> str:
        if self._definitions is None:
            return ""
        return self._definitions.log_group(underway.job.options, self._resources(underway.job))

    def _resources(self, job: Job) -> Any:
        return resources_of(job.node, job.options, self.options)

    def add_code_identities(self, job: Job) -> list[CodeIdentity]:
        """Return the image; its name can be relied on only where it holds a digest."""
        if self._definitions is None:
            return []
        image = self._definitions.of(job.options, self._resources(job)).image
        return [
            CodeIdentity(
                image, "docker", code_identifier_dependable="@sha256:" in image, code_identifier_url=image
            )
        ]

    # Jobs

    def trigger_job(self, job: Job, run_here: StepRunner) -> Status:
        """Submit *job*; one that was asked for before is not submitted again."""
        return self.trigger_jobs([job], run_here)[0]

    def trigger_jobs(self, jobs: Sequence[Job], run_here: StepRunner) -> list[Status]:
        """Submit *jobs* as one array; those that were asked for before are left out of it."""
        self._run_here = run_here
        # One that cannot be submitted has an end like any other.
        known = [self._known.get(job.identity, Status.TRIGGERED) for job in jobs]
        new = []
        for job in jobs:
            if job.identity in self._found:
                self._follow(job, run_here)
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
        submitter, definitions = self._open(jobs[0].run_id)
        resources = self._resources(jobs[0])
        definition = definitions.of(jobs[0].options, resources).arn
        return submitter.make(
            jobs, self._lent, definition, resources, queue_index=queue_index, generation=generation
        )

    @property
    def _lent(self) -> StepRunner:
        if self._run_here is None:
            message = "no job was triggered"
            raise RuntimeError(message)
        return self._run_here

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
            self._open(job.run_id)[0].submit(batch_job)
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

    def _follow(self, job: Job, run_here: StepRunner) -> None:
        batch_job, index = self._found.pop(job.identity)
        submitter, _ = self._open(job.run_id)
        self._underway[job.identity] = submitter.again(job, run_here, batch_job, index)
        if not self._next_look:
            self._next_look = self._clock.monotonic()

    def wait_for_jobs(self, timeout_seconds: float | None) -> list[JobEnd]:
        """See the port."""
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
        if self._watcher is None:
            return
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
        if self._handover is None:
            return
        try:
            answer = self._handover.answer(underway.batch_job.intent.name, underway.index)
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
        if self._handover is None or (batch_job.members and not answered):
            return
        try:
            names = [] if batch_job.members else [batch_job.intent.name]
            self._handover.forget(names, [(batch_job.intent.name, underway.index)] if answered else [])
        except ServiceError as error:
            self._lent.tell(f"{underway.job.step_name}: its handover could not be removed: {error}")

    # Interrupts, and after them

    def stop_jobs(self) -> None:
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
            if not batch_job.id and self._submitter is not None:
                batch_job.id = self._submitter.find(batch_job)
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
        if self._handover is None:
            return
        try:
            if not at_large:
                self._handover.forget_all()
        except ServiceError as error:
            self._lent.tell(f"the handover of the run could not be removed: {error}")

    def _not_ended(self, job_ids: Sequence[str]) -> list[str]:
        from magnus_executor_awsbatch.answers import MOST_DESCRIBED

        if not job_ids:
            return []
        try:
            states = self._batch.describe(job_ids[:MOST_DESCRIBED])
        except ServiceError:
            return list(job_ids)
        return [job_id for job_id in job_ids if job_id in states and states[job_id].status not in _ENDED]

    def adopt(self, run_id: str, needs: Sequence[ComputeNeeds], run_here: StepRunner) -> list[str]:
        """Find the jobs of *run_id* by the names under which they were, or were about to be, submitted."""
        self._needs, self._run_here = needs, run_here
        submitter, _ = self._open(run_id)
        told = []
        for intent in _newest(self._handover_of(run_id, needs).intents()):
            if is_here(intent.owner) and is_alive(intent.owner):
                message = f"run '{run_id}' is still traversed by the magnus that began it, on this machine; end that first"
                raise ConfigurationError(message)
            identities = [(run_id, each.step_name, each.attempt_number) for each in intent.members]
            job_id = submitter.found_in_time(intent)
            if not job_id:
                # It is submitted as it was meant: under the name of an earlier try there is another job.
                self._meant |= dict.fromkeys(identities, (intent.generation, intent.queue_index))
                self._forget_name(run_id, intent.name)
                continue
            batch_job = BatchJob(submitter.own(intent), {}, job_id)
            self._adopted.append(batch_job)
            for index, identity in enumerate(identities):
                self._found[identity] = (batch_job, index)
            more = f" and {len(intent.members) - 1} more" if len(intent.members) > 1 else ""
            told.append(f"found the job {job_id} of {intent.members[0].step_name}{more}")
        return told

    def close(self) -> None:
        """Leave nothing in the handover but what belongs to jobs that go on without this traversal."""
        if self._handover is None or self._underway or self._leaves_some:
            return
        # What had ended, and was recorded, before this traversal attached to it was never asked for.
        unasked = [each for each in self._adopted if not each.was_followed]
        try:
            if self._not_ended([each.id for each in unasked]):
                return
            self._handover.forget_all()
        except ServiceError as error:
            self._lent.tell(f"the handover of the run could not be removed: {error}")

    def _forget_name(self, run_id: str, name: str) -> None:
        self._handover_of(run_id, self._needs).forget([name])

    def reap(self, run_id: str, needs: Callable[[], Sequence[ComputeNeeds]]) -> list[str]:
        """Terminate the jobs that a killed or detached traversal of *run_id* has left, and clear their handover."""
        known = () if self.options.handover else needs()
        if not judging.handover_of(self.options, known):
            return []
        handover = self._handover_of(run_id, known)
        told = []
        intents = handover.intents()
        for intent in intents:
            if is_here(intent.owner) and is_alive(intent.owner):
                return [f"left alone: the jobs of run '{run_id}'; the magnus that submitted them still runs"]
        for intent in intents:
            for found in self._batch.find(intent.queue, intent.name):
                if found.status not in _ENDED:
                    self._batch.terminate(found.id, f"ended by `magnus runs reap {run_id}`")
                    told.append(f"terminated the job {found.id} ({intent.name}), which a traversal had left")
        if intents:
            handover.forget_all()
        return told


def _newest(intents: Sequence[Intent]) -> list[Intent]:
    """Leave out what was tried again under another name since."""
    latest: dict[tuple[str, int], int] = {}
    for intent in intents:
        for member in intent.members:
            key = (member.step_name, member.attempt_number)
            latest[key] = max(latest.get(key, 0), intent.generation)
    return sorted(
        (
            intent
            for intent in intents
            if any(
                latest[each.step_name, each.attempt_number] == intent.generation for each in intent.members
            )
        ),
        key=lambda intent: intent.generation,
    )


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
