"""Tasks that are Python functions."""

from __future__ import annotations

import inspect
import keyword
import pickle
import sys
from typing import TYPE_CHECKING, Any

from magnus.builtin.task_types.arguments import Plan, plan_call
from magnus.builtin.task_types.importing import command_of, find_function, project_on_path
from magnus.ports.task_type import TaskFailedError, TaskResult, TaskType

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from magnus.ports.task_type import TaskContext

_NOTHING = TaskResult()
_GENERATOR = (
    "it is a generator, so a call only makes an iterator and runs nothing of its body; iterate over it in another function, "
    "or remove `yield`"
)


class PythonTask(TaskType):
    """Calls `module.function`, found from the working directory, with its arguments filled from the parameters by name.

    What the function returns becomes parameters if it is a dict or a pydantic model. A `**` argument gets all
    parameters that no other argument takes, a `*` argument gets none, and what a `functools.partial` binds by name is
    a default. An async function is run to its end.
    """

    def __init__(self) -> None:
        """Know no function yet."""
        self._plans: dict[str, tuple[Callable[..., Any], Plan]] = {}

    def find_problem(self, command: str) -> str | None:
        """Return what is wrong with the dotted name; nothing is imported."""
        text = command.strip()
        parts = text.split(".")
        if text.endswith(")"):
            return f"'{command}' is a call; give the function's name only, without parentheses and arguments"
        if not all(part.isidentifier() and not keyword.iskeyword(part) for part in parts):
            return f"'{command}' is not a dotted name; write module.function, as in 'my_module.my_function'"
        if len(parts) == 1:
            return f"'{command}' names no module; write module.function, as in 'my_module.{command}'"
        return None

    def required_parameters(self, command: str) -> list[str]:
        """Return the arguments without default, read from the function's source."""
        from magnus.builtin.task_types.signature_in_source import required_arguments

        return required_arguments(command.strip())

    def find_problem_in_source(self, command: str) -> str | None:
        """Return what is wrong with the function, read from its source."""
        from magnus.builtin.task_types.signature_in_source import is_generator

        return f"cannot run '{command.strip()}': {_GENERATOR}" if is_generator(command.strip()) else None

    def run(self, command: str, options: Any, context: TaskContext) -> TaskResult:
        """Call the function.

        Raises:
            ParameterNotFoundError: An argument has neither a parameter nor a default.
            TaskFailedError: The function cannot be found, or a parameter does not fit its annotation.
            Exception: Whatever the function raised.
        """
        command = command.strip()
        with project_on_path(context.project_folder) as directory:
            pickled = getattr(context, "function", b"")
            function = pickle.loads(pickled) if pickled else find_function(command, directory)  # noqa: S301 - by the engine
            if problem := _cannot_be_awaited(function):
                message = f"cannot run '{command}': {problem}"
                raise TaskFailedError(message)
            known = self._plans.get(command)
            if known is None or known[0] is not function:
                known = self._plans[command] = (function, plan_call(function, command))
            positional, named = known[1].fill(context)
            returned = function(*positional, **named)
            if inspect.isawaitable(returned):
                returned = _run_to_end(returned)
        return _NOTHING if returned is None else to_result(returned, command)


def _cannot_be_awaited(function: Callable[..., Any]) -> str:
    """Return what is wrong with a function whose body a call would not run; empty for any other."""
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        return _GENERATOR
    return ""


def function_command(function: Callable[..., Any]) -> str:
    """Return the command that runs *function*: its dotted name.

    Raises:
        ValueError: It has none that another process could find: a lambda, or a function inside a function.
    """
    return command_of(function)


def to_result(returned: Any, what: str) -> TaskResult:
    """Return what a task that returned *returned* leaves; *what* names it in messages.

    Raises:
        TaskFailedError: A dict has a key that is not a string, or what was returned leaves the program when it is read.
    """
    if returned is None:
        return _NOTHING
    try:
        return _read(returned, what)
    except (
        SystemExit
    ) as error:  # not the end of the task: its results would be lost, and it would count as a success
        message = f"{what} returned a {type(returned).__name__} that calls sys.exit when it is read"
        raise TaskFailedError(message) from error


def _read(returned: Any, what: str) -> TaskResult:
    if isinstance(returned, dict):
        for key in returned:
            if not isinstance(key, str):
                message = f"{what} returned a dict with the key {key!r}; the names of parameters are strings"
                raise TaskFailedError(message)
        return TaskResult(parameters=returned)
    if _is_model(returned):
        return TaskResult(parameters=returned.model_dump(mode="json"))
    kind = type(returned).__name__
    return TaskResult(
        message=f"{what} returned a value of type '{kind}', which is ignored; return a dict to set parameters"
    )


def _is_model(value: Any) -> bool:
    pydantic = sys.modules.get("pydantic")  # a model cannot be there unless pydantic is
    return pydantic is not None and isinstance(value, pydantic.BaseModel)


def _run_to_end(awaitable: Awaitable[Any]) -> Any:
    import asyncio

    async def wait() -> Any:
        return await awaitable

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(wait())
    # The pipeline itself was started inside a loop, as notebooks do: a loop cannot run in another one of its thread.
    from concurrent.futures import ThreadPoolExecutor
    from contextvars import copy_context

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(copy_context().run, asyncio.run, wait()).result()
