"""One attempt at a step, on the engine's side: its files, its results and its record. The task runs elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from magnus.domain.file_patterns import LOG_FOLDER
from magnus.domain.names import LONGEST_FILE_NAME, parent, shortened
from magnus.domain.parameters import Value
from magnus.domain.run_log import DataCatalog, Status, StepAttempt
from magnus.domain.wording import first_of
from magnus.engine.failure import Failure, names_of
from magnus.engine.interrupt import INTERRUPTED
from magnus.engine.scope import Scope
from magnus.engine.session import Session
from magnus.errors import ExecutionError, MagnusError
from magnus.ports.executor import InteractiveExecutor
from magnus.ports.experiment_tracker import Metric

if TYPE_CHECKING:
    from pathlib import Path

    from magnus.domain.jobs import Job
    from magnus.domain.parameters import Values
    from magnus.domain.run_log import StepLog
    from magnus.engine.context import RunContext
    from magnus.engine.interrupt import StopRun
    from magnus.engine.workers.messages import TaskMessage
    from magnus.ports.task_type import TaskResult

_NAMES_SHOWN = 5


class Attempt:
    """One attempt, from its first moment to its record.

    The order is `begin`, `get_files`, the task, `take_results` and `succeed`, `end_files`, `hand_over_metrics`, `keep_log`,
    `record`; after a failure `fail` stands in the place of the stage that failed. `get_files`, `end_files` and `keep_log` may
    block, and may be called in another thread than the rest.
    """

    def __init__(self, context: RunContext, job: Job, step: StepLog, scope: Scope, log_path: Path) -> None:
        """Prepare the attempt *job* at *step*, whose branch has the parameters of *scope*."""
        self.context = context
        self.job = job
        self.step = step
        self.scope = scope
        self.log_path = log_path
        self.session = Session(context, job, step, scope)
        self.outputs: Values = {}
        self.record_of_attempt = StepAttempt(
            job.attempt_number, context.clock.timestamp(), parameters=scope.in_record()
        )
        self._started = context.clock.monotonic()

    @property
    def has_files(self) -> bool:
        """True if the catalog takes part."""
        settings = self.job.node.catalog
        return settings is not None and bool(settings.get or settings.put or settings.optional)

    @property
    def is_mocked(self) -> bool:
        """True if there is no task to run."""
        return self.job.node.task is None

    @property
    def is_successful(self) -> bool:
        """True once nothing has failed."""
        return self.record_of_attempt.status is Status.SUCCESS

    def begin(self) -> None:
        """Begin: the step has one more attempt."""
        self.step.attempts.append(self.record_of_attempt)
        if self.is_mocked:
            self.step.mock = True
            self.step.message = "mocked: nothing was run"
            return
        if isinstance(self.context.executor, InteractiveExecutor):
            self.context.executor.prepare_for_node_execution(self.job)
        _ = self.session.workspace  # made now: what is wrong with it is the step's own failure
        # The files that a failed attempt got, put and kept are dropped; its output stays.
        self.step.data_catalog = [
            entry for entry in self.step.data_catalog if entry.name.startswith(f"{LOG_FOLDER}/")
        ]

    def get_files(self) -> None:
        """Bring the files that the step gets.

        Raises:
            MagnusError: They cannot be brought.
        """
        settings = self.job.node.catalog
        if settings is not None:
            self.session.record(self.session.files.get(self.session.compute_data_folder, settings))

    def message(self, scratch: str) -> TaskMessage:
        """Return the message with which a worker runs the task."""
        from magnus.engine.workers.messages import TaskMessage

        task = self.job.node.task
        if task is None:
            message = "a step without a task needs no worker"
            raise TypeError(message)
        types = self.context.types
        kind = type(types.task_type(task.command_type))
        session = self.session
        return TaskMessage(
            step_name=self.job.step_name,
            command=task.command,
            task_type=f"{kind.__module__}:{kind.__qualname__}",
            options=types.task_options(self.job.node),
            parameters={name: value.text for name, value in self.scope.values.items()},
            map_variable=self.job.map_variable,
            resources=self.job.node.resources,
            compute_data_folder=session.workspace.data_folder,
            folder=session.folder,
            scratch=scratch,
            scopes=session.scopes,
            staging_token=session.staging_token,
            function=_by_value(task.command) if task.command_type == "python" else b"",
            got=[entry.name for entry in self.step.data_catalog if entry.stage == "get"],
            watches_files=task.command_type == "python" and not self.context.services.catalog.stores_nothing,
        )

    def take_results(self, done: dict[str, Any]) -> None:
        """Take what the task has set and tracked, as a worker describes it.

        Raises:
            MagnusError, ValueError, TypeError: It cannot be used.
        """
        parameters = {str(name): Value(str(text)) for name, text in done["parameters"].items()}
        metrics = tuple(
            Metric(str(name), Value(text).decode(), int(step)) for name, text, step in done["metrics"]
        )
        self.outputs = self.session.outputs_of_worker(parameters, metrics, done["message"])

    def judge_opened_files(self, described: dict[str, Any]) -> str:
        """Return a sentence on files that the task has opened by chance, as a worker describes it; empty for none.

        Raises:
            ExecutionError: There are some, and the run is strict.
        """
        names = described.get("foreign")
        if not isinstance(names, list) or not names:
            return ""
        shown = first_of([str(name) for name in names], _NAMES_SHOWN)
        text = self.context.masker.mask(
            f"the task has opened files of the data folder that it neither got nor made: {shown}; on other executors "
            "they would be missing, so list them under `get:`"
        )
        if self.context.is_strict:
            raise ExecutionError(text)
        return f"step '{self.job.step_name}': {text}"

    @property
    def has_files_at_end(self) -> bool:
        """True if the end of the attempt concerns the catalog."""
        settings = self.job.node.catalog
        puts = settings is not None and bool(settings.put)
        return (puts and self.is_successful) or self.session.files.may_have_staged

    def end_files(self) -> None:
        """Let the files that the task has stored count, and store those that the step puts; after a failure drop the first.

        Raises:
            MagnusError: They cannot be stored; the files of the attempt are dropped.
        """
        settings = self.job.node.catalog
        if not self.is_successful:
            self._drop_files()
            return
        try:
            self.session.files.publish()
            if settings is not None and settings.put:
                self.session.record(self.session.files.put(self.session.compute_data_folder, settings.put))
        except BaseException:
            self._drop_files()
            raise

    def _drop_files(self) -> None:
        try:
            self.session.drop_files()
        except Exception as error:  # noqa: BLE001 - an adapter's own, too; the files stay where no step finds them
            self.context.reporter.warning(
                f"cannot drop the files of the failed step '{self.job.step_name}': {self.context.masker.mask(str(error))}"
            )

    def hand_over_metrics(self) -> None:
        """Write the metrics to the step's log and to the experiment tracker; raises like `Session.hand_over_metrics`."""
        self.session.hand_over_metrics()

    def succeed(self) -> None:
        """Note that nothing has failed."""
        self.record_of_attempt.status = Status.SUCCESS

    def fail(self, failure: Failure) -> None:
        """Note that the attempt has failed."""
        self.outputs = {}
        attempt = self.record_of_attempt
        attempt.status = Status.FAIL
        attempt.message = failure.message
        attempt.exit_code = failure.exit_code
        attempt.failure = list(failure.names)

    def fail_by(self, error: BaseException) -> str:
        """Note that one of the engine's own parts of the attempt has failed; return the text for the step's log."""
        text = str(error) if isinstance(error, MagnusError) else f"{type(error).__name__}: {error}"
        folder = self.session.__dict__.get("workspace")
        if folder is not None:  # where it is differs from run to run
            text = text.replace(f"{folder.folder}/", "")
        self.fail(Failure(self.context.masker.mask(text), names=names_of(type(error))))
        return text

    def fail_by_worker(self, failed: dict[str, Any]) -> None:
        """Note the failure that a worker describes."""
        code = failed.get("exit_code")
        names = failed.get("names")
        self.fail(
            Failure(
                self.context.masker.mask(str(failed.get("message", ""))),
                code if isinstance(code, int) else None,
                [str(name) for name in names] if isinstance(names, list) else [],
            )
        )

    def fail_by_stop(self, stop: StopRun) -> None:
        """Note that the run was stopped."""
        self.fail(Failure(stop.reason, names=[INTERRUPTED]))

    def keep_log(self, path: Path | None) -> None:
        """Put the step's log in the catalog; a step does not fail because its log could not be kept."""
        if path is not None:
            keep_log(self.context, self.job, self.step, path)

    def record(self, *, is_final: bool = False) -> Values:
        """Write the end of the attempt; return what the task put into the parameters.

        Args:
            is_final: True if no other attempt follows, whatever the step's `retry` says.
        """
        attempt = self.record_of_attempt
        self.session.close()
        self._leave_folder()
        attempt.end_time = self.context.clock.timestamp()
        attempt.duration = round(self.context.clock.monotonic() - self._started, 6)
        conclude(self.context, self.job, self.step, self.scope, attempt, self.outputs, is_final=is_final)
        return self.outputs

    def _leave_folder(self) -> None:
        workspaces = self.context.workspaces
        names = [entry.name for entry in self.step.data_catalog if entry.stage != "log"]
        workspaces.note_stored(self.job, names)
        failed = self.record_of_attempt.status is Status.FAIL
        is_kept = failed and INTERRUPTED not in self.record_of_attempt.failure
        if kept := workspaces.attempt_ended(self.job, failed=is_kept):
            self.context.reporter.warning(f"the files of step '{self.job.step_name}' are kept in {kept}")


