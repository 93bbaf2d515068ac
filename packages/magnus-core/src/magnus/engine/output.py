"""Captures what a step prints, native code and child processes included: shown live, and kept as the step's log."""

from __future__ import annotations

import os
import select
import sys
import threading
from typing import TYPE_CHECKING, TextIO

from magnus.engine.step_output import StepOutput

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from magnus.engine.masking import Masker
    from magnus.engine.terminal import Terminal

_CHUNK = 65_536


class OutputCapture:
    """Redirects descriptors 1 and 2 of this process into pipes for as long as it is open.

    One thread serves all steps of the run, because a thread for each would cost as much as the rest of a small step. At the
    end of a step this thread's work is finished under its lock, so that nothing a step wrote is given to the next one.
    """

    def __init__(self, terminal: Terminal, masker: Masker, *, names_steps: bool = True) -> None:
        """Write to *terminal* what is captured, with the secrets of *masker* hidden.

        Args:
            terminal: The real stdout and stderr.
            masker: Knows the secrets.
            names_steps: Whether lines are shown behind the step's name; not where whoever reads them does that.
        """
        self._terminal = terminal
        self._masker = masker
        self._names_steps = names_steps
        self._lock = threading.Lock()
        self._step: StepOutput | None = None
        self._before_output: Callable[[], None] | None = None

    def __enter__(self) -> OutputCapture:
        """Begin to capture."""
        self._saved_streams = (sys.stdout, sys.stderr)
        for stream in self._saved_streams:
            stream.flush()
        self._saved = (os.dup(1), os.dup(2))
        self._readers: list[int] = []
        for number in (1, 2):
            reader, writer = os.pipe()
            os.set_blocking(reader, False)
            os.dup2(writer, number)
            os.close(writer)
            self._readers.append(reader)
        self._streams = [_text_stream(number) for number in (1, 2)]
        sys.stdout, sys.stderr = self._streams
        self._poll = select.poll()
        for reader in self._readers:
            self._poll.register(reader, select.POLLIN)
        self._wake_reader, self._wake_writer = os.pipe()
        self._thread = threading.Thread(target=self._serve, name="magnus-output", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Put everything back; what is still in the pipes is shown."""
        self._flush_streams()
        for number, saved in zip((1, 2), self._saved, strict=True):
            os.dup2(saved, number)
            os.close(saved)
        sys.stdout, sys.stderr = self._saved_streams
        os.close(self._wake_writer)
        self._thread.join()
        with self._lock:
            self._drain()
            if self._step is not None:
                self._step.close()
                self._step = None
        for descriptor in (*self._readers, self._wake_reader):
            os.close(descriptor)

    def begin(self, step_name: str, log_path: Path, before_output: Callable[[], None] | None = None) -> None:
        """From now on what is printed belongs to *step_name*.

        Args:
            step_name: What each line is prefixed with where it is shown.
            log_path: Where it is kept, without prefix; the file is made when something is printed.
            before_output: Called before any of it is shown.
        """
        with self._lock:
            self._before_output = before_output
            shown_as = step_name if self._names_steps else None
            self._step = StepOutput(shown_as, log_path, self._terminal, self._masker)

    def end(self) -> Path | None:
        """The step ended: return the file with all it printed; None if it printed nothing."""
        self._flush_streams()
        with self._lock:
            self._drain()
            step, self._step, self._before_output = self._step, None, None
        return step.close() if step else None

    def _flush_streams(self) -> None:
        """Write out what is still in buffers, and undo what the task did to `sys.stdout` and `sys.stderr`."""
        for index, stream in enumerate((sys.stdout, sys.stderr)):
            if stream is not self._streams[index]:
                _is_usable(stream)
            if not _is_usable(self._streams[index]):
                self._streams[index] = _text_stream(index + 1)
        sys.stdout, sys.stderr = self._streams

    def _serve(self) -> None:
        poll = select.poll()
        for descriptor in (*self._readers, self._wake_reader):
            poll.register(descriptor, select.POLLIN)
        while True:
            ready = poll.poll()
            with self._lock:
                self._drain()
            if any(descriptor == self._wake_reader for descriptor, _ in ready):
                return

    def _drain(self) -> None:
        """Take all that is in the pipes now; called with the lock held."""
        while ready := self._poll.poll(0):
            got_any = False
            for descriptor, _ in ready:
                try:
                    data = os.read(descriptor, _CHUNK)
                except BlockingIOError:
                    continue
                if data:
                    got_any = True
                    self._take(self._readers.index(descriptor), data)
            if not got_any:
                return

    def _take(self, index: int, data: bytes) -> None:
        if self._step is None:
            # Nothing runs: a process that a step left behind, or code of ours that printed. Show it, unlabelled.
            self._terminal.write_task_output(
                self._masker.mask(data.decode(errors="replace")).encode(), index + 1
            )
            return
        if self._before_output is not None:
            self._before_output()
        self._step.write(data, index + 1)


def _text_stream(number: int) -> TextIO:
    return open(number, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)


def _is_usable(stream: TextIO) -> bool:
    """Flush *stream*; return whether that was possible."""
    try:
        stream.flush()
    except Exception:  # noqa: BLE001 - the task may have closed or detached it, or put anything in its place
        return False
    return True
