"""The real stdout and stderr of the process, whatever a task does to descriptors 1 and 2."""

from __future__ import annotations

import os
import sys
from typing import TextIO


class Terminal:
    """Two places to write to, kept apart from what tasks print.

    Where `sys.stdout` or `sys.stderr` is not the process's own descriptor (a test, a notebook), the object that was there is
    written to instead.
    """

    def __init__(self, *, out_to_err: bool = False) -> None:
        """Remember where stdout and stderr lead now; with *out_to_err* what tasks print on stdout goes to stderr."""
        self._streams = (sys.stdout, sys.stderr)
        self._descriptors = (os.dup(1), os.dup(2))
        self._own = tuple(
            _leads_to(stream, number) for stream, number in zip(self._streams, (1, 2), strict=True)
        )
        self._out = 2 if out_to_err else 1

    def __enter__(self) -> Terminal:
        """Use as a context manager that closes."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the copies of the descriptors."""
        for descriptor in self._descriptors:
            os.close(descriptor)

    @property
    def task_descriptors(self) -> tuple[int, int]:
        """Where a child process writes what its task prints on stdout and stderr."""
        return self._descriptors[self._out - 1], self._descriptors[1]

    @property
    def stderr(self) -> TextIO:
        """The stream that stderr was, for whoever asks what it can show."""
        return self._streams[1]

    def write_task_output(self, data: bytes, number: int) -> None:
        """Write what a task printed on stdout (1) or stderr (2)."""
        self._write(data, self._out if number == 1 else 2)

    def write_error(self, text: str) -> None:
        """Write *text* for people, to stderr."""
        self._write(text.encode(errors="backslashreplace"), 2)

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


def _leads_to(stream: TextIO, number: int) -> bool:
    try:
        if stream.fileno() != number:
            return False
        stream.flush()
    except (AttributeError, OSError, ValueError):
        return False
    return True
