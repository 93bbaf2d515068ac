"""What can be told of a command for a shell without running it."""

from __future__ import annotations

_TOO_LONG_TO_PASS = 120 * 1024  # Linux takes 128 KiB in one argument


def shell_command_problem(command: str) -> str | None:
    """Return what makes *command* impossible to run, whatever the shell; None if nothing does."""
    if not command.strip():
        return "the command is empty; write what the shell shall run"
    if "\0" in command:
        return "the command holds a NUL character, which no command line can hold; leave it out"
    if len(command.encode(errors="surrogatepass")) > _TOO_LONG_TO_PASS:
        return f"the command is longer than {_TOO_LONG_TO_PASS // 1024} KiB; put it in a script and call that"
    return None


def shell_arguments(executable: str, command: str, *, strict: bool) -> list[str]:
    """Return the arguments with which *executable* runs *command*.

    Args:
        executable: The shell.
        command: The command, of any number of lines.
        strict: Whether the first line that fails ends the command, and a pipe fails with any of its parts where the shell
            can tell. Only for shells that are known to have these options.
    """
    if not strict or executable.rpartition("/")[2] not in _STRICT_SHELLS:
        return ["-c", command]
    # On the line of the command itself: the shell counts lines in its messages.
    return ["-e", "-c", f"(set -o pipefail) 2>/dev/null && set -o pipefail; {command}"]


_STRICT_SHELLS = frozenset({"ash", "bash", "dash", "ksh", "mksh", "sh", "zsh"})
