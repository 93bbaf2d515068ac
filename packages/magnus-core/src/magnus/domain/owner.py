"""The process that a run or a job belongs to: a label that tells later whether that process still lives."""

from __future__ import annotations

import os
import socket
import subprocess
from functools import cache
from pathlib import Path
from typing import NamedTuple

from magnus.domain.processes import ENDED_STATES, fields_of

_FIRST_NAMESPACE = "4026531836"
"""Number of the process namespace that a Linux begins with; those of containers have others."""


class Owner(NamedTuple):
    """The parts of a label.

    Attributes:
        host: Name of the machine, with the process namespace where that is one of a container.
        pid: Process id.
        started: Boot id of the machine and start time of the process, in a form that does not change.
    """

    host: str
    pid: int
    started: str


def own_label() -> str:
    """Return the label of this process: no other process has it, on this machine or any other."""
    return f"{_host()}/{os.getpid()}/{_started(os.getpid())}"


def read_label(label: str) -> Owner | None:
    """Return the parts of *label*; None if it is no label."""
    host, _, process = label.partition("/")
    number, _, started = process.partition("/")
    return Owner(host, int(number), started) if number.isdigit() else None


def is_alive(label: str) -> bool:
    """Return False if the process that made *label* has certainly ended; of another machine that is never known."""
    owner = read_label(label)
    if owner is None or owner.host != _host():
        return True
    return _started(owner.pid) == owner.started


def is_here(label: str) -> bool:
    """Return True if the process that made *label* ran on this machine."""
    return label.partition("/")[0] == _host()


@cache
def _host() -> str:
    """Return the name of this machine; in a container, whose processes are counted anew, with a mark."""
    name = socket.gethostname()
    try:
        namespace = os.readlink("/proc/self/ns/pid").strip("pid:[]")  # noqa: PTH115
    except OSError:
        return name
    return name if namespace == _FIRST_NAMESPACE else f"{name}:{namespace}"


def _started(pid: int) -> str:
    """Return the boot id and the start time of a process; empty if it is gone."""
    try:
        state, *fields = fields_of(pid)
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except (FileNotFoundError, ProcessLookupError):
        if Path("/proc/self").exists():
            return ""
        found = subprocess.run(
            ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
        )
        return found.stdout.strip()
    return "" if state in ENDED_STATES else f"{boot}.{fields[18].decode()}"
