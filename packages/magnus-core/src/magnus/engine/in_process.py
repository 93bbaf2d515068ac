"""Runs tasks in the engine's own process: for a debugger, which needs its terminal and its breakpoints there."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from magnus.ports.task_type import TaskResult

if TYPE_CHECKING:
    from magnus.engine.attempt import Attempt


def run_task(attempt: Attempt) -> TaskResult:
    """Run the task of *attempt* in this process; its output goes where that of this process goes."""
    node = attempt.job.node
    if node.task is None:
        return TaskResult()
    types = attempt.context.types
    task_type = types.task_type(node.task.command_type)
    with attempt.session:
        try:
            return task_type.run(node.task.command, types.task_options(node), attempt.session)
        except SystemExit as error:
            if error.code:
                raise
            return TaskResult()  # sys.exit(0) ends the task with success, not the run
        except Exception as error:
            if attempt.context.debugs:
                _debug(error)
            raise


def _debug(error: Exception) -> None:
    import pdb  # noqa: T100 - it is what was asked for

    with suppress(Exception):
        print(f"{type(error).__name__}: {error}")  # noqa: T201 - the debugger speaks on stdout
    pdb.post_mortem(error.__traceback__)
