"""What an exception out of a task means for the step."""

from __future__ import annotations

import sys
import traceback
from typing import TYPE_CHECKING, NamedTuple

from magnus.engine.interrupt import INTERRUPTED, StopRun
from magnus.errors import MagnusError
from magnus.ports.task_type import TaskFailedError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

    from magnus.engine.masking import Masker

_PACKAGE = __name__.partition(".")[0]


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


def describe_failure(error: BaseException, masker: Masker) -> Failure:
    """Read *error*; the traceback of user code is printed to stderr, which is the step's log."""
    if isinstance(error, StopRun):
        return Failure(error.reason, names=[INTERRUPTED], stop=error)
    if isinstance(error, SystemExit):
        return _exit(error, masker)
    if isinstance(error, TaskFailedError):
        code = error.exit_code
        return Failure(masker.mask(str(error)), code, [] if code is None else [f"exit:{code}"])
    names = _names(type(error))
    if isinstance(error, MagnusError):
        sys.stderr.write(f"{error}\n")
        return Failure(masker.mask(str(error)), names=names)
    frames = _users_own(error.__traceback__)
    traceback.print_exception(type(error), error, frames, file=sys.stderr)
    text = str(error).strip()
    place = traceback.extract_tb(frames)[-1] if frames else None
    where = f" ({place.filename}:{place.lineno})" if place else ""
    message = f"{type(error).__name__}: {text}{where}" if text else f"{type(error).__name__}{where}"
    return Failure(masker.mask(message), names=names)


def _exit(error: SystemExit, masker: Masker) -> Failure:
    if isinstance(error.code, int):
        return Failure(
            f"the task called sys.exit({error.code})", error.code, [f"exit:{error.code}", "SystemExit"]
        )
    sys.stderr.write(f"{error.code}\n")
    return Failure(masker.mask(f"the task called sys.exit: {error.code}"), 1, ["exit:1", "SystemExit"])


def _names(kind: type[BaseException]) -> list[str]:
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
