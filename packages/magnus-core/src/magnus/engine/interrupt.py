"""Turns SIGINT, SIGTERM and the run's `max_time` into one exception that is raised only where it does no harm."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


INTERRUPTED = "interrupted"
"""The name of the failure of an attempt that was stopped."""


class StopRun(BaseException):
    """The run has to end now; the text says why."""

    def __init__(self, reason: str, *, interrupted: bool) -> None:
        """Say why, and whether a person or the system asked for it."""
        super().__init__(reason)
        self.reason = reason
        self.interrupted = interrupted


class Interrupts:
    """Catches the signals while a run is traversed.

    A signal that arrives while a record is being written only leaves a note; it is raised as `StopRun` when the run
    next enters a stretch marked by `deliver`: the user's code, or waiting for something. A second signal is raised
    wherever it finds us.
    """

    def __init__(self) -> None:
        """Catch nothing yet."""
        self._stop: StopRun | None = None
        self._open = False
        self._previous: dict[int, Any] = {}
        self._began: float | None = None
        self._started_by_task: list[int] = []

    def install(self, max_time_seconds: float | None = None, elapsed_seconds: float = 0.0) -> None:
        """Begin to catch; does nothing outside the main thread, where Python allows no handlers.

        Args:
            max_time_seconds: How long the run may take in all; None for no limit.
            elapsed_seconds: How much of that is over.
        """
        if threading.current_thread() is not threading.main_thread():
            return
        self._began = time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else None
        for number in (signal.SIGINT, signal.SIGTERM):
            self._previous[number] = signal.signal(number, self._on_signal)
        if max_time_seconds is not None:
            self._previous[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._on_alarm)
            self._max_time = max_time_seconds
            if (left := max_time_seconds - elapsed_seconds) > 0:
                signal.setitimer(signal.ITIMER_REAL, left)
            else:
                self._note_lateness()

    def uninstall(self) -> None:
        """Give the signals back to whoever had them."""
        if signal.SIGALRM in self._previous:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()

    def check(self) -> None:
        """Raise the `StopRun` that was noted, if there is one."""
        if self._stop is not None:
            raise self._stop

    @contextmanager
    def deliver(self) -> Iterator[None]:
        """Mark a stretch in which `StopRun` may be raised at any moment."""
        self._open = True
        try:
            self.check()
            yield
        finally:
            self._open = False

    def end_what_the_task_started(self) -> None:
        """Kill the processes that the interrupted task had started by itself, and theirs, unless they left our group."""
        if self._started_by_task:
            from magnus.engine.child_process import kill_group_members

            kill_group_members(self._started_by_task)
            self._started_by_task = []

    def _look_at_children(self) -> None:
        # Now: once the exception has ended a child, nobody can tell any more that its children were ours.
        if self._began is not None and self._open:
            from magnus.engine.child_process import group_members_since

            self._started_by_task = group_members_since(self._began)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        again = self._stop is not None
        self._stop = StopRun(f"interrupted by {signal.Signals(number).name}", interrupted=True)
        self._look_at_children()
        if self._open or again:
            self._open = False
            raise self._stop

    def _on_alarm(self, _number: int, _frame: FrameType | None) -> None:
        stop = self._note_lateness()
        self._look_at_children()
        if self._open:
            self._open = False
            raise stop

    def _note_lateness(self) -> StopRun:
        self._stop = StopRun(
            f"the run took longer than its max_time of {self._max_time:g} s", interrupted=False
        )
        return self._stop
