"""Tasks that are shell commands."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress
from dataclasses import dataclass
from subprocess import PIPE
from typing import IO, TYPE_CHECKING, Any, ClassVar

from magnus.domain.shell_command import shell_arguments, shell_command_problem
from magnus.engine.child_process import child_process
from magnus.ports.task_type import TaskFailedError, TaskResult, TaskType

if TYPE_CHECKING:
    from magnus.ports.task_type import TaskContext

_LAST_LINES = 5
_LONGEST_LINE = 500
_CHUNK = 65_536
_NOT_FOUND = 127
_BY_SIGNAL = 128


@dataclass(frozen=True, slots=True)
class ShellOptions:
    """What `command_config` of a shell task may hold.

    Attributes:
        executable: The shell, which is called with `-c` and the command.
        strict: Whether the first line that fails ends the command (`-e`), and a pipe fails with any of its parts (`pipefail`,
            where the shell has it). For sh, bash, dash, ash, ksh and zsh; other shells are called as they are.
    """

    executable: str = "/bin/sh"
    strict: bool = True


class ShellTask(TaskType):
    """Runs the command through the shell, in the working directory, with the parameters in its environment.

    The shell may leave parameters by adding `name=json` lines to the file named in `MAGNUS_OUTPUT_PARAMETERS`, and
    metrics as `MAGNUS_TRACK_name=json`. They count when it ends with exit code 0.
    """

    Options: ClassVar[type[Any]] = ShellOptions

    def find_problem(self, command: str) -> str | None:
        """Return what makes *command* impossible to run, whatever the shell."""
        return shell_command_problem(command)

    def run(self, command: str, options: Any, context: TaskContext) -> TaskResult:
        """Run the shell to its end.

        Raises:
            TaskFailedError: It could not be started, ended with another exit code than 0 or by a signal, or left a line
                that cannot be read.
        """
        environment, _ = context.child_environment()
        arguments = [options.executable, *shell_arguments(options.executable, command, strict=options.strict)]
        try:
            with child_process(arguments, environment, stderr=PIPE) as shell:
                tail = _Tee(shell.stderr) if shell.stderr else None
                code = shell.wait()
                if tail:
                    tail.finish()
        except OSError as error:
            message = f"the shell '{options.executable}' could not be started: {error.strerror or error}"
            raise TaskFailedError(message) from error
        if code == 0:
            context.collect_child_outputs()
            return TaskResult()
        said = _last_lines(context.mask(tail.text())) if tail else ""
        raise TaskFailedError(
            _describe(code) + (f": {said}" if said else ""), code if code > 0 else _BY_SIGNAL - code
        )


def _last_lines(text: str) -> str:
    lines = [line.strip()[-_LONGEST_LINE:] for line in text.splitlines() if line.strip()]
    return "\n".join(lines[-_LAST_LINES:])


def _describe(code: int) -> str:
    if code < 0:
        try:
            name = signal.Signals(-code).name
        except ValueError:
            name = str(-code)
        return f"the command was ended by the signal {name}"
    hint = " (the shell did not find a program)" if code == _NOT_FOUND else ""
    return f"the command ended with exit code {code}{hint}"


class _Tee:
    """Passes on what a child prints on stderr, and remembers the end of it.

    A process that the child left running keeps the pipe open; it is served for as long as this process lives.
    """

    _PATIENCE_SECONDS = 0.5

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._end = b""
        self._thread = threading.Thread(target=self._serve, name="magnus-stderr", daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Wait until all that the shell has printed is passed on."""
        self._thread.join(self._PATIENCE_SECONDS)

    def text(self) -> str:
        """Return the end of what was printed: much more than is shown, so that secrets in it are whole."""
        return self._end.decode(errors="replace")

    def _serve(self) -> None:
        with self._stream:
            while data := os.read(self._stream.fileno(), _CHUNK):
                with suppress(OSError):  # a child that prints must not wait because this cannot be shown
                    _write_all(data)
                self._end = (self._end + data)[-_CHUNK:]


def _write_all(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(2, view) :]
