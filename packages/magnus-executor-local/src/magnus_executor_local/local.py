"""The executor `local`: steps run in this process, branches at the same time in worker processes if asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magnus.domain.capabilities import ExecutorCapabilities, Feature, Placement
from magnus.domain.machine import usable_cores
from magnus.ports.executor import InteractiveExecutor
from magnus_executor_local.config import LocalOptions

if TYPE_CHECKING:
    from magnus.domain.jobs import Job, JobEnd, JobIdentity
    from magnus.domain.run_log import Status
    from magnus.ports.executor import StepRunner
    from magnus_executor_local.workers import WorkerPool

_NO_LIMITS = (
    "steps run in processes of this machine whose processors and memory nobody limits; remove `resources`, "
    "or set `ignore_resources: true` for this executor"
)


class LocalExecutor(InteractiveExecutor):
    """Runs steps on this machine.

    A step runs in this process, unless it has to be stoppable from outside (it has a `timeout`) or other branches
    run at the same time: then it runs in a worker process, which serves one step after another.
    """

    Options = LocalOptions

    def __init__(self, options: LocalOptions | None = None) -> None:
        """Start nothing yet."""
        super().__init__(options)
        self._pool: WorkerPool | None = None
        self._known: dict[JobIdentity, Status] = {}

    @classmethod
    def capabilities(cls, options: Any) -> ExecutorCapabilities:
        """See the port."""
        return ExecutorCapabilities(
            placement=Placement.SAME_HOST if options.enable_parallel else Placement.SAME_PROCESS,
            timeout_placement=Placement.SAME_HOST,
            concurrent_branches=options.enable_parallel,
            refused_features={} if options.ignore_resources else {Feature.RESOURCES: _NO_LIMITS},
        )

    @property
    def max_concurrent_jobs(self) -> int:
        """One without *enable_parallel*, else *max_workers*."""
        if not self.options.enable_parallel:
            return 1
        return self.options.max_workers or usable_cores()

    def trigger_job(self, job: Job, run_here: StepRunner) -> Status:
        """Run *job* here, or hand it to a worker; one that was asked for before is not started again."""
        key = job.identity
        if key not in self._known:
            self._known[key] = self._start(job, run_here)
        return self._known[key]

    def _start(self, job: Job, run_here: StepRunner) -> Status:
        in_branch = "." in job.step_name
        if job.timeout_seconds is None and not (self.options.enable_parallel and in_branch):
            return run_here(job)
        if self._pool is None:
            from magnus_executor_local.workers import WorkerPool

            self._pool = WorkerPool(run_here)
        return self._pool.submit(job)

    def wait_for_jobs(self, timeout_seconds: float | None) -> list[JobEnd]:
        """See the port."""
        ends = self._pool.wait(timeout_seconds) if self._pool else []
        self._known.update((end.job.identity, end.status) for end in ends)
        return ends

    def stop_jobs(self) -> None:
        """Stop every worker with all its processes."""
        if self._pool:
            self._pool.stop()

    def close(self) -> None:
        """Let the workers end."""
        if self._pool:
            self._pool.close()
