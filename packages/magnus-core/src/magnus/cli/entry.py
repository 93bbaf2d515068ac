"""Start of the `magnus` command: signals, exit code and the end of the process."""

from __future__ import annotations

# Not `signal`: it takes milliseconds to load, in which Ctrl-C would end in a traceback.
import _signal  # type: ignore[import-not-found]
import atexit
import gc
import os
import sys

TYPE_CHECKING = False  # `typing` takes milliseconds, too
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any, NoReturn

# Loading modules makes many objects and hardly any garbage; looking for it as often as usual takes a tenth of the start.
_ALLOCATIONS_BETWEEN_COLLECTIONS = 20_000

FAILED_EXIT_CODE = 3
INTERRUPTED_EXIT_CODE = 130

_IMPATIENT = 4
"""The number of signals after which the process ends at once, whatever it is doing."""


class EarlySignals:
    """Handler of SIGINT, SIGTERM and SIGHUP wherever no run is traversed.

    Before a command begins and after it has ended there is nothing to clean up: the process ends at once. In between the first
    signal is raised as KeyboardInterrupt; the next ones do not disturb the cleaning up that follows.

    Attributes:
        has_fired: True once a signal has come, even if something has swallowed the exception.
        has_command: True while a command runs.
    """

    def __init__(self) -> None:
        """Catch nothing yet."""
        self.has_fired = False
        self.has_command = False
        self._count = 0

    def install(self) -> None:
        """Catch the signals, except those that are ignored, as under `nohup`."""
        for number in (_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP):
            if _signal.getsignal(number) is not _signal.SIG_IGN:
                _signal.signal(number, self)
        sys.unraisablehook = _show_unraisable

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Act on a signal."""
        self.has_fired = True
        self._count += 1
        if self.has_command and self._count == 1:
            raise KeyboardInterrupt
        if not self.has_command or self._count >= _IMPATIENT:
            _end_interrupted()


def _end_interrupted() -> NoReturn:
    try:
        os.write(2, b"magnus: interrupted\n")
    finally:
        os._exit(INTERRUPTED_EXIT_CODE)


def _show_unraisable(unraisable: Any) -> None:
    """Show an exception that cannot be raised where it occurs; an interruption is noted by its handler."""
    if not isinstance(unraisable.exc_value, KeyboardInterrupt):
        sys.__unraisablehook__(unraisable)


def run() -> NoReturn:
    """Run the command line and end the process with its exit code, which is a failure until the command has succeeded."""
    signals = EarlySignals()
    signals.install()
    gc.set_threshold(_ALLOCATIONS_BETWEEN_COLLECTIONS)
    _open_closed_streams()
    code = FAILED_EXIT_CODE

    def end_at_once() -> None:
        # Registered first, so it runs last, after every thread and every other exit handler. Taking all modules
        # apart one by one would cost twice as much as starting Python, and nothing is left to do.
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):
                continue
        os._exit(code)

    atexit.register(end_at_once)
    if sys.argv[1:2] == ["execute"] and "--help" not in sys.argv:
        from magnus.engine.workers.keeper import start_early

        start_early()
    from magnus.cli.app import main
    from magnus.cli.streams import forgive_gone_reader

    forgive_gone_reader()
    try:
        signals.has_command = True
        found = main()
        signals.has_command = False
    except KeyboardInterrupt:
        signals.has_command = False
        found = INTERRUPTED_EXIT_CODE
    code = INTERRUPTED_EXIT_CODE if signals.has_fired else found
    sys.exit(code)


def _open_closed_streams() -> None:
    """Let what was closed (`magnus ... >&-`) lead nowhere: the next file to be opened would take its number, and its output."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            if descriptor == number:
                os.set_inheritable(number, True)  # noqa: FBT003 - it takes no keyword
            else:
                os.dup2(descriptor, number)
                os.close(descriptor)
            setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8", closefd=False))  # noqa: SIM115
