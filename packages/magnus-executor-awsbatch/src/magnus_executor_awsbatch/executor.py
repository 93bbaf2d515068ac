"""The executor `local-aws-batch`: every step in a job of AWS Batch, the traversal on the user's machine."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from magnus.domain.capabilities import ExecutorCapabilities, Placement
from magnus.domain.run_log import CodeIdentity
from magnus.errors import ConfigurationError
from magnus.ports.executor import InteractiveExecutor
from magnus_executor_awsbatch import judging
from magnus_executor_awsbatch.clock import Clock
from magnus_executor_awsbatch.config import AwsBatchOptions
from magnus_executor_awsbatch.requests import LARGEST_ARRAY, resources_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from magnus.domain.graph import Graph
    from magnus.domain.jobs import Job, JobEnd
    from magnus.domain.nodes import Node
    from magnus.domain.run_log import Status
    from magnus.ports.executor import ComputeNeeds, Mailbox, Objection, StepRunner
    from magnus_executor_awsbatch.batch import Batch
    from magnus_executor_awsbatch.bucket import Bucket
    from magnus_executor_awsbatch.handover import Handover
    from magnus_executor_awsbatch.jobs import Jobs
    from magnus_executor_awsbatch.preparation import Definitions

_TASK_TYPES = frozenset({"python", "python-lambda", "shell", "notebook"})


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
        self._definitions: Definitions | None = None
        self._jobs: Jobs | None = None

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

        self._needs = needs
        refuse_queues(self._batch, graph, options_of, self.options)
        self._definitions = Definitions(self._batch)
        for _, node in graph.walk():
            if node.task is not None:
                options = options_of(node)
                self._definitions.of(options, resources_of(node, options, self.options))

    def _open(self, run_id: str, run_here: StepRunner) -> Jobs:
        """Return the jobs of the run, of which there are none when it is first asked for."""
        from magnus_executor_awsbatch.jobs import Jobs
        from magnus_executor_awsbatch.submitter import Submitter

        if self._jobs is None:
            if self._definitions is None:
                message = "nothing was prepared"
                raise RuntimeError(message)
            handover = self._handover_of(run_id, self._needs)
            submitter = Submitter(self._batch, handover, self._needs, self._clock)
            self._jobs = Jobs(
                self.options, self._batch, handover, self._definitions, submitter, run_here, self._clock
            )
        return self._jobs

    def add_code_identities(self, job: Job) -> list[CodeIdentity]:
        """Return the image; its name can be relied on only where it holds a digest."""
        if self._definitions is None:
            return []
        image = self._definitions.of(job.options, resources_of(job.node, job.options, self.options)).image
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
        return self._open(jobs[0].run_id, run_here).trigger(jobs)

    def wait_for_jobs(self, timeout_seconds: float | None) -> list[JobEnd]:
        """See the port."""
        return [] if self._jobs is None else self._jobs.wait(timeout_seconds)

    def stop_jobs(self) -> None:
        """Terminate every job of this run, and wait a little for their ends."""
        if self._jobs is not None:
            self._jobs.stop()

    def close(self) -> None:
        """Leave nothing in the handover but what belongs to jobs that go on without this traversal."""
        if self._jobs is not None:
            self._jobs.close()

    # What another traversal has left

    def adopt(self, run_id: str, needs: Sequence[ComputeNeeds], run_here: StepRunner) -> list[str]:
        """Find the jobs of *run_id* by the names under which they were, or were about to be, submitted."""
        from magnus_executor_awsbatch.leftovers import adopt

        self._needs = needs
        return adopt(run_id, self._open(run_id, run_here))

    def reap(self, run_id: str, needs: Callable[[], Sequence[ComputeNeeds]]) -> list[str]:
        """Terminate the jobs that a killed or detached traversal of *run_id* has left, and clear their handover."""
        from magnus_executor_awsbatch.leftovers import reap

        known = () if self.options.handover else needs()
        if not judging.handover_of(self.options, known):
            return []
        return reap(run_id, self._batch, self._handover_of(run_id, known))
