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
