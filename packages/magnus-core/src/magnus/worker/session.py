"""The running task as its task type and the user's code see it, in a worker.

Parameters and metrics stay here until the task has returned. Secrets and files are the engine's: it is asked.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magnus import errors
from magnus.domain.parameters import Value
from magnus.domain.run_log import DataCatalog
from magnus.engine.child import ChildBridge
from magnus.engine.task_values import TaskValues
from magnus.errors import ExecutionError, MagnusError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from contextlib import AbstractContextManager

    from magnus.domain.jobs import MapVariable
    from magnus.domain.nodes import CatalogSettings, Resources
    from magnus.engine.workers.messages import TaskMessage, WorkerSetup
    from magnus.worker.foreign_files import ForeignFiles
    from magnus.worker.worker import Channel


class WorkerSession(TaskValues):
    """One attempt at a task; a `TaskContext` for its task type and a `StepSession` for the user's code."""

    def __init__(self, setup: WorkerSetup, task: TaskMessage, channel: Channel) -> None:
        """Serve *task*."""
        super().__init__({name: Value(text) for name, text in task.parameters.items()})
        self._setup = setup
        self._task = task
        self._channel = channel
        self._bridge: ChildBridge | None = None
        self.opened_files: ForeignFiles | None = None

    @property
    def run_id(self) -> str:
        """The run."""
        return self._setup.run_id

    @property
    def tag(self) -> str:
        """The user's mark of the run."""
        return self._setup.tag

    @property
    def step_name(self) -> str:
        """The step's internal name."""
        return self._task.step_name

    @property
    def resources(self) -> Resources | None:
        """The resources that the step asks for."""
        return self._task.resources

    @property
    def map_variable(self) -> MapVariable:
        """The items of the maps around the step, outermost first."""
        return self._task.map_variable

    @property
    def scopes(self) -> tuple[str, ...]:
        """The branches around the step whose files are their own, outermost first."""
        return tuple(self._task.scopes)

    @property
    def staging_token(self) -> str:
        """The part of the names under which this attempt stages files."""
        return self._task.staging_token

    @property
    def compute_data_folder(self) -> Path:
        """The folder of the step's files."""
        return Path(self._task.compute_data_folder)

    @property
    def project_folder(self) -> str:
        """The folder from which the run was started, where the modules of the project are."""
        return self._setup.folder

    @property
    def function(self) -> bytes:
        """The function, pickled by value; empty where it can be imported."""
        return self._task.function

    def child_environment(self) -> tuple[dict[str, str], Path]:
        """Return the environment for a child process, and the file in which it may leave parameters and metrics."""
        if self._bridge is None:
            self._bridge = ChildBridge(
                self, self._setup.child_context, Path(self._task.scratch), self._setup.folder
            )
        return self._bridge.environment(self.current_values())

    def collect_child_outputs(self) -> None:
        """Take over what a child process left in that file."""
        if self._bridge is None:
            return
        outputs = self._bridge.read_outputs()
        self.set.update(outputs.parameters)
        self.metrics += outputs.metrics
        if outputs.data_catalog:
            self._ask({"ask": "record", "entries": [list(entry) for entry in outputs.data_catalog]})

    def keep_file(self, path: Path, name: str) -> None:
        """Put a file of the task's own making in the catalog under *name*, at once."""
        self._ask({"ask": "keep", "path": str(path.absolute()), "name": name})

    def mask(self, text: str) -> str:
        """Return *text* with every secret that was handed out hidden."""
        return str(self._ask({"ask": "mask", "text": text})["text"])

    def get_secret(self, name: str | None = None) -> Any:
        """Return a secret; the engine hides it in all output from now on.

        Raises:
            SecretNotFoundError: There is none of that name.
        """
        return self._ask({"ask": "secret", "name": name})["value"]

    def get_from_catalog(self, settings: CatalogSettings, folder: Path | None = None) -> list[DataCatalog]:
        """Bring files of this run to *folder*, or to the compute data folder."""
        entries = self._entries(
            {
                "ask": "get",
                "get": list(settings.get),
                "optional": list(settings.optional),
                "folder": None if folder is None else str(folder.absolute()),
            }
        )
        if self.opened_files is not None:
            data = f"{os.path.normpath(self._task.compute_data_folder)}/"
            target = data if folder is None else f"{os.path.normpath(folder.absolute())}/"
            for entry in entries:
                self.opened_files.add_own(f"{target}{entry.name}".removeprefix(data))
        return entries

    def put_in_catalog(self, folder: Path, patterns: Iterable[str]) -> list[DataCatalog]:
        """Store files below *folder* at once."""
        return self._entries({"ask": "put", "folder": str(folder.absolute()), "patterns": list(patterns)})

    def tracker_context(self) -> AbstractContextManager[Any]:
        """Return a context in which the experiment tracker's own client is set up for this run."""
        from magnus.worker.services import open_tracker

        return open_tracker(self._setup).client_context(self.run_id, self.tag)

    def _entries(self, question: dict[str, Any]) -> list[DataCatalog]:
        return [DataCatalog(*entry) for entry in self._ask(question)["entries"]]

    def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        answer = self._channel.ask(question)
        if "error" in answer:
            raise _error(answer)
        return answer


def _error(answer: Mapping[str, Any]) -> MagnusError:
    """Return the error that the engine met, of its own class where the user may know it."""
    kind = getattr(errors, str(answer.get("kind")), None)
    if isinstance(kind, type) and issubclass(kind, MagnusError):
        try:
            return kind(str(answer["error"]))
        except TypeError:
            return ExecutionError(str(answer["error"]))
    return ExecutionError(str(answer["error"]))
