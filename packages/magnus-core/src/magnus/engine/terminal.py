"""The real stdout and stderr of the process, whatever a task does to descriptors 1 and 2."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from threading import Lock
from typing import TYPE_CHECKING, Any, TextIO

from magnus.engine.masking import StreamMasker

if TYPE_CHECKING:
    from magnus.engine.masking import Masker


class Terminal:
    """Two places to write to, kept apart from what tasks print.

    Where `sys.stdout` or `sys.stderr` is not the process's own descriptor (a test, a notebook), the object that was there is
    written to instead.
    """

    def __init__(self, *, out_to_err: bool = False, hides_prints: bool = False) -> None:
        """Remember where stdout and stderr lead now.

        Args:
            out_to_err: Whether what is printed on stdout goes to stderr, since stdout is for the run log.
            hides_prints: Whether this process belongs to magnus alone: what adapters and their libraries print in it while
                the terminal is in use is shown with the secrets of the run hidden.
        """
        self._streams = (sys.stdout, sys.stderr)
        self._descriptors = (os.dup(1), os.dup(2))
        self._own = tuple(
            _leads_to(stream, number) for stream, number in zip(self._streams, (1, 2), strict=True)
        )
        self._out_to_err = out_to_err
        self._hides_prints = hides_prints
        self._masks: list[StreamMasker] = []
        self._lock = Lock()

    def __enter__(self) -> Terminal:
        """Use as a context manager that closes."""
        if self._out_to_err:
            os.dup2(2, 1)  # for libraries in C
        if self._hides_prints:
            sys.stdout, sys.stderr = (
                io.TextIOWrapper(
                    io.BufferedWriter(_Prints(self, number)), "utf-8", "backslashreplace", line_buffering=True
                )
                for number in (1, 2)
            )
        return self

    def __exit__(self, *_: object) -> None:
        """Have stdout and stderr lead where they led, and close the copies of the descriptors."""
        if self._hides_prints:
            for stream in (sys.stdout, sys.stderr):
                with suppress(OSError, ValueError):
                    stream.flush()
            for number, mask in enumerate(self._masks, 1):
                self.write_task_output(mask.flush(), number)
            sys.stdout, sys.stderr = self._streams
        if self._out_to_err:
            os.dup2(self._descriptors[0], 1)
        for descriptor in self._descriptors:
            os.close(descriptor)

    @property
    def stderr(self) -> TextIO:
        """The stream that stderr was, for whoever asks what it can show."""
        return self._streams[1]

    def hide(self, masker: Masker) -> None:
        """From now on hide the secrets that *masker* knows, or will know, in what is printed in this process."""
        self._masks = [StreamMasker(masker) for _ in (1, 2)]

    def write_print(self, data: bytes, number: int) -> None:
        """Write what was printed in this process on stdout (1) or stderr (2)."""
        with self._lock:
            if self._masks:
                data = self._masks[number - 1].feed(data)
            self.write_task_output(data, number)

    def write_task_output(self, data: bytes, number: int) -> None:
        """Write what a task printed on stdout (1) or stderr (2)."""
        self._write(data, self._number(number))

    def write_error(self, text: str) -> None:
        """Write *text* for people, to stderr."""
        self._write(text.encode(errors="backslashreplace"), 2)

    def _number(self, number: int) -> int:
        return 2 if self._out_to_err else number

    def _write(self, data: bytes, number: int) -> None:
        if not self._own[number - 1]:
            stream = self._streams[number - 1]
            stream.write(data.decode(errors="replace"))
            stream.flush()
            return
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._descriptors[number - 1], view) :]
        except OSError:
            # The reader has gone (`magnus execute | head`), or the disk that stderr leads to is full. A pipeline is not
            # lost for that: its output is in the catalog too.
            return


class _Prints(io.RawIOBase):
    """What `sys.stdout` or `sys.stderr` writes to while a terminal hides secrets."""

    def __init__(self, terminal: Terminal, number: int) -> None:
        super().__init__()
        self._terminal = terminal
        self._number = number

    def write(self, data: Any, /) -> int:
        self._terminal.write_print(bytes(data), self._number)
        return len(data)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._number

    def isatty(self) -> bool:
        return os.isatty(self._number)


def _leads_to(stream: TextIO, number: int) -> bool:
    try:
        if stream.fileno() != number:
            return False
        stream.flush()
    except (AttributeError, OSError, ValueError):
        return False
    return True
