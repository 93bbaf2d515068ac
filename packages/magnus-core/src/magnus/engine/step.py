"""One attempt at a step, in the process where it runs: parameters, catalog get, task, catalog put, and its record."""

from __future__ import annotations

import shutil
import tempfile
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from magnus.domain.file_patterns import LOG_FOLDER
from magnus.domain.names import LONGEST_FILE_NAME, parent, short_name, shortened
from magnus.domain.run_log import DataCatalog, Status, StepAttempt, StepLog
from magnus.engine.failure import describe_failure
from magnus.engine.scope import Scope
from magnus.engine.session import Session
from magnus.ports.executor import InteractiveExecutor
from magnus.ports.task_type import TaskResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from magnus.domain.jobs import Job
    from magnus.domain.nodes import Node
    from magnus.domain.parameters import Values
    from magnus.engine.context import RunContext
    from magnus.engine.forwarded_step import ForwardedStep
    from magnus.engine.isolation import ProcessState
    from magnus.ports.executor import ComputeNeeds


class StepRunner:
    """Runs jobs in this process; also what the core lends to executors (see `magnus.ports.executor.StepRunner`)."""

    def __init__(
        self,
        context: RunContext,
        process_state: ProcessState,
        worker_command: tuple[str, ...] = (),
        worker_preamble: Callable[[], bytes] = bytes,
    ) -> None:
        """Run jobs of the run *context*; *process_state* is what every task finds and leaves."""
        self._context = context
        self._process_state = process_state
        self._lent: dict[str, tuple[StepLog, Scope]] = {}
        self._outputs: dict[str, Values] = {}
        self._scratch: Path | None = None
        self._shares_scratch = False
        self._worker_command = worker_command
        self._worker_preamble = worker_preamble

    def __enter__(self) -> StepRunner:
        """Make room for what tasks print while they run."""
        self._scratch = Path(tempfile.mkdtemp(prefix="magnus-"))
        return self

    def __exit__(self, *_: object) -> None:
        """Remove it, unless it is that of another process."""
        if self._scratch is not None and not self._shares_scratch:
            shutil.rmtree(self._scratch, ignore_errors=True)

    @property
    def worker_command(self) -> tuple[str, ...]:
        """See the port."""
        return self._worker_command

    @property
    def worker_preamble(self) -> bytes:
        """See the port."""
        return self._worker_preamble()

    @property
    def secrets(self) -> tuple[str, ...]:
        """See the port."""
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
    def output_descriptors(self) -> tuple[int, int]:
        """See the port."""
        return self._context.terminal.task_descriptors

    @property
    def scratch(self) -> Path:
        """The folder that is removed when the run ends."""
        if self._scratch is None:
            message = "the step runner is not open"
            raise RuntimeError(message)
        return self._scratch

    def share_scratch(self, folder: Path) -> None:
        """Use the folder of the process that traverses, which can then keep the log of a worker that was killed."""
        if self._scratch is not None:
            self._scratch.rmdir()
        self._scratch = folder
        self._shares_scratch = True

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

    def lend(self, job: Job, step: StepLog, scope: Scope) -> None:
        """Have at hand what a job in this process would otherwise read from the run log."""
        self._lent[job.step_name] = (step, scope)

    def take_back(self, job: Job) -> Values:
        """Return what the job put into the parameters."""
        self._lent.pop(job.step_name, None)
        return self._outputs.pop(job.step_name, {})

    def __call__(self, job: Job) -> Status:
        """Run *job* here; see the port."""
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
        outputs = execute_node(self._context, self._process_state, job, step, scope, self.log_path(job))
        self._outputs[job.step_name] = outputs
        return Status.SUCCESS if step.attempts[-1].status is Status.SUCCESS else Status.FAIL

    def log_path(self, job: Job) -> Path:
        """Return where what the job prints is gathered."""
        return self.scratch / f"{sha256(job.step_name.encode()).hexdigest()[:32]}.{job.attempt_number}.log"

    def keep_log(self, job: Job, step: StepLog) -> None:
        """Put what a job printed in the catalog, after it could not do so itself."""
        path = self.log_path(job)
        if path.exists():
            _keep_log(self._context, job, step, path)

    def drop_log(self, job: Job) -> None:
        """Forget what a job printed, after it has put that in the catalog itself."""
        self.log_path(job).unlink(missing_ok=True)


