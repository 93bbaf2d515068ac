"""What tests of the executor are made from: services in memory, virtual time, and what the core lends."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from fake_batch import FakeAws, Succeeds, VirtualClock
from fake_s3 import FakeS3

from magnus.domain.graph import Graph
from magnus.domain.jobs import Job
from magnus.domain.nodes import Node, Resources, TaskSettings
from magnus.domain.run_log import Status
from magnus.testing.fakes import FakeStepRunner
from magnus_executor_awsbatch.bucket import Bucket
from magnus_executor_awsbatch.clock import Clock
from magnus_executor_awsbatch.config import AwsBatchOptions
from magnus_executor_awsbatch.executor import AwsBatchExecutor
from magnus_executor_awsbatch.handover import JobMailbox

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fake_batch import RunningJob
    from fake_batch.jobs import Job as SeenJob

    from magnus.domain.jobs import JobEnd, JobIdentity
    from magnus.ports.executor import ComputeNeeds

BEGIN = "<begin>"
LAST = "<last>"
ANSWER = "<answer>"
REFUSE = "<refuse>"
HANDOVER = "s3://bucket/handover"


class TestClock(VirtualClock, Clock):
    """Time that passes only when somebody sleeps.

    Attributes:
        wrong_by: How many seconds the clock on the wall is ahead.
    """

    __test__ = False
    wrong_by = 0.0

    def now(self) -> float:
        """Return what the clock on the wall says."""
        return super().now() + self.wrong_by

    def monotonic(self) -> float:
        """Return the time."""
        return super().now()


class FakeRemote:
    """One step for elsewhere: lines in angle brackets are what its magnus says, others what the task prints.

    Attributes:
        lines: What the task printed, as far as it was taken.
        answers: What was taken from its mailbox.
    """

    def __init__(self, run_id: str, command: tuple[str, ...], message: bytes, mark: str) -> None:
        """Nothing was written."""
        self.run_id = run_id
        self.command = command
        self.message = message
        self.mark = mark
        self.is_hurried = self.has_begun = self.has_told_all = self.has_answer = self.is_closed = False
        self.refusal = ""
        self.lines: list[str] = []
        self.answers: list[bytes] = []

    def write(self, data: bytes, stream: int) -> bool:
        """Take lines."""
        assert not self.is_closed
        for line in data.decode().splitlines():
            self.has_begun |= line == BEGIN
            self.has_told_all |= line == LAST
            self.has_answer |= line == ANSWER
            if line.startswith(REFUSE):
                self.refusal = line.removeprefix(REFUSE)
            elif line not in (BEGIN, LAST, ANSWER):
                self.lines.append(line)
        return self.has_begun

    @property
    def last_words(self) -> str:
        """The lines."""
        return "\n".join(self.lines)

    def take_answer(self, data: bytes) -> None:
        """Keep it."""
        self.answers.append(data)

    def close(self) -> None:
        """Note it."""
        self.is_closed = True


class Lent(FakeStepRunner):
    """What the core lends.

    Attributes:
        remotes: Of each step, in the order in which they were lent.
        addresses: Where each was told to look.
        recorded: The jobs of which the run log holds the end.
        told: What was shown.
    """

    def __init__(self) -> None:
        """Nothing was lent."""
        self.remotes: dict[str, list[FakeRemote]] = {}
        self.addresses: list[str] = []
        self.recorded: set[JobIdentity] = set()
        self.told: list[str] = []
        self._numbers = itertools.count(1)

    def is_recorded(self, job: Job) -> bool:
        """Look into the run log."""
        return job.identity in self.recorded

    def tell(self, message: str) -> None:
        """Keep it."""
        self.told.append(message)

    def remote(
        self,
        job: Job | None,
        needs: Sequence[ComputeNeeds] = (),
        *,
        inside_compute: bool,
        address: str = "",
        shown_as: str = "",
        mark: str = "",
    ) -> FakeRemote:
        """Lend a step."""
        assert job is not None
        assert inside_compute
        command = ("magnus", shown_as, address)
        told = f"do {job.step_name}, attempt {job.attempt_number}".encode()
        remote = FakeRemote(job.run_id, command, told, mark or f"mark{next(self._numbers)}")
        self.remotes.setdefault(job.step_name, []).append(remote)
        self.addresses.append(address)
        return remote

    def last(self, step_name: str = "step") -> FakeRemote:
        """Return what was lent last for a step."""
        return self.remotes[step_name][-1]


class Kit:
    """An account, what the core lends, and executors in it."""

    def __init__(self) -> None:
        """Have an empty account in which jobs begin and end well."""
        self.clock = TestClock()
        self.aws = FakeAws(self.clock.monotonic, default=Succeeds(after=1, lines=[BEGIN, LAST]))
        self.s3 = FakeS3()
        self.lent = Lent()
        self.places: set[tuple[str, str, str]] = set()

    def connect(self, service: str, region: str, endpoint_url: str) -> Any:
        """Return the client of a service."""
        self.places.add((service, region, endpoint_url))
        return self.s3 if service == "s3" else self.aws.client(service)

    def options(self, **written: Any) -> AwsBatchOptions:
        """Return options that name all that is needed."""
        return AwsBatchOptions(
            **{
                "job_queue": "spot",
                "docker_image": "image:1",
                "handover": HANDOVER,
                "poll_interval": 5.0,
                **written,
            }
        )

    def executor(
        self, options: AwsBatchOptions | None = None, *nodes: Node, needs: Sequence[ComputeNeeds] = ()
    ) -> AwsBatchExecutor:
        """Return an executor that is prepared for *nodes*, by default one task."""
        options = options or self.options()
        executor = AwsBatchExecutor(options, connect=self.connect, clock=self.clock)
        nodes = nodes or (self.node(),)
        graph = Graph(nodes[0].name, {node.name: node for node in (*nodes, Node("done", "success", {}))})
        executor.prepare_for_graph_execution(graph, lambda _node: options, needs, self.lent)
        return executor

    @staticmethod
    def node(name: str = "step", timeout: float | None = None, resources: Resources | None = None) -> Node:
        """Return a task."""
        settings = TaskSettings("true", "shell")
        return Node(
            name, "task", {}, next="done", task=settings, timeout_seconds=timeout, resources=resources
        )

    def job(self, name: str = "step", attempt: int = 1, timeout: float | None = None, **written: Any) -> Job:
        """Return a job of the run `run`."""
        return Job("run", name, self.node(name, timeout), attempt, options=self.options(**written))

    def items(self, count: int, **written: Any) -> list[Job]:
        """Return the jobs of a map."""
        options, node = self.options(**written), self.node("fit")
        return [Job("run", f"map.{index}.fit", node, 1, (("x", index),), options) for index in range(count)]

    def finish(self, executor: AwsBatchExecutor, count: int = 1, patience: float = 4 * 3600) -> list[JobEnd]:
        """Return *count* ends of jobs, waiting as the core does; *patience* is in virtual seconds."""
        ends: list[JobEnd] = []
        until = self.clock.now() + patience
        while len(ends) < count:
            assert self.clock.now() < until, f"{len(ends)} of {count} ended: {ends[:3]}"
            before = self.clock.now()
            new = executor.wait_for_jobs(60.0)
            assert new or self.clock.now() > before, "nothing is under way"
            ends += new
        assert len(ends) == count
        return ends

    def run(self, job: Job | None = None, executor: AwsBatchExecutor | None = None) -> JobEnd:
        """Run one job to its end."""
        job = job or self.job()
        executor = executor or self.executor(job.options)
        assert executor.trigger_job(job, self.lent) is Status.TRIGGERED
        (end,) = self.finish(executor)
        return end

    def interrupt_after(self, calls: int | None, error: BaseException | None = None) -> None:
        """Raise *error* in the caller of one of the services, after so many further calls; None for never."""
        left = itertools.count(calls or 0, -1)

        def look() -> None:
            if error is not None and next(left) == 0:
                raise error

        self.aws.before_each = self.s3.before_each = look

    def submitted(self) -> list[Mapping[str, Any]]:
        """Return the requests that reached `SubmitJob`, in order."""
        return [call.request for call in self.aws.requests if call.operation == "SubmitJob"]

    def jobs(self) -> list[SeenJob]:
        """Return the jobs that were submitted, without the children of arrays."""
        return [job for job in self.aws.jobs() if job.index is None]

    def mailbox(self, running: RunningJob) -> JobMailbox:
        """Return the mailbox that a job finds by its command and its variables."""
        folder, _, key = running.command[-1].rpartition("/")
        return JobMailbox(Bucket(folder, connect=self.connect), key, running.environment)
