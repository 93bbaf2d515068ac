"""What one step prints, from wherever it runs: secrets hidden, shown line by line, and kept as the step's log."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from magnus.engine.masking import StreamMasker

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from magnus.engine.masking import Masker
    from magnus.engine.terminal import Terminal

LONGEST_LINE = 65_536
"""Bytes; a longer line is shown in pieces rather than kept in memory."""


class StepOutput:
    """Both streams of one attempt at a step."""

    def __init__(
        self,
        step_name: str | None,
        log_path: Path,
        terminal: Terminal,
        masker: Masker,
        warn: Callable[[str], None],
    ) -> None:
        """Take the output of a step.

        Args:
            step_name: What each line is prefixed with where it is shown; None for no prefix.
            log_path: Where it is kept, without prefix; the file is made when something is printed.
            terminal: Where it is shown.
            masker: Knows the secrets.
            warn: Called once if the log cannot be kept: the step goes on.
        """
        prefix = b"" if step_name is None else f"{step_name} | ".encode()
        self._log = _LogFile(
            log_path,
            lambda error: warn(f"the log of step '{step_name or log_path.name}' is given up: {error}"),
        )
        self._streams = tuple(_Stream(number, prefix, terminal, self._log, masker) for number in (1, 2))

    def write(self, data: bytes, number: int) -> None:
        """Take what the step wrote on stdout (1) or stderr (2)."""
        self._streams[number - 1].feed(data)

    def close(self) -> Path | None:
        """Show what is left; return the file with all of it, None if there was nothing."""
        for stream in self._streams:
            stream.finish()
        return self._log.close()


class _LogFile:
    """The file that a step's log is gathered in; made when there is something to write, given up when it cannot be."""

    def __init__(self, path: Path, give_up: Callable[[OSError], None]) -> None:
        self._path = path
        self._give_up = give_up
        self._file: BinaryIO | None = None
        self._is_lost = False

    def write(self, data: bytes) -> None:
        if self._is_lost:
            return
        try:
            if self._file is None:
                # Unbuffered: it is all there when the process is killed.
                self._file = self._open()
            view = memoryview(data)
            while view:
                view = view[self._file.write(view) or 0 :]
        except OSError as error:  # the disk is full, the folder is gone, or no descriptor is left
            self._is_lost = True
            self._give_up(error)

    def _open(self) -> BinaryIO:
        try:
            return self._path.open("wb", buffering=0)
        except FileNotFoundError:  # a step has cleaned up the temporary folder
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return self._path.open("wb", buffering=0)

    def close(self) -> Path | None:
        if self._file is None:
            return None
        self._file.close()
        return None if self._is_lost else self._path


class _Stream:
    """One of the two streams: masks it, keeps it, and shows it line by line."""

    def __init__(self, number: int, prefix: bytes, terminal: Terminal, log: _LogFile, masker: Masker) -> None:
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
        if len(self._rest) > LONGEST_LINE:
            lines.append(self._rest)
            self._rest = b""
        if lines:
            self._terminal.write_task_output(
                b"".join(self._prefix + line + b"\n" for line in lines), self._number
            )
