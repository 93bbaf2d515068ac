"""Runs one task in a worker, and describes its result in plain values."""

from __future__ import annotations

import importlib
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from magnus.builtin.task_types.importing import import_running_script
from magnus.domain.parameters import encode_all
from magnus.engine.child import STEP_VARIABLE
from magnus.engine.failure import describe_failure
from magnus.errors import MagnusError
from magnus.ports.task_type import TaskResult
from magnus.worker.foreign_files import observe, stop_observing
from magnus.worker.session import WorkerSession

if TYPE_CHECKING:
    from magnus.engine.workers.messages import TaskMessage, WorkerSetup
    from magnus.ports.task_type import TaskType
    from magnus.worker.worker import Channel

_chdir = os.chdir


class TaskRunner:
    """Runs the tasks of one worker."""

    def __init__(self, setup: WorkerSetup, channel: Channel) -> None:
        """Load no task type yet."""
        self._setup = setup
        self._channel = channel
        self._types: dict[str, TaskType] = {}
        self._encode = encode_all
        self._describe = describe_failure
        self._stop_observing = stop_observing

    def run(self, message: TaskMessage) -> dict[str, Any]:
        """Run *message* to its end, whatever it raises."""
        session = WorkerSession(self._setup, message, self._channel)
        try:
            _chdir(message.folder)
            os.environ[STEP_VARIABLE] = message.step_name
            if message.watches_files:
                session.opened_files = observe(message.compute_data_folder, message.folder, message.got)
            with session:
                try:
                    result = self._type(message.task_type).run(message.command, message.options, session)
                except SystemExit as error:
                    if error.code:
                        raise
                    result = TaskResult()  # sys.exit(0) ends the task with success, not the worker
                finally:
                    self._stop_observing()
            # The values are the user's objects: to look at them is to run their code.
            values = self._encode({**session.set, **result.parameters}, f"step '{message.step_name}'")
            metrics = [
                [metric.name, value.text, metric.step]
                for metric in (*session.metrics, *result.metrics)
                for value in self._encode(
                    {metric.name: metric.value}, f"step '{message.step_name}', metrics"
                ).values()
            ]
            done = {
                "parameters": {str(name): value.text for name, value in values.items()},
                "metrics": metrics,
                "message": str(result.message),
                "foreign": session.opened_files.names if session.opened_files else [],
            }
        except BaseException as error:  # noqa: BLE001 - user code: whatever it raises is the end of this task only
            return self.failed(error)
        else:
            return {"done": done}

    def import_main(self) -> dict[str, Any]:
        """Import the script that the engine's process runs, so that its functions can be called here."""
        try:
            import_running_script(self._setup.main_module, self._setup.folder)
        except MagnusError as error:  # whoever has asked shows it
            return {"failed": {"message": str(error), "exit_code": None, "names": []}}
        except BaseException as error:  # noqa: BLE001 - as above
            return self.failed(error)
        return {"done": {"parameters": {}, "metrics": [], "message": ""}}

    def failed(self, error: BaseException) -> dict[str, Any]:
        """Describe the exception that ended the task."""
        try:
            failure = self._describe(error, str)
            return {
                "failed": {
                    "message": str(failure.message),
                    "exit_code": failure.exit_code,
                    "names": list(failure.names),
                }
            }
        except BaseException as second:  # noqa: BLE001 - the exception's own methods are user code, too
            return unexpected(error, second)

    def _type(self, target: str) -> TaskType:
        if target not in self._types:
            module, _, name = target.partition(":")
            self._types[target] = getattr(importlib.import_module(module), name)()
        return self._types[target]


def unexpected(error: BaseException, second: BaseException | None = None) -> dict[str, Any]:
    """Describe an exception of which no more than its class can be trusted."""
    name = type(error).__name__
    message = name
    with suppress(BaseException):
        message = f"{name}: {error}"
    if second is not None:
        message = f"{name} (its text cannot be made: {type(second).__name__})"
    return {"failed": {"message": message, "exit_code": None, "names": [name]}}
