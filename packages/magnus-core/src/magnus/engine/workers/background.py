"""Threads for work that blocks, such as moving files, so that the loop that watches over workers never does."""

from __future__ import annotations

import os
import threading
from collections import deque
from contextlib import suppress
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

_CLOSE_SECONDS = 2.0


class Done(NamedTuple):
    """The end of one piece of work.

    Attributes:
        then: The function that takes it over, in the thread that submitted the work.
        value: The value that the work returned.
        error: The exception that it raised, whatever its class.
    """

    then: Callable[[Any, BaseException | None], None]
    value: Any
    error: BaseException | None


class Background:
    """Runs work in threads; results come back to the thread that asks for them.

    A thread cannot end unnoticed: whatever ends the work, its end is a result; a thread that is gone all the same is found by
    `check`, which the loop calls while it waits.
    """

    def __init__(self, most_threads: int) -> None:
        """Start no thread before there is work."""
        self._most_threads = most_threads
        self._threads: list[threading.Thread] = []
        self._work: SimpleQueue[
            tuple[Callable[[], Any], Callable[[Any, BaseException | None], None]] | None
        ] = SimpleQueue()
        self._done: deque[Done] = deque()
        self._open = 0
        self.wake_descriptor, self._wake = os.pipe()
        for descriptor in (self.wake_descriptor, self._wake):
            os.set_blocking(descriptor, False)

    def allow(self, threads: int) -> None:
        """Let as many as *threads* threads work at the same time."""
        self._most_threads = max(self._most_threads, threads)

    @property
    def is_busy(self) -> bool:
        """True while work is under way or its result was not taken."""
        return self._open > 0

    def submit(self, work: Callable[[], Any], then: Callable[[Any, BaseException | None], None]) -> None:
        """Do *work* in a thread, and call *then* with its value or its exception from `deliver`."""
        self._open += 1
        if len(self._threads) < min(self._open, self._most_threads):
            thread = threading.Thread(target=self._serve, name="magnus-files", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._work.put((work, then))

    def deliver(self) -> None:
        """Hand over the results that are there."""
        with suppress(BlockingIOError):
            os.read(self.wake_descriptor, 4096)
        while self._done:
            done = self._done.popleft()
            self._open -= 1
            done.then(done.value, done.error)

    def check(self) -> None:
        """Raise if a thread has ended although there is work.

        Raises:
            RuntimeError: It has; its work will never end.
        """
        if self._open and not self._done and any(not thread.is_alive() for thread in self._threads):
            message = "a thread that moves files has ended before its work"
            raise RuntimeError(message)

    def close(self) -> None:
        """End the threads; one whose work does not end is left to the end of the process."""
        for _ in self._threads:
            self._work.put(None)
        for thread in self._threads:
            thread.join(_CLOSE_SECONDS)
        if not any(thread.is_alive() for thread in self._threads):
            os.close(self.wake_descriptor)
            os.close(self._wake)

    def _serve(self) -> None:
        while (item := self._work.get()) is not None:
            work, then = item
            value, error = None, None
            try:
                value = work()
            except BaseException as caught:  # noqa: BLE001 - it is the result of the work
                error = caught
            self._done.append(Done(then, value, error))
            with suppress(BlockingIOError, OSError):
                os.write(self._wake, b".")
