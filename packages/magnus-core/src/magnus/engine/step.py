"""Runs jobs on this machine, and lends executors the means to run them elsewhere."""

from __future__ import annotations

import shutil
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from magnus.domain.names import parent, short_name
from magnus.domain.run_log import Status, StepLog
from magnus.engine.attempt import Attempt, keep_log, run_here
from magnus.engine.interrupt import StopRun
from magnus.engine.scope import Scope
from magnus.engine.temporary import make_folder
from magnus.engine.workspaces import workspace_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from magnus.domain.jobs import Job, JobEnd
    from magnus.domain.parameters import Values
    from magnus.engine.context import RunContext
    from magnus.engine.forwarded_step import ForwardedStep
    from magnus.engine.workers.keeper import Keeper
    from magnus.engine.workers.messages import WorkerSetup
    from magnus.engine.workers.pool import WorkerPool
    from magnus.ports.executor import ComputeNeeds, Workspace


class StepRunner:
    """See `magnus.ports.executor.StepRunner`, which this is."""

    def __init__(
        self,
        context: RunContext,
        worker_setup: Callable[[], WorkerSetup],
        keeper: Keeper | None = None,
    ) -> None:
        """Run jobs of the run *context*.

        Args:
            context: The run.
            worker_setup: Gives the facts that a new worker needs first.
            keeper: A process for workers that was started before.
        """
        self._context = context
        self._worker_setup = worker_setup
        self._keeper = keeper
        self._pool: WorkerPool | None = None
        self._lent: dict[str, tuple[StepLog, Scope]] = {}
        self._outputs: dict[str, Values] = {}
        self._scratch: Path | None = None

    def __enter__(self) -> StepRunner:
        """Use as a context manager that closes."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the workers, and remove the output of steps that was gathered."""
        try:
            if self._pool is not None:
                self._pool.close()
            elif self._keeper is not None:
                self._keeper.close()
        finally:
            if self._scratch is not None:
                shutil.rmtree(self._scratch, ignore_errors=True)

    @property
    def _workers(self) -> WorkerPool:
        if self._pool is None:
            from magnus.engine.workers.pool import WorkerPool

            self._pool = WorkerPool(
                self._context,
                self._worker_setup,
                self._keeper,
            )
        return self._pool

    @property
    def secrets(self) -> tuple[str, ...]:
        """The secrets that this process knows."""
        return self._context.masker.secrets

    def learn_secrets(self, secrets: Iterable[str]) -> None:
        """See the port."""
        for secret in secrets:
            self._context.masker.add(secret)

    def is_recorded(self, job: Job) -> bool:
        """See the port."""
        step = self._context.recorder.get_step_log(job.step_name)
        return step is not None and len(step.attempts) >= job.attempt_number

    def tell(self, message: str) -> None:
        """See the port."""
        self._context.reporter.notice(message)

    @property
    def scratch(self) -> Path:
        """The folder that is removed when the run ends; made when it is first needed."""
        if self._scratch is None:
            self._scratch = Path(make_folder("magnus-", self._context.run_id))
        return self._scratch

    def remote(
        self,
        job: Job | None,
        needs: Sequence[ComputeNeeds] = (),
        *,
        inside_compute: bool,
        address: str = "",
        shown_as: str = "",
        mark: str = "",
    ) -> ForwardedStep:
        """See the port."""
        from magnus.engine.forwarded_step import ForwardedStep

        log_path = None if job is None else self.log_path(job)
        return ForwardedStep(
            self._context,
            job,
            needs,
            log_path,
            inside_compute=inside_compute,
            address=address,
            shown_as=shown_as,
            mark=mark,
        )

    def workspace(self, job: Job) -> Workspace:
        """See the port."""
        return workspace_of(self._context, job)

    def lend(self, job: Job, step: StepLog, scope: Scope) -> None:
        """Have at hand what a job on this machine would otherwise read from the run log."""
        self._lent[job.step_name] = (step, scope)

    def take_back(self, job: Job) -> Values | None:
        """Return what the job put into the parameters; None if it did not run here."""
        self._lent.pop(job.step_name, None)
        return self._outputs.pop(job.step_name, None)

    # Running jobs here

    def __call__(self, job: Job) -> Status:
        """Run *job* in a worker process to its end; see the port."""
        attempt = self._attempt(job)
        if isinstance(attempt, Status):
            return attempt
        try:
            with self._context.interrupts.quiet():
                self._workers.run(attempt)
        except StopRun:
            self._context.reporter.step_ended(attempt.step)
            raise
        return self._ended(attempt)

    def start(self, job: Job) -> Status:
        """See the port."""
        attempt = self._attempt(job)
        if isinstance(attempt, Status):
            return attempt
        self._workers.begin(attempt)
        return Status.TRIGGERED

    def wait(self, timeout_seconds: float | None) -> list[JobEnd]:
        """See the port."""
        from magnus.domain.jobs import JobEnd

        with self._context.interrupts.quiet():
            ended = self._workers.wait(timeout_seconds)
        ends = []
        for attempt in ended:
            record = attempt.record_of_attempt
            failure = record.failure[0] if record.failure else ""
            ends.append(JobEnd(attempt.job, self._ended(attempt), record.message, record.exit_code, failure))
        return ends

    def stop(self, stop: StopRun | None = None) -> None:
        """See the port."""
        if self._pool is not None:
            reason = stop or self._context.interrupts.pending or StopRun("stopped", interrupted=True)
            with self._context.interrupts.quiet():
                self._pool.stop(reason)

    def run_in_process(self, job: Job) -> Status:
        """See the port."""
        from magnus.engine.in_process import run_task

        attempt = self._attempt(job)
        if isinstance(attempt, Status):
            return attempt
        run_here(attempt, run_task)
        attempt.record()
        return self._ended(attempt)

    def prepare_workers(self) -> None:
        """See the port.

        Raises:
            ConfigurationError: The functions of the running script cannot be imported in another process.
        """
        self._workers.warm_up()
        if self._worker_setup().main_module:
            self._workers.import_main()

    def _attempt(self, job: Job) -> Attempt | Status:
        """Return the attempt *job*; its status if it has ended before."""
        recorder = self._context.recorder
        if job.step_name in self._lent:
            step, scope = self._lent[job.step_name]
        else:
            found = recorder.get_step_log(job.step_name)
            if found is not None and len(found.attempts) >= job.attempt_number:
                # Its compute lost its host after the attempt was recorded, and has started it once more.
                return found.attempts[job.attempt_number - 1].status
            step = found or StepLog(short_name(job.step_name), job.step_name, step_type=job.node.type)
            values = recorder.get_parameters(parent(job.step_name))
            recorder.adopt(values.values())
            scope = Scope(values)
        return Attempt(self._context, job, step, scope, self.log_path(job))

    def _ended(self, attempt: Attempt) -> Status:
        self._outputs[attempt.job.step_name] = attempt.outputs
        return Status.SUCCESS if attempt.is_successful else Status.FAIL

    # Logs of jobs that run elsewhere

    def log_path(self, job: Job) -> Path:
        """Return where what the job prints is gathered."""
        name = sha256(job.step_name.encode(errors="replace")).hexdigest()[:32]
        return Path(f"{self._scratch or self.scratch}/{name}.{job.attempt_number}.log")

    def keep_log(self, job: Job, step: StepLog) -> None:
        """Put what a job printed in the catalog, after it could not do so itself."""
        path = self.log_path(job)
        if path.exists():
            keep_log(self._context, job, step, path)

    def drop_log(self, job: Job) -> None:
        """Forget what a job printed, after it has put that in the catalog itself."""
        self.log_path(job).unlink(missing_ok=True)
