"""Child processes of tasks."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

GRACE_SECONDS = 5.0
"""How long a process that was asked to end may take before it is killed."""


@contextmanager
def child_process(
    arguments: Sequence[str], environment: Mapping[str, str], stderr: int | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a process with nothing to read, which is stopped with all its descendants if the block is left early.

    Args:
        arguments: The argument vector.
        environment: The whole environment.
        stderr: A file descriptor or `subprocess.PIPE`; None for that of this process.

    Raises:
        OSError: It could not be started.
    """
    process = subprocess.Popen(
        arguments,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stderr=stderr,
    )
    try:
        yield process
    except BaseException:
        stop(process)
        raise


def stop(process: subprocess.Popen[bytes]) -> None:
    """End *process*, a child of this one, and its descendants: politely, and after `GRACE_SECONDS` by force."""
    pids = [process.pid, *descendants(process.pid)]
    try:
        _send(pids, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)
    finally:
        _send(pids[1:], signal.SIGKILL)
        process.kill()
        process.wait()


def _send(pids: Sequence[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def descendants(pid: int) -> list[int]:
    """Return the ids of the processes that *pid* and its children have started and that still run."""
    children: dict[int, list[int]] = {}
    for child, parent in _processes():
        children.setdefault(parent, []).append(child)
    found: list[int] = []
    waiting = [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def _processes() -> Iterator[tuple[int, int]]:
    """Yield the id and the parent's id of every process."""
    if not Path("/proc/self/stat").exists():  # macOS
        listing = subprocess.run(
            ["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=False
        ).stdout
        yield from (
            (int(child), int(parent)) for child, parent in (line.split() for line in listing.splitlines())
        )
        return
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with suppress(OSError):
                stat = Path(entry.path, "stat").read_bytes()
                # The name of the program, which may hold anything, ends at the last parenthesis.
                yield int(entry.name), int(stat.rpartition(b")")[2].split()[1])