def run_here(attempt: Attempt, run_task: Any) -> None:
    """Take *attempt* through all its stages in this process, for a debugger; *run_task* calls the task."""
    from magnus.engine.failure import describe_failure

    attempt.begin()
    if attempt.is_mocked:
        attempt.succeed()
        return
    try:
        attempt.get_files()
        result: TaskResult = run_task(attempt)
        attempt.outputs = attempt.session.outputs(result)
        attempt.succeed()
        attempt.end_files()
        attempt.hand_over_metrics()
    except BaseException as error:  # noqa: BLE001 - user code: SystemExit and KeyboardInterrupt end the task, not the run
        attempt.fail(describe_failure(error, attempt.context.masker.mask))
        attempt.end_files()


def keep_log(context: RunContext, job: Job, step: StepLog, path: Path) -> None:
    """Put the file *path* in the catalog as the log of an attempt; a warning says if that fails."""
    file = shortened(job.step_name.replace("/", "%2f"), LONGEST_FILE_NAME)
    name = f"{LOG_FOLDER}/{file}.{job.attempt_number}.log"
    folder = path.with_name(f"{path.name}.kept")
    target = folder / name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)
        entries = context.services.catalog.put(context.run_id, folder, [name])
    except Exception as error:  # noqa: BLE001 - an adapter's own, too; a task may have removed the file
        context.reporter.warning(
            f"the log of step '{job.step_name}' is lost: {context.masker.mask(str(error))}"
        )
    else:
        step.data_catalog += [
            DataCatalog(item.name, item.data_hash, item.size, "log", item.location) for item in entries
        ]
    finally:
        _remove(target)


def _remove(path: Path) -> None:
    import shutil

    shutil.rmtree(path.parent.parent, ignore_errors=True)


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


def _by_value(command: str) -> bytes:
    """Return the function of a Jupyter kernel or a REPL, pickled: no other process can import it."""
    module, _, name = command.strip().partition(".")
    main = sys.modules.get("__main__")
    if module != "__main__" or main is None or getattr(main, "__file__", None) is not None:
        return b""
    found: Any = main
    for part in name.split("."):
        found = getattr(found, part, None)
    if found is None:
        return b""
    import cloudpickle  # type: ignore[import-untyped]

    pickled: bytes = cloudpickle.dumps(found)
    return pickled
