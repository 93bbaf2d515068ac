"""Processes of a run that have outlived the process that traversed it, found by their environment in `/proc`.

The guards of workers end these by themselves when the engine dies; this is for what has escaped them. Where there is no `/proc`
nothing is found.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from magnus.domain.owner import is_alive, is_here

if TYPE_CHECKING:
    from collections.abc import Iterable

RUN_VARIABLE = "MAGNUS_RUN_ID"
"""Names, in the environment of a step, the run that it belongs to."""

OWNER_VARIABLE = "MAGNUS_RUN_OWNER"
"""Label, in the environment of a step, of the process that traverses its run."""

GUARDIAN_VARIABLE = "MAGNUS_GUARDIAN"
"""A process with this variable ends what others leave outside of this machine's processes, and then itself."""

_GRACE_SECONDS = 2.0
_KILL_SECONDS = 8.0
_PAUSE_SECONDS = 0.02
_LONGEST_NAME = 80


def end_left_processes(run_id: str) -> list[str]:
    """End the processes of *run_id* whose owner is gone; return one line for each.

    Processes of another run of that name, which belong to a process that lives, are left alone.
    """
    pids = find_left_processes(run_id)
    told = [f"ended process {_describe(pid)} of run '{run_id}', whose magnus is gone" for pid in pids]
    _send(signal.SIGTERM, pids)
    until = time.monotonic() + _GRACE_SECONDS
    while pids and time.monotonic() < until:
        time.sleep(_PAUSE_SECONDS)
        pids = find_left_processes(run_id)
    until = time.monotonic() + _KILL_SECONDS
    while pids and time.monotonic() < until:
        _send(signal.SIGKILL, pids)
        time.sleep(_PAUSE_SECONDS)
        pids = find_left_processes(run_id)
    return told


def find_left_processes(run_id: str) -> list[int]:
    """Return the running processes of *run_id* whose owner is gone."""
    around = _ancestors()
    try:
        names = [name for name in os.listdir("/proc") if name.isdigit()]
    except OSError:
        return []
    return [int(name) for name in names if int(name) not in around and _belongs(name, run_id)]


def _belongs(name: str, run_id: str) -> bool:
    try:
        if os.stat(f"/proc/{name}").st_uid != os.getuid():
            return False
        with open(f"/proc/{name}/environ", "rb") as file:
            content = file.read()
        with open(f"/proc/{name}/stat", "rb") as file:
            state = file.read().rpartition(b")")[2].split()[0]
    except (OSError, IndexError):
        return False
    variables = dict(item.partition(b"=")[::2] for item in content.split(b"\0"))
    if variables.get(RUN_VARIABLE.encode()) != os.fsencode(run_id) or state in {b"Z", b"X"}:
        return False
    owner = variables.get(OWNER_VARIABLE.encode(), b"").decode(errors="replace")
    is_guardian = GUARDIAN_VARIABLE.encode() in variables
    return bool(owner) and not is_guardian and is_here(owner) and not is_alive(owner)


def _ancestors() -> set[int]:
    """Return this process and those around it, which may be a step that asks for the end of its own run."""
    found: set[int] = set()
    pid = os.getpid()
    while pid > 0 and pid not in found:
        found.add(pid)
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                pid = int(file.read().rpartition(b")")[2].split()[1])
        except (OSError, IndexError, ValueError):
            break
    return found


def _describe(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        words = ""
    words = f"{words[:_LONGEST_NAME]}..." if len(words) > _LONGEST_NAME else words
    return f"{pid} ({words})" if words else str(pid)


def _send(number: signal.Signals, pids: Iterable[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)
