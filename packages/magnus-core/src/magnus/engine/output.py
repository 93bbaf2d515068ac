"""Captures what a step prints, native code and child processes included: shown live, and kept as the step's log."""

from __future__ import annotations

import os
import select
import sys
import threading
from typing import TYPE_CHECKING, BinaryIO, TextIO

from magnus.engine.masking import StreamMasker

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

    def __init__(self, terminal: Terminal, masker: Masker) -> None:
        """Write to *terminal* what is captured, with the secrets of *masker* hidden."""
        self._terminal = terminal
        self._masker = masker
        self._lock = threading.Lock()
        self._sinks: tuple[_Sink, _Sink] | None = None
        self._log: _StepLogFile | None = None
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
            self._finish_sinks()
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
            self._log = _StepLogFile(log_path)
            self._before_output = before_output
            prefix = f"{step_name} | ".encode()
            self._sinks = (
                _Sink(1, prefix, self._terminal, self._log, self._masker),
                _Sink(2, prefix, self._terminal, self._log, self._masker),
            )

    def end(self) -> Path | None:
        """The step ended: return the file with all it printed; None if it printed nothing."""
        self._flush_streams()
        with self._lock:
            self._drain()
            self._finish_sinks()
            log, self._log, self._before_output = self._log, None, None
        return log.close() if log else None

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
        if self._sinks is None:
            # Nothing runs: a process that a step left behind, or code of ours that printed. Show it, unlabelled.
            self._terminal.write_task_output(
                self._masker.mask(data.decode(errors="replace")).encode(), index + 1
            )
            return
        if self._before_output is not None:
            self._before_output()
        self._sinks[index].feed(data)

    def _finish_sinks(self) -> None:
        for sink in self._sinks or ():
            sink.finish()
        self._sinks = None


def _text_stream(number: int) -> TextIO:
    return open(number, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)


def _is_usable(stream: TextIO) -> bool:
    """Flush *stream*; return whether that was possible."""
    try:
        stream.flush()
    except Exception:  # noqa: BLE001 - the task may have closed or detached it, or put anything in its place
        return False
    return True


class _StepLogFile:
    """The file that a step's log is gathered in; made when there is something to write."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None

    def write(self, data: bytes) -> None:
        if self._file is None:
            self._file = self._path.open(
                "wb", buffering=0
            )  # unbuffered: it is all there when the process is killed
        self._file.write(data)

    def close(self) -> Path | None:
        if self._file is None:
            return None
        self._file.close()
        return self._path


class _Sink:
    """One of the two streams of one step: masks it, keeps it, and shows it line by line."""

    def __init__(
        self, number: int, prefix: bytes, terminal: Terminal, log: _StepLogFile, masker: Masker
    ) -> None:
        self._number = number
        self._prefix = prefix
        self._terminal = terminal
        self._log = log
        self._masker = StreamMasker(masker)
        self._rest = b""

    def feed(self, data: bytes) -> None:
        self._show(self._masker.feed(data))

    def finish(self) -> None:
        self._show(self._masker.flush())
        if self._rest:
            self._terminal.write_task_output(self._prefix + self._rest + b"\n", self._number)
            self._rest = b""

    def _show(self, data: bytes) -> None:
        if not data:
            return
        self._log.write(data)
        lines = (self._rest + data).split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > _CHUNK:  # a line without end is shown in pieces rather than kept in memory
            lines.append(self._rest)
            self._rest = b""
        if lines:
            self._terminal.write_task_output(
                b"".join(self._prefix + line + b"\n" for line in lines), self._number
            )