def execute_node(
    context: RunContext, process_state: ProcessState, job: Job, step: StepLog, scope: Scope, log_path: Path
) -> Values:
    """Run one attempt, record it in *step* and in the run log, and return what it put into the parameters.

    Raises:
        StopRun: The run was interrupted; the attempt is recorded as failed.
    """
    attempt = StepAttempt(job.attempt_number, context.clock.timestamp(), parameters=scope.in_record())
    started = context.clock.monotonic()
    step.attempts.append(attempt)
    session = Session(context, job, step, scope)
    stopped: BaseException | None = None
    context.output.begin(step.internal_name, log_path, session.learn_secrets_of_child)
    try:
        with context.interrupts.deliver():
            outputs = _run(context, job, step, session)
        attempt.status = Status.SUCCESS
    except BaseException as error:  # noqa: BLE001 - user code: SystemExit and KeyboardInterrupt end the task, not the run
        failure = describe_failure(error, context.masker)
        stopped = failure.stop
        outputs = {}
        attempt.status = Status.FAIL
        attempt.message, attempt.exit_code, attempt.failure = (
            failure.message,
            failure.exit_code,
            list(failure.names),
        )
    if stopped is not None:
        context.interrupts.end_what_the_task_started()
    process_state.restore()
    if attempt.status is Status.FAIL:
        _drop_files(context, job, session)
    log = context.output.end()
    if log is not None:
        _keep_log(context, job, step, log)
    session.close()
    if stopped is not None and not context.records_stops:
        raise stopped
    attempt.end_time = context.clock.timestamp()
    attempt.duration = round(context.clock.monotonic() - started, 6)
    conclude(context, job, step, scope, attempt, outputs, is_final=stopped is not None)
    if stopped is not None:
        raise stopped
    return outputs


def _run(context: RunContext, job: Job, step: StepLog, session: Session) -> Values:
    """Do the work of the attempt; whatever it raises is a failure of the step."""
    node = job.node
    if node.task is None:
        step.mock = True
        step.message = "mocked: nothing was run"
        return {}
    if isinstance(context.executor, InteractiveExecutor):
        context.executor.prepare_for_node_execution(job)
    # What a failed attempt got, put and kept is dropped; what it printed stays.
    step.data_catalog = [entry for entry in step.data_catalog if entry.name.startswith(f"{LOG_FOLDER}/")]
    if node.catalog is not None:
        session.record(session.files.get(session.compute_data_folder, node.catalog))
    outputs = session.outputs(_run_task(context, node, session))
    session.files.publish()
    if node.catalog is not None and node.catalog.put:
        session.record(session.files.put(session.compute_data_folder, node.catalog.put))
    session.hand_over_metrics()
    return outputs


def _run_task(context: RunContext, node: Node, session: Session) -> TaskResult:
    if node.task is None:
        return TaskResult()
    task_type = context.types.task_type(node.task.command_type)
    options = context.types.task_options(node)
    with session:
        try:
            return task_type.run(node.task.command, options, session)
        except SystemExit as error:
            if error.code:
                raise
            return TaskResult()  # sys.exit(0) ends the task with success, not the run


def _drop_files(context: RunContext, job: Job, session: Session) -> None:
    """Drop what a failed attempt had stored; what cannot be dropped stays where no step finds it."""
    try:
        session.drop_files()
    except Exception as error:  # noqa: BLE001 - an adapter's own, too
        context.reporter.warning(
            f"the files of the failed step '{job.step_name}' could not be dropped: {context.masker.mask(str(error))}"
        )


def _keep_log(context: RunContext, job: Job, step: StepLog, path: Path) -> None:
    """Put the step's log in the catalog; a step does not fail because its log could not be kept."""
    file = shortened(job.step_name.replace("/", "%2f"), LONGEST_FILE_NAME)
    name = f"{LOG_FOLDER}/{file}.{job.attempt_number}.log"
    target = path.with_name("log") / name
    target.parent.mkdir(parents=True, exist_ok=True)
    path.replace(target)
    try:
        entries = context.services.catalog.put(context.run_id, path.with_name("log"), [name])
    except Exception as error:  # noqa: BLE001 - an adapter's own, too
        context.reporter.warning(
            f"the log of step '{job.step_name}' could not be kept: {context.masker.mask(str(error))}"
        )
    else:
        step.data_catalog += [
            DataCatalog(item.name, item.data_hash, item.size, "log", item.location) for item in entries
        ]
    finally:
        target.unlink(missing_ok=True)


def conclude(
    context: RunContext,
    job: Job,
    step: StepLog,
    scope: Scope,
    attempt: StepAttempt,
    outputs: Values,
    *,
    is_final: bool,
) -> None:
    """Write the end of the attempt, and what the step and its branch are now, in one durable record."""
    if attempt.status is Status.SUCCESS:
        step.status = Status.SUCCESS
        step.output_parameters = {name: value.in_record() for name, value in outputs.items()}
        if len(step.attempts) > 1 and not step.message:
            step.message = f"succeeded at attempt {job.attempt_number}"
        after = Scope({**scope.values, **outputs}) if outputs else scope
        parameters = (parent(job.step_name), after.in_record()) if outputs else None
        context.recorder.add_step_log(step, new_values=outputs.values(), parameters=parameters, durable=True)
        return
    again = not is_final and job.node.retry.allows_another(job.attempt_number, attempt.failure)
    step.status = Status.PROCESSING if again else Status.FAIL
    step.message = attempt.message
    context.recorder.add_step_log(step, durable=True)
