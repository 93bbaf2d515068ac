"""Runs jobs where they are asked for: for a branch that is walked inside the compute of an orchestrator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magnus.domain.capabilities import ExecutorCapabilities, Placement
from magnus.ports.executor import InteractiveExecutor

if TYPE_CHECKING:
    from magnus.domain.jobs import Job
    from magnus.domain.run_log import Status
    from magnus.ports.executor import StepRunner


class OneByOneExecutor(InteractiveExecutor):
    """Runs every job in a worker process of this machine, one after another."""

    @classmethod
    def capabilities(cls, options: Any) -> ExecutorCapabilities:
        """See the port."""
        return ExecutorCapabilities(Placement.SAME_HOST, serves_from_traversal=True)

    def trigger_job(self, job: Job, run_here: StepRunner) -> Status:
        """Run *job* to its end."""
        return run_here(job)
