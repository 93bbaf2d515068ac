"""Child processes of tasks: started so that whoever stops the task reaches all that they have started."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

GRACE_SECONDS = 5.0
"""How long a process that was asked to end may take before it is killed."""

_stay_in_group = False


def keep_children_in_process_group() -> None:
    """Have the children of this process stay in its own process group.

    For a worker process, which is stopped by killing its group: a child with a group of its own would live on.
    """
    global _stay_in_group  # noqa: PLW0603 - a fact about this process, as the group itself is
    _stay_in_group = True


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
        process_group=None if _stay_in_group else 0,
    )
    try:
        yield process
    except BaseException:
        stop(process, has_group=not _stay_in_group)
        raise


def stop(process: subprocess.Popen[bytes], *, has_group: bool) -> None:
    """End *process* and its descendants: politely, and after `GRACE_SECONDS` by force.

    Args:
        process: A child of this process.
        has_group: Whether it leads a process group, which its descendants are then looked for in.
    """
    pids = [process.pid] if has_group else [process.pid, *descendants(process.pid)]
    send = os.killpg if has_group else os.kill
    try:
        _send(send, pids, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)
    finally:
        # Also when a second interrupt ends the wait: whatever ignored the first signal is still there.
        _send(send, pids if has_group else pids[1:], signal.SIGKILL)
        process.kill()
        process.wait()


def _send(send: Callable[[int, int], None], pids: Sequence[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            send(pid, number)


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


def group_members_since(moment: float) -> list[int]:
    """Return the descendants of this process that are in its own process group and began after *moment*.

    They are what a task has started by itself. On systems other than Linux nobody says when they began: none are returned,
    because they could be the user's, who runs a pipeline from a program that has children of its own.

    Args:
        moment: Seconds on `CLOCK_BOOTTIME`.
    """
    if not hasattr(time, "CLOCK_BOOTTIME"):
        return []
    first_tick = int(moment * os.sysconf("SC_CLK_TCK"))
    found = []
    for pid in descendants(os.getpid()):
        with suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
            if int(fields[2]) == os.getpgrp() and int(fields[19]) >= first_tick:
                found.append(pid)
    return found


def kill_group_members(pids: Sequence[int]) -> None:
    """Kill those of *pids* that are still in the process group of this process."""
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            if os.getpgid(pid) == os.getpgrp():
                os.kill(pid, signal.SIGKILL)


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
