"""An executor and a clock under a test's control: for tests of what traverses, and of what stands around it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magnus.domain.capabilities import ExecutorCapabilities, Placement
from magnus.domain.jobs import JobEnd
from magnus.domain.run_log import Status
from magnus.engine.clock import Clock
from magnus.errors import JobSubmissionError
from magnus.ports.executor import InteractiveExecutor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from magnus.domain.jobs import Job
    from magnus.ports.executor import StepRunner


class FakeClock(Clock):
    """A clock that nobody waits for.

    Attributes:
        now: Seconds since it was made; a test may move it on.
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


class FakeExecutor(InteractiveExecutor):
    """Stands for compute elsewhere: takes jobs, and lets them end one by one, in the order that a test chooses.

    A job does its work when it ends, in this process, and records it as a worker would.

    Attributes:
        choose: Called with the jobs that run, oldest first; returns the position of the one that ends next.
        refused: The names of steps whose jobs are refused when they are submitted.
        before_wait: Called each time before a job ends; whatever it raises comes out of the wait, as a signal would.
        triggered: The step name and attempt number of every job that was started, in order.
        running: The jobs that have not ended.
        most_at_once: The most jobs that ran at the same time.
        stopped: The jobs that were running when they were stopped.
    """

    def __init__(
        self,
        max_concurrent_jobs: int = 8,
        choose: Callable[[Sequence[Job]], int] = lambda jobs: 0,  # noqa: ARG005 - the oldest, whatever there are
    ) -> None:
        """Have room for *max_concurrent_jobs*."""
        super().__init__()
        self._room = max_concurrent_jobs
        self._run_here: StepRunner | None = None
        self.choose = choose
        self.refused: set[str] = set()
        self._lost: dict[tuple[str, int], dict[str, Any]] = {}
        self.before_wait: Callable[[], None] = lambda: None
        self.triggered: list[tuple[str, int]] = []
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

    def trigger_job(self, job: Job, run_here: StepRunner) -> Status:
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
