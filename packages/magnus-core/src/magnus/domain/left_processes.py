"""Processes of a run that have outlived the process that traversed it, found by their environment in `/proc`.

The guards of workers end these by themselves when the engine dies; this is for what has escaped them. Where there is no `/proc`
nothing is found.
"""

from __future__ import annotations

import os
import signal
import time

from magnus.domain.machine import GUARDIAN_VARIABLE
from magnus.domain.owner import is_alive, is_here
from magnus.domain.processes import describe, environment_of, is_running, parent_of, send_to

RUN_VARIABLE = "MAGNUS_RUN_ID"
"""Names, in the environment of a step, the run that it belongs to."""

OWNER_VARIABLE = "MAGNUS_RUN_OWNER"
"""Label, in the environment of a step, of the process that traverses its run."""

_GRACE_SECONDS = 2.0
_KILL_SECONDS = 8.0
_PAUSE_SECONDS = 0.02


def end_left_processes(run_id: str) -> list[str]:
    """End the processes of *run_id* whose owner is gone; return one line for each.

    Processes of another run of that name, which belong to a process that lives, are left alone.
    """
    pids = find_left_processes(run_id)
    told = [f"ended process {describe(pid)} of run '{run_id}', whose magnus is gone" for pid in pids]
    send_to(pids, signal.SIGTERM)
    until = time.monotonic() + _GRACE_SECONDS
    while pids and time.monotonic() < until:
        time.sleep(_PAUSE_SECONDS)
        pids = find_left_processes(run_id)
    until = time.monotonic() + _KILL_SECONDS
    while pids and time.monotonic() < until:
        send_to(pids, signal.SIGKILL)
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
    return [int(name) for name in names if int(name) not in around and _belongs(int(name), run_id)]


def _belongs(pid: int, run_id: str) -> bool:
    try:
        if os.stat(f"/proc/{pid}").st_uid != os.getuid():
            return False
        variables = environment_of(pid)
    except OSError:
        return False
    if variables.get(RUN_VARIABLE.encode()) != os.fsencode(run_id) or not is_running(pid):
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
            pid = parent_of(pid)
        except OSError:
            break
    return found
