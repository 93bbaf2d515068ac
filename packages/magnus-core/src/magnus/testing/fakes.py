"""An executor and a clock under a test's control: for tests of what traverses, and of what stands around it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magnus.domain.capabilities import ExecutorCapabilities, Placement
from magnus.domain.jobs import JobEnd
from magnus.domain.run_log import Status
from magnus.engine.clock import Clock
from magnus.engine.step import StepRunner
from magnus.errors import JobSubmissionError
from magnus.ports.executor import InteractiveExecutor, Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from magnus.domain.jobs import Job, JobIdentity
    from magnus.ports.executor import ComputeNeeds
    from magnus.ports.executor import StepRunner as LentRunner

_BEGAN = datetime(2000, 1, 1, tzinfo=UTC)


class InProcessStepRunner(StepRunner):
    """Runs jobs in this process, for tests whose task types and functions only exist here."""

    def __call__(self, job: Job) -> Status:
        """Run *job* here."""
        return self.run_in_process(job)


class FakeStepRunner:
    """Lends an executor nothing; a test overrides what its executor asks for. Everything else fails the test."""

    def __call__(self, job: Job) -> Status:
        """Refuse."""
        raise AssertionError(job)

    def start(self, job: Job) -> Status:
        """Refuse."""
        raise AssertionError(job)

    def wait(self, timeout_seconds: float | None) -> list[JobEnd]:
        """Have nothing to wait for."""
        return []

    def stop(self) -> None:
        """Have nothing to stop."""

    def run_in_process(self, job: Job) -> Status:
        """Refuse."""
        raise AssertionError(job)

    def prepare_workers(self) -> None:
        """Have none."""

    def workspace(self, job: Job) -> Workspace:
        """Lend the working directory."""
        folder = str(Path.cwd())
        return Workspace(folder, f"{folder}/data")

    def is_recorded(self, job: Job) -> bool:
        """Refuse."""
        raise AssertionError(job)

    def tell(self, message: str) -> None:
        """Show it to nobody."""

    def learn_secrets(self, secrets: Iterable[str]) -> None:
        """Learn nothing."""

    def remote(
        self,
        job: Job | None,
        needs: Sequence[ComputeNeeds] = (),
        *,
        inside_compute: bool,
        address: str = "",
        shown_as: str = "",
        mark: str = "",
    ) -> Any:
        """Refuse."""
        raise AssertionError(job)


class FakeTerminal:
    """Keeps what the output of a step writes to a terminal.

    Attributes:
        on: What was written, by the number of the stream: 1 or 2.
    """

    def __init__(self) -> None:
        """Nothing has been written."""
        self.on = {1: b"", 2: b""}

    def write_task_output(self, data: bytes, number: int) -> None:
        """Keep *data*."""
        self.on[number] += data


class FakeClock(Clock):
    """A clock that nobody waits for.

    Attributes:
        now: Seconds since it was made, which was at the beginning of the year 2000; a test may move it on.
    """

    def __init__(self) -> None:
        """Begin at zero."""
        self.now = 0.0

    def monotonic(self) -> float:
        """Return the seconds so far."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let the time pass at once."""
        self.now += seconds

    def timestamp(self) -> str:
        """Return the time now."""
        return (_BEGAN + timedelta(seconds=self.now)).isoformat(timespec="milliseconds")

    def seconds_since(self, timestamp: str) -> float:
        """Return how long ago that was."""
        passed = _BEGAN + timedelta(seconds=self.now) - datetime.fromisoformat(timestamp)
        return max(0.0, passed.total_seconds())


class FakeExecutor(InteractiveExecutor):
    """Stands for compute elsewhere: takes jobs, and lets them end one by one, in the order that a test chooses.

    A job does its work when it ends, in this process, and records it as a worker would.

    Attributes:
        choose: Called with the jobs that run, oldest first; returns the position of the one that ends next.
        refused: The names of steps whose jobs are refused when they are submitted.
        before_wait: Called each time before a job ends; whatever it raises comes out of the wait, as a signal would.
        triggered: The step name and attempt number of every job that was started, in order.
        triggered_together: The names of the steps of every call of `trigger_jobs`, in order.
        running: The jobs that have not ended.
        most_at_once: The most jobs that ran at the same time.
        stopped: The jobs that were running when they were stopped.
    """

    def __init__(
        self,
        max_concurrent_jobs: int = 8,
        choose: Callable[[Sequence[Job]], int] = lambda jobs: 0,  # noqa: ARG005 - the oldest, whatever there are
        most_jobs_together: int = 1,
    ) -> None:
        """Have room for *max_concurrent_jobs*, and want *most_jobs_together* of a map at once."""
        super().__init__()
        self._room = max_concurrent_jobs
        self._together = most_jobs_together
        self._run_here: LentRunner | None = None
        self.choose = choose
        self.refused: set[str] = set()
        self._lost: dict[tuple[str, int], dict[str, Any]] = {}
        self.before_wait: Callable[[], None] = lambda: None
        self.triggered: list[tuple[str, int]] = []
        self.triggered_together: list[list[str]] = []
        self.running: list[Job] = []
        self.most_at_once = 0
        self.stopped: list[Job] = []

    @classmethod
    def capabilities(cls, options: Any) -> ExecutorCapabilities:
        """Run elsewhere, several at a time."""
        return ExecutorCapabilities(Placement.REMOTE, concurrent_branches=True)

    @property
    def max_concurrent_jobs(self) -> int:
        """As it was told."""
        return self._room

    @property
    def most_jobs_together(self) -> int:
        """As it was told."""
        return self._together

    def trigger_job(self, job: Job, run_here: LentRunner) -> Status:
        """Take the job, once."""
        name = (job.step_name, job.attempt_number)
        if job.step_name in self.refused:
            raise JobSubmissionError(f"the job '{job.step_name}' was refused, as the test says")
        if name not in self.triggered:
            self._run_here = run_here
            self.triggered.append(name)
            self.running.append(job)
            self.most_at_once = max(self.most_at_once, len(self.running))
        return Status.TRIGGERED

    def trigger_jobs(self, jobs: Sequence[Job], run_here: LentRunner) -> list[Status]:
        """Take the jobs; if any is refused, none is taken."""
        self.triggered_together.append([job.step_name for job in jobs])
        for job in jobs:
            if job.step_name in self.refused:
                raise JobSubmissionError(f"the jobs with '{job.step_name}' were refused, as the test says")
        return super().trigger_jobs(jobs, run_here)

    def wait_for_jobs(self, timeout_seconds: float | None) -> list[JobEnd]:
        """Let the job end that the test chooses; time does not pass."""
        self.before_wait()
        if not self.running or self._run_here is None:
            return []
        job = self.running.pop(self.choose(self.running))
        how = self._lost.get((job.step_name, job.attempt_number))
        if how is not None:
            return [JobEnd(job, Status.FAIL, **how)]
        return [JobEnd(job, self._run_here(job))]

    def lose(self, step_name: str, attempt_number: int = 1, **how: Any) -> None:
        """Let that job end without a record of its own; *how* are fields of `JobEnd` besides job and status."""
        self._lost[step_name, attempt_number] = how

    def stop_jobs(self) -> None:
        """Note what was running, and stop it."""
        self.stopped += self.running
        self.running.clear()


