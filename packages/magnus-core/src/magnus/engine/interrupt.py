"""Signals and the run's `max_time`: noted when they come, and acted on where that does no harm."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


INTERRUPTED = "interrupted"
"""The name of the failure of an attempt that was stopped."""

_IMPATIENT = 4
"""The number of signals after which the process is left at once, whatever it waits for."""


class StopRun(BaseException):
    """The run has to end now; the text gives the reason."""

    def __init__(self, reason: str, *, interrupted: bool) -> None:
        """Take the reason; *interrupted* is true if a person or the system asked for it."""
        super().__init__(reason)
        self.reason = reason
        self.interrupted = interrupted


class Interrupts:
    """Catches the signals while a run is traversed, and keeps its time limit.

    A signal leaves a note, and wakes whoever polls `wake_descriptor`. It is raised as `StopRun` by `check`, and at any moment
    within `deliver`. A second signal does not interrupt the closing of a run: it only sets `is_hurried`.
    """

    def __init__(self) -> None:
        """Catch nothing yet."""
        self._stop: StopRun | None = None
        self._open = False
        self._signals = 0
        self._previous: dict[int, Any] = {}
        self._deadline: float | None = None
        self._max_time = 0.0
        self._reader = self._writer = -1

    def install(self, max_time_seconds: float | None = None, elapsed_seconds: float = 0.0) -> None:
        """Begin to catch signals, and to count the time; in another thread than the main one only the time counts.

        SIGHUP is left alone where it is ignored, as under `nohup`.

        Args:
            max_time_seconds: How long the run may take in all; None for no limit.
            elapsed_seconds: How much of that is over.
        """
        if max_time_seconds is not None:
            self._max_time = max_time_seconds
            self._deadline = time.monotonic() + max_time_seconds - elapsed_seconds
        if threading.current_thread() is not threading.main_thread():
            return
        self._reader, self._writer = os.pipe()
        for descriptor in (self._reader, self._writer):
            os.set_blocking(descriptor, False)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                self._previous[number] = signal.signal(number, self._on_signal)
                # The handler of the command line: a signal may have come whose exception was swallowed.
                if getattr(self._previous[number], "has_fired", False) and self._stop is None:
                    self._stop = StopRun("interrupted before the first step", interrupted=True)

    def uninstall(self) -> None:
        """Give the signals back to their handlers."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()
        reader, writer = self._reader, self._writer
        self._reader = self._writer = -1
        for descriptor in (reader, writer):
            if descriptor >= 0:
                os.close(descriptor)

    @property
    def wake_descriptor(self) -> int:
        """A descriptor that becomes readable with a signal; -1 where signals are not caught."""
        return self._reader

    def drain(self) -> None:
        """Make it unreadable again."""
        with suppress(OSError):
            os.read(self._reader, 64)

    @property
    def pending(self) -> StopRun | None:
        """The reason to end the run, if there is one."""
        if self._stop is None and self._deadline is not None and time.monotonic() >= self._deadline:
            self._stop = StopRun(
                f"the run took longer than its max_time of {self._max_time:g} s", interrupted=False
            )
        return self._stop

    @property
    def is_hurried(self) -> bool:
        """True after a second signal: the grace of what is being stopped is to be short."""
        return self._signals > 1

    def seconds_left(self) -> float | None:
        """Return the time until the run has taken too long; None for no limit, or once that has been noted."""
        if self._deadline is None or self._stop is not None:
            return None
        return max(0.0, self._deadline - time.monotonic())

    def check(self) -> None:
        """Raise the `StopRun` that is pending, if there is one."""
        if (stop := self.pending) is not None:
            raise stop

    @contextmanager
    def deliver(self) -> Iterator[None]:
        """Mark a stretch in which a signal may be raised at any moment; for waiting by code that does not poll."""
        self._open = True
        try:
            self.check()
            yield
        finally:
            self._open = False

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Mark a stretch in which signals are only noted, within one of `deliver` as well."""
        was_open, self._open = self._open, False
        try:
            yield
        finally:
            self._open = was_open

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self._signals += 1
        with suppress(OSError):
            os.write(self._writer, b".")
        if self._stop is None:
            self._stop = StopRun(f"interrupted by {signal.Signals(number).name}", interrupted=True)
        if self._signals >= _IMPATIENT:
            raise KeyboardInterrupt
        if self._open:
            self._open = False
            raise self._stop
