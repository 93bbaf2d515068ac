"""Brings jobs to Batch: once each, whatever becomes of this process or of an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magnus.domain.owner import own_label
from magnus.errors import ServiceError
from magnus_executor_awsbatch.errors import ThrottledError, UnansweredError
from magnus_executor_awsbatch.handover import Intent, Member
from magnus_executor_awsbatch.naming import job_name
from magnus_executor_awsbatch.requests import Submission, submission_request
from magnus_executor_awsbatch.underway import BatchJob, Underway

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magnus.domain.jobs import Job
    from magnus.ports.executor import ComputeNeeds, StepRunner
    from magnus_executor_awsbatch.batch import Batch
    from magnus_executor_awsbatch.clock import Clock
    from magnus_executor_awsbatch.config import AwsBatchOptions
    from magnus_executor_awsbatch.handover import Handover
    from magnus_executor_awsbatch.requests import Resources

_SECONDS_UNTIL_LISTED = 30.0
"""A job that was submitted may take this long to be found by its name; it is submitted again only after that."""

_SECONDS_TO_WAIT_FOR_OTHERS = 10.0
"""Likewise for what another process may have submitted at the moment of its death: nothing else goes on meanwhile."""

_SECONDS_BETWEEN_FINDS = 2.0

_FIRST_PAUSE_SECONDS = 1.0
_LONGEST_PAUSE_SECONDS = 60.0


class Submitter:
    """Makes Batch jobs of ours and submits them."""

    def __init__(self, batch: Batch, handover: Handover, needs: Sequence[ComputeNeeds], clock: Clock) -> None:
        """Submit to *batch* what *handover* holds."""
        self._batch = batch
        self._clock = clock
        self._handover = handover
        self._needs = needs

    def make(
        self,
        jobs: Sequence[Job],
        run_here: StepRunner,
        definition: str,
        resources: Resources,
        *,
        queue_index: int = 0,
        generation: int = 0,
    ) -> BatchJob:
        """Write down what *jobs* are to be told, and return the Batch job for them, not yet submitted.

        Raises:
            ServiceError: It could not be written down; nothing is left of it.
        """
        options: AwsBatchOptions = jobs[0].options
        shown_as = shown_together(jobs)
        name = job_name(jobs, shown_as, generation)
        address = self._handover.address(name)
        remotes = [
            run_here.remote(job, self._needs, inside_compute=True, address=address, shown_as=shown_as)
            for job in jobs
        ]
        members = tuple(
            Member(job.step_name, job.attempt_number, remote.mark)
            for job, remote in zip(jobs, remotes, strict=True)
        )
        queue = options.queues[queue_index]
        intent = Intent(name, queue, queue_index, generation, own_label(), self._clock.now(), members)
        try:
            is_new = self._handover.lay_down(intent, [remote.message for remote in remotes])
        except ServiceError:
            for remote in remotes:
                remote.close()
            raise
        made = BatchJob(intent, self._request(jobs, intent, remotes[0].command, definition, resources))
        for index, (job, remote) in enumerate(zip(jobs, remotes, strict=True)):
            made.members[index] = Underway(job, remote, made, index)
        if not is_new:
            self._take_from_others(made, run_here, address, shown_as)
        return made

    def again(
        self,
        job: Job,
        run_here: StepRunner,
        batch_job: BatchJob,
        index: int,
    ) -> Underway:
        """Return what follows a job that an earlier traversal has submitted as *batch_job*."""
        shown_as = shown_together([job])
        remote = run_here.remote(
            job,
            self._needs,
            inside_compute=True,
            address=self._handover.address(batch_job.intent.name),
            shown_as=shown_as,
            mark=batch_job.intent.members[index].mark,
        )
        underway = Underway(job, remote, batch_job, index)
        batch_job.members[index] = underway
        batch_job.was_followed = True
        return underway

    def submit(self, batch_job: BatchJob) -> None:
        """Submit it, or put that off; afterwards it has an id, or another moment when it is due.

        Raises:
            ThrottledError: It was put off, which counts as a try.
            JobSubmissionError: Batch refused it.
        """
        if batch_job.asked_at is not None and not self._is_absent(batch_job):
            return
        batch_job.asked_at = self._clock.monotonic()  # from now on nobody knows, until there is an answer
        try:
            batch_job.id = self._batch.submit(batch_job.request)
        except UnansweredError as error:
            self._put_off(batch_job)
            raise ThrottledError(str(error)) from error
        except ThrottledError:
            batch_job.asked_at = None
            self._put_off(batch_job)
            raise
        except ServiceError:
            batch_job.asked_at = None
            raise

    def _is_absent(self, batch_job: BatchJob) -> bool:
        """Look for what was submitted without an answer; return whether it surely was not."""
        intent = batch_job.intent
        try:
            found = self._batch.find(intent.queue, intent.name)
        except ServiceError as error:
            if not error.retriable:
                raise
            self._put_off(batch_job)
            raise ThrottledError(str(error)) from error
        if found:
            batch_job.id = found[0].id
            return False
        since = self._clock.monotonic() - (batch_job.asked_at or 0.0)
        left = _SECONDS_UNTIL_LISTED - since
        batch_job.due = self._clock.monotonic() + min(_SECONDS_BETWEEN_FINDS, left)
        return left <= 0

    def find(self, batch_job: BatchJob) -> str:
        """Return the id of a job that may have been submitted without an answer; empty if there is none."""
        if batch_job.id or batch_job.asked_at is None:
            return batch_job.id
        found = self._batch.find(batch_job.intent.queue, batch_job.intent.name)
        return found[0].id if found else ""

    def _put_off(self, batch_job: BatchJob) -> None:
        pause = min(_FIRST_PAUSE_SECONDS * 2**batch_job.tries, _LONGEST_PAUSE_SECONDS)
        batch_job.tries += 1
        batch_job.due = self._clock.monotonic() + pause

    def _take_from_others(self, made: BatchJob, run_here: StepRunner, address: str, shown_as: str) -> None:
        """Use what another process has written down under the same name, and what it has submitted.

        It may have been killed before it submitted: who finds nothing after a while submits.
        """
        theirs = next(
            (intent for intent in self._handover.intents() if intent.name == made.intent.name), None
        )
        if theirs is None:
            message = f"the handover of the job '{made.intent.name}' was removed by another process"
            raise ServiceError(message, retriable=True)
        made.intent = theirs
        for index, underway in made.members.items():
            underway.remote.close()
            underway.remote = run_here.remote(
                underway.job,
                self._needs,
                inside_compute=True,
                address=address,
                shown_as=shown_as,
                mark=theirs.members[index].mark,
            )
        if found := self.found_in_time(theirs):
            made.id = found

    def own(self, intent: Intent) -> Intent:
        """Write down that the job behind an intent is followed by this process from now on."""
        owned = intent._replace(owner=own_label())
        self._handover.replace(owned)
        return owned

    def found_in_time(self, intent: Intent) -> str:
        """Return the id of the job that was submitted under an intent; empty if none was.

        Waits while it may have been submitted a moment ago and is not listed yet.
        """
        age = self._clock.now() - intent.written_at
        until = self._clock.monotonic() + _SECONDS_TO_WAIT_FOR_OTHERS - max(0.0, age)
        while True:
            found = self._batch.find(intent.queue, intent.name)
            if found:
                return found[0].id
            left = until - self._clock.monotonic()
            if left <= 0:
                return ""
            self._clock.sleep(min(_SECONDS_BETWEEN_FINDS, left))

    def _request(
        self,
        jobs: Sequence[Job],
        intent: Intent,
        command: tuple[str, ...],
        definition: str,
        resources: Resources,
    ) -> dict[str, Any]:
        job = jobs[0]
        submission = Submission(
            name=intent.name,
            queue=intent.queue,
            definition=definition,
            command=command,
            size=len(jobs),
            run_id=job.run_id,
            shown_as=shown_together(jobs),
            timeout_seconds=job.timeout_seconds,
        )
        return submission_request(submission, job.options, resources, self._needs)


def shown_together(jobs: Sequence[Job]) -> str:
    """Return what a person calls the step of *jobs*, which differ in the innermost item of a map if there are several."""
    name = jobs[0].step_name
    if len(jobs) == 1:
        return name
    branch, _, step = name.rpartition(".")
    return f"{branch.rpartition('.')[0]}.*.{step}"
