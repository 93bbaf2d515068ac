"""The executor `local`: steps run in worker processes of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magnus.domain.capabilities import ExecutorCapabilities, Feature, Isolation, Placement
from magnus.domain.left_processes import end_left_processes
from magnus.domain.machine import usable_cores
from magnus.ports.executor import InteractiveExecutor
from magnus_executor_local.config import LocalOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from magnus.domain.graph import Graph
    from magnus.domain.jobs import Job, JobEnd, JobIdentity
    from magnus.domain.nodes import Node
    from magnus.domain.run_log import Status
    from magnus.ports.executor import ComputeNeeds, StepRunner

_NO_LIMITS = (
    "steps run in processes of this machine whose processors and memory nobody limits; remove `resources`, "
    "or set `ignore_resources: true` for this executor"
)


_NO_TIMEOUT = (
    "`in_process: true` runs steps in the process that keeps their time, which cannot end itself; remove `timeout`, or "
    "`in_process`"
)


class LocalExecutor(InteractiveExecutor):
    """Runs steps on this machine, in worker processes that serve one step after another.

    The process that traverses runs no code of the user, unless `in_process` asks for that.
    """

    Options = LocalOptions

    def __init__(self, options: LocalOptions | None = None) -> None:
        """Start nothing yet."""
        super().__init__(options)
        self._runner: StepRunner | None = None
        self._known: dict[JobIdentity, Status] = {}

    @classmethod
    def capabilities(cls, options: Any) -> ExecutorCapabilities:
        """See the port."""
        refused: dict[Feature, str] = {}
        if not options.ignore_resources:
            refused[Feature.RESOURCES] = _NO_LIMITS
        if options.in_process:
            refused[Feature.TIMEOUT] = _NO_TIMEOUT
        return ExecutorCapabilities(
            placement=Placement.SAME_PROCESS if options.in_process else Placement.SAME_HOST,
            serves_from_traversal=True,
            isolation=Isolation(options.isolation),
            concurrent_branches=options.enable_parallel,
            refused_features=refused,
        )

    @property
    def max_concurrent_jobs(self) -> int:
        """One without *enable_parallel*, else *max_workers*."""
        if not self.options.enable_parallel:
            return 1
        return self.options.max_workers or usable_cores()

    @property
    def uses_workers(self) -> bool:
        """See the port."""
        return not self.options.in_process

    def prepare_for_graph_execution(
        self,
        graph: Graph,
        options_of: Callable[[Node], Any],
        needs: Sequence[ComputeNeeds],
        run_here: StepRunner,
    ) -> None:
        """Make sure that workers can import the functions of the running script."""
        if not self.options.in_process:
            run_here.prepare_workers()

    def trigger_job(self, job: Job, run_here: StepRunner) -> Status:
        """Begin *job*; one that was asked for before is not started again."""
        key = job.identity
        if key not in self._known:
            self._known[key] = self._start(job, run_here)
        return self._known[key]

    def _start(self, job: Job, run_here: StepRunner) -> Status:
        if self.options.in_process:
            return run_here.run_in_process(job)
        self._runner = run_here
        return run_here.start(job)

    def wait_for_jobs(self, timeout_seconds: float | None) -> list[JobEnd]:
        """See the port."""
        ends = self._runner.wait(timeout_seconds) if self._runner else []
        self._known.update((end.job.identity, end.status) for end in ends)
        return ends

    def stop_jobs(self) -> None:
        """Stop every worker with all its processes."""
        if self._runner:
            self._runner.stop()

    def reap(self, run_id: str, needs: Callable[[], Sequence[ComputeNeeds]]) -> list[str]:
        """End processes of the run that have escaped the guards of its workers; where there is no `/proc` none is found."""
        return end_left_processes(run_id)
