"""What a task sees of magnus while it runs: its parameters, secrets, metrics and files."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from magnus.domain.parameters import encode_all
from magnus.engine.child import ChildBridge
from magnus.engine.step_files import StepFiles
from magnus.engine.task_values import TaskValues
from magnus.engine.workspaces import workspace_of
from magnus.errors import MagnusError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from contextlib import AbstractContextManager

    from magnus.domain.jobs import Job, MapVariable
    from magnus.domain.nodes import CatalogSettings, Resources
    from magnus.domain.parameters import Values
    from magnus.domain.run_log import DataCatalog, StepLog
    from magnus.engine.context import RunContext
    from magnus.engine.scope import Scope
    from magnus.ports.executor import Workspace
    from magnus.ports.experiment_tracker import Metric
    from magnus.ports.task_type import TaskResult


class Session(TaskValues):
    """One attempt, as its task type (`TaskContext`) and the user's code (`StepSession`) see it.

    What is set or tracked is kept here until the task has succeeded: a failed attempt leaves nothing.
    """

    def __init__(self, context: RunContext, job: Job, step: StepLog, scope: Scope) -> None:
        """Serve the attempt *job* at *step*, whose branch has the parameters of *scope*."""
        super().__init__(scope.values)
        self._context = context
        self._job = job
        self._step = step
        self._bridge: ChildBridge | None = None
        self._messages: list[str] = []
        self.files = StepFiles(
            context.services.catalog,
            job.run_id,
            job.step_name,
            job.attempt_number,
            job.scopes,
            warn=self._warn_of_files,
        )
        if context.workspaces.is_private(job):
            self.files.project = context.workspaces.project

    def close(self) -> None:
        """Remove what was made for child processes."""
        if self._bridge is not None:
            self._bridge.close()

    # For task types

    @property
    def run_id(self) -> str:
        """The run."""
        return self._context.run_id

    @property
    def tag(self) -> str:
        """The user's mark of the run."""
        return self._context.tag

    @property
    def step_name(self) -> str:
        """The step's internal name."""
        return self._job.step_name

    @property
    def resources(self) -> Resources | None:
        """What the step asks of its compute."""
        return self._job.node.resources

    @property
    def scopes(self) -> tuple[str, ...]:
        """The isolating branches around the step, outermost first."""
        return self._job.scopes

    @property
    def staging_token(self) -> str:
        """The part of the names under which this attempt stages files."""
        return self.files.token

    @property
    def map_variable(self) -> MapVariable:
        """The items of the maps around the step, outermost first."""
        return self._job.map_variable

    @property
    def compute_data_folder(self) -> Path:
        """Where the step's files are."""
        return Path(self.workspace.data_folder)

    @cached_property
    def workspace(self) -> Workspace:
        """The folders that the attempt works in.

        Raises:
            ExecutionError: It cannot have folders of its own.
        """
        found = workspace_of(self._context, self._job)
        if (
            self._job.node.catalog is not None or self._job.scopes
        ):  # there whatever the executor, so that a task may rely on it
            os.makedirs(found.data_folder, exist_ok=True)  # noqa: PTH103
        return found

    @property
    def folder(self) -> str:
        """The working directory of the task."""
        return self.workspace.folder

    @property
    def project_folder(self) -> str:
        """The folder in which the run was started, where the modules of the project are."""
        return self._context.workspaces.project

    def child_environment(self) -> tuple[dict[str, str], Path]:
        """Return the environment for a child process, and the file in which it may leave parameters and metrics."""
        if self._bridge is None:
            self._bridge = ChildBridge(self, self._context.child_context)
            self.files.may_have_staged = True
        return self._bridge.environment(self.current_values())

    def collect_child_outputs(self) -> None:
        """Take over what a child process left in that file."""
        if self._bridge is None:
            return
        self.learn_secrets_of_child()
        outputs = self._bridge.read_outputs()
        self.set.update(outputs.parameters)
        self.metrics += outputs.metrics
        self.record(outputs.data_catalog)

    def learn_secrets_of_child(self) -> None:
        """Hide the secrets that a child process has fetched: it leaves their names before it can print them."""
        if self._bridge is not None:
            self._bridge.secret_names.tell_new(self.learn_secret)

    def learn_secret(self, name: str) -> None:
        """Hide the secret *name*, which a child process of the task has fetched."""
        try:
            self._context.masker.add(self._context.services.secrets.get(name))
        except MagnusError as error:
            # Called before output is shown, which must go on; the child had the value a moment ago.
            self._context.reporter.warning(
                f"the secret '{name}' of step '{self.step_name}' cannot be hidden: {error}"
            )

    def keep_file(self, path: Path, name: str) -> None:
        """Put a file of the task's own making in the catalog under *name*, at once."""
        with TemporaryDirectory(prefix="magnus-") as scratch:
            target = Path(scratch, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            copyfile(path, target)
            self.record(self.files.keep(Path(scratch), name))

    def mask(self, text: str) -> str:
        """Return *text* with every secret that was handed out hidden."""
        self.learn_secrets_of_child()
        return self._context.masker.mask(text)

    # For the user's code

    def get_secret(self, name: str | None = None) -> Any:
        """Return a secret, which is hidden from now on wherever magnus writes.

        Raises:
            SecretNotFoundError: There is none of that name.
        """
        secrets = self._context.services.secrets
        if name is None:
            found = secrets.get_all()
            for value in found.values():
                self._context.masker.add(value)
            return found
        value = secrets.get(name)
        self._context.masker.add(value)
        return value

    def get_from_catalog(self, settings: CatalogSettings, folder: Path | None = None) -> list[DataCatalog]:
        """Bring files of this run to *folder*, or to the compute data folder."""
        return self.record(self.files.get(folder or self.compute_data_folder, settings))

    def put_in_catalog(self, folder: Path, patterns: Iterable[str]) -> list[DataCatalog]:
        """Store files below *folder* at once; they count once the step has succeeded."""
        return self.record(self.files.put(folder, patterns, staged=True))

    def record(self, entries: list[DataCatalog]) -> list[DataCatalog]:
        """Note files in the step's log; a file that is got or put again is there once, as it was last."""
        known = {(entry.stage, entry.name): entry for entry in (*self._step.data_catalog, *entries)}
        self._step.data_catalog = list(known.values())
        return entries

    def drop_files(self) -> None:
        """Drop what the attempt, which has failed, had stored.

        Raises:
            CatalogError: The catalog could not record it.
        """
        self._step.data_catalog = self.files.drop(self._step.data_catalog)

    def _warn_of_files(self, message: str) -> None:
        self._context.reporter.warning(f"step '{self.step_name}': {message}")
        self._step.message = "; ".join(filter(None, (self._step.message, message)))

    def tracker_context(self) -> AbstractContextManager[Any]:
        """Return a context in which the experiment tracker's own client is set up for this run."""
        return self._context.services.experiment_tracker.client_context(self.run_id, self.tag)

    # For the engine

    def outputs(self, result: TaskResult) -> Values:
        """Return what the task has put into the parameters, secrets hidden.

        Raises:
            ParametersError: A value is not a JSON value.
        """
        encoded = encode_all({**self.set, **result.parameters}, f"step '{self.step_name}'")
        return self.outputs_of_worker(encoded, result.metrics, result.message)

    def outputs_of_worker(self, encoded: Values, metrics: Iterable[Metric], message: str) -> Values:
        """Return the parameters *encoded*, secrets hidden; keep the metrics and the message."""
        self.metrics += metrics
        if message:
            self._messages.append(message)
        outputs: Values = {}
        for raw_name, value in encoded.items():
            name = self._context.masker.mask(raw_name)
            outputs[name] = masked = self._context.recorder.mask_value(value)
            if masked is not value:
                self._messages.append(f"the parameter '{name}' held a secret, which was hidden")
        self._messages = [self._context.masker.mask(each) for each in self._messages]
        for each in self._messages:
            self._context.reporter.warning(f"step '{self.step_name}': {each}")
        self._step.message = "; ".join(self._messages)
        return outputs

    def hand_over_metrics(self) -> None:
        """Write what was tracked, secrets hidden, to the step's log and to the experiment tracker.

        Raises:
            ParametersError: A value is not a JSON value.
            ServiceError: The tracker could not take it.
        """
        if not self.metrics:
            return
        source = f"step '{self.step_name}', metrics"
        metrics = [
            metric._replace(value=self._context.recorder.mask_value(value).decode())
            for metric in self.metrics
            for value in encode_all({metric.name: metric.value}, source).values()
        ]
        series: dict[str, dict[int, Any]] = {}
        for metric in metrics:
            series.setdefault(metric.name, {})[metric.step] = metric.value
        self._step.user_defined_metrics = {
            name: values[0]
            if values.keys() == {0}
            else {str(step): value for step, value in sorted(values.items())}
            for name, values in series.items()
        }
        self._context.services.experiment_tracker.log_metrics(self.run_id, self.tag, self.step_name, metrics)
