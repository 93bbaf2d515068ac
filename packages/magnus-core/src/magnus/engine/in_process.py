"""Runs jobs where they are asked for: for a branch that is walked inside the compute of an orchestrator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magnus.domain.capabilities import ExecutorCapabilities, Placement
from magnus.domain.run_log import Status
from magnus.engine.worker_process import run_in_worker
from magnus.ports.executor import InteractiveExecutor

if TYPE_CHECKING:
    from magnus.domain.jobs import Job, JobEnd
    from magnus.ports.executor import StepRunner


class InProcessExecutor(InteractiveExecutor):
    """Runs every job in this process, one after another; one with a `timeout` in a process that can be ended."""

    def __init__(self) -> None:
        """Start nothing."""
        super().__init__()
        self._waiting: list[tuple[Job, StepRunner]] = []

    @classmethod
    def capabilities(cls, options: Any) -> ExecutorCapabilities:
        """See the port."""
        return ExecutorCapabilities(Placement.SAME_PROCESS)

    def trigger_job(self, job: Job, run_here: StepRunner) -> Status:
        """Run *job* here, or when it is waited for."""
        if job.timeout_seconds is None:
            return run_here(job)
        self._waiting.append((job, run_here))
        return Status.TRIGGERED

    def wait_for_jobs(self, timeout_seconds: float | None) -> list[JobEnd]:
        """Run what was triggered to its end."""
        job, runner = self._waiting.pop()
        return [run_in_worker(runner, job)]
