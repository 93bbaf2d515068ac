"""What an exception out of a task means for the step."""

from __future__ import annotations

import sys
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from magnus.engine.interrupt import INTERRUPTED, StopRun
from magnus.errors import MagnusError
from magnus.ports.task_type import TaskFailedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

_PACKAGE = __name__.partition(".")[0]
_NO_TEXT = "(its text cannot be made:"
_format = traceback.format_exception  # bound here, since a task may replace it
_extract = traceback.extract_tb


class Failure(NamedTuple):
    """How an attempt ended that did not end by itself.

    Attributes:
        message: One line for the run log, secrets hidden.
        exit_code: Of the process or `sys.exit`; None where there was none.
        names: What `retry_on` may know it by.
        stop: What has to go on after the attempt is recorded, because it ends the run.
    """

    message: str = ""
    exit_code: int | None = None
    names: Sequence[str] = ()
    stop: StopRun | None = None


def describe_failure(error: BaseException, mask: Callable[[str], str]) -> Failure:
    """Read *error*; the traceback of user code is printed to stderr, which is the step's log.

    Args:
        error: The exception. Its class is user code: its text is made where that may fail.
        mask: Hides secrets in a text.
    """
    if isinstance(error, StopRun):
        return Failure(error.reason, names=[INTERRUPTED], stop=error)
    if isinstance(error, SystemExit):
        return _exit(error, mask)
    if isinstance(error, TaskFailedError):
        code = error.exit_code
        return Failure(mask(str(error)), code, [] if code is None else [f"exit:{code}"])
    names = names_of(type(error))
    if isinstance(error, MagnusError):
        _print(f"{error}\n")
        return Failure(mask(str(error)), names=names)
    frames = _users_own(error.__traceback__)
    _print_traceback(error, frames)
    text = _text(error)
    place = _extract(frames)[-1] if frames else None
    where = f" ({place.filename}:{place.lineno})" if place else ""
    name = type(error).__name__
    colon = "" if not text else " " if text.startswith(_NO_TEXT) else ": "
    message = f"{name}{colon}{text}{where}"
    return Failure(mask(message), names=names)


def _text(error: BaseException) -> str:
    """Return the text of *error*, made by its own class."""
    try:
        return str(error).strip()
    except BaseException as second:  # noqa: BLE001 - user code, called where it may fail
        reason = type(second).__name__
        with suppress(BaseException):
            reason = f"{reason}: {second}"
        return f"{_NO_TEXT} {reason})"


def _print_traceback(error: BaseException, frames: TracebackType | None) -> None:
    try:
        lines = _format(type(error), error, frames)
    except BaseException:  # noqa: BLE001 - the text of the error, or of one in its chain, cannot be made
        lines = [
            "Traceback (most recent call last):\n",
            *traceback.format_tb(frames),
            f"{type(error).__name__}\n",
        ]
    _print("".join(lines))


def _print(text: str) -> None:
    with suppress(Exception):  # the task may have closed the stream, or put anything in its place
        sys.stderr.write(text)


def _exit(error: SystemExit, mask: Callable[[str], str]) -> Failure:
    if isinstance(error.code, int):
        return Failure(
            f"the task called sys.exit({error.code})", error.code, [f"exit:{error.code}", "SystemExit"]
        )
    text = str(error.code)
    _print(f"{text}\n")
    return Failure(mask(f"the task called sys.exit: {text}"), 1, ["exit:1", "SystemExit"])


def names_of(kind: type[BaseException]) -> list[str]:
    """Return the names of the exception's class and of its bases, plain and dotted."""
    names: list[str] = []
    for base in kind.__mro__:
        if base in (object, BaseException, Exception):
            continue
        names.append(base.__name__)
        if base.__module__ != "builtins":
            names.append(f"{base.__module__}.{base.__qualname__}")
    return names or ["Exception"]


def _users_own(frames: TracebackType | None) -> TracebackType | None:
    """Leave out our own frames at the top: they say nothing about the user's mistake."""
    first = frames
    while first is not None and first.tb_frame.f_globals.get("__name__", "").partition(".")[0] == _PACKAGE:
        first = first.tb_next
    return first or frames