class FakeCompute:
    """Where the jobs of `LeavingExecutor` run: they go on when the process is gone that has triggered them.

    Attributes:
        run: Runs a job as a process elsewhere would, and records it; returns how it ended.
        started: The step name and attempt number of every job that was started, in order: one that is started twice stands
            there twice.
        running: The jobs that have not ended, oldest first.
        stopped: The jobs that were running when they were stopped.
    """

    def __init__(self, run: Callable[[Job], Status]) -> None:
        """Have nothing to do."""
        self.run = run
        self.started: list[tuple[str, int]] = []
        self.running: list[Job] = []
        self.stopped: list[Job] = []
        self._ended: dict[JobIdentity, JobEnd] = {}

    def start(self, job: Job) -> None:
        """Start *job*, without asking whether it was started before."""
        self.started.append((job.step_name, job.attempt_number))
        self.running.append(job)

    def knows(self, run_id: str) -> list[Job]:
        """Return every job of the run, whether it has ended or not."""
        jobs = [*self.running, *(end.job for end in self._ended.values())]
        return [job for job in jobs if job.run_id == run_id]

    def go_on(self) -> None:
        """Let the oldest job end, if there is one."""
        if self.running:
            job = self.running.pop(0)
            self._ended[job.identity] = JobEnd(job, self.run(job))

    def end_of(self, identity: JobIdentity) -> JobEnd | None:
        """Return how a job ended; None if it has not, or is not known."""
        return self._ended.get(identity)

    def stop(self, identities: set[JobIdentity]) -> None:
        """Stop those jobs."""
        self.stopped += [job for job in self.running if job.identity in identities]
        self.running = [job for job in self.running if job.identity not in identities]


class LeavingExecutor(FakeExecutor):
    """Triggers jobs on a `FakeCompute`, and leaves them there when the run is interrupted.

    Attributes:
        compute: Where they run.
        adopted: What it has found there.
    """

    def __init__(
        self, compute: FakeCompute, max_concurrent_jobs: int = 8, most_jobs_together: int = 1
    ) -> None:
        """Know of no job."""
        super().__init__(max_concurrent_jobs, most_jobs_together=most_jobs_together)
        self.compute = compute
        self.adopted: set[JobIdentity] = set()
        self._asked_for: set[JobIdentity] = set()
        self._awaited: dict[JobIdentity, None] = {}

    @property
    def leaves_jobs(self) -> bool:
        """Leave them."""
        return True

    def adopt(self, run_id: str, needs: Sequence[ComputeNeeds], run_here: LentRunner) -> list[str]:
        """Find the jobs of the run."""
        found = self.compute.knows(run_id)
        self.adopted = {job.identity for job in found}
        return [f"found the job of {job.step_name}, attempt {job.attempt_number}" for job in found]

    def trigger_job(self, job: Job, run_here: LentRunner) -> Status:
        """Start the job, unless it was found or asked for before."""
        if job.identity not in self._asked_for:
            if job.identity not in self.adopted:
                self.compute.start(job)
            self.triggered.append((job.step_name, job.attempt_number))
            self._asked_for.add(job.identity)
            self._awaited[job.identity] = None
        return Status.TRIGGERED

    def wait_for_jobs(self, timeout_seconds: float | None) -> list[JobEnd]:
        """Return what has ended; if nothing has, let the compute go on."""
        self.before_wait()
        if not any(self.compute.end_of(identity) for identity in self._awaited):
            self.compute.go_on()
        ends = [end for identity in self._awaited if (end := self.compute.end_of(identity))]
        for end in ends:
            del self._awaited[end.job.identity]
        return ends

    def stop_jobs(self) -> None:
        """Stop those that it knows of."""
        self.compute.stop({*self.adopted, *self._awaited})
