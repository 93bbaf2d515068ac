"""The streams that commands print on: any text can be written, and a stdout that cannot be written is reported."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from magnus.errors import ServiceError

if TYPE_CHECKING:
    from typing import Any, TextIO

_STDOUT = 1


class _ForgivingFile(io.FileIO):
    """A file whose reader may go before everything is written, as in `magnus runs list | head`: the rest is dropped."""

    def write(self, data: Any, /) -> int:
        """Write *data*, or nothing once the reader has gone."""
        try:
            return super().write(data)
        except BrokenPipeError:
            drop(self.fileno())
            return len(data)


def forgive_gone_reader() -> None:
    """Let the command go on to its own outcome, and its own exit code, where the reader of stdout goes before."""
    stream = sys.stdout
    raw = _ForgivingFile(_STDOUT, "wb", closefd=False)
    sys.stdout = io.TextIOWrapper(
        io.BufferedWriter(raw), stream.encoding, "backslashreplace", line_buffering=raw.isatty()
    )


def accept_any_text() -> None:
    """Have stdout and stderr escape characters that they cannot encode, such as half a character or a name of bytes."""
    for stream in (sys.stdout, sys.stderr):
        if (reconfigure := getattr(stream, "reconfigure", None)) is not None:
            with suppress(
                OSError, ValueError
            ):  # a stream that was written to before, or has no place to seek
                reconfigure(errors="backslashreplace")


def encodable(text: str, stream: TextIO) -> bool:
    """Return True if *stream* can hold *text* without escapes."""
    try:
        text.encode(stream.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def output_problem() -> str:
    """Write what is buffered for stdout; return the reason if that is impossible, and drop it."""
    try:
        sys.stdout.flush()
    except OSError as error:
        # It would be tried again at the exit.
        drop(sys.stdout.fileno())
        return error.strerror or type(error).__name__
    except ValueError:  # closed
        return ""
    return ""


def flush_output() -> None:
    """Write what is buffered for stdout.

    Raises:
        ServiceError: It cannot be written.
    """
    if problem := output_problem():
        message = f"cannot write to stdout: {problem}; direct the output elsewhere"
        raise ServiceError(message)


def drop(number: int) -> None:
    """Let the descriptor *number* lead nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)
