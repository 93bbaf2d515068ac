"""Which process a job belongs to: a label that tells later whether that process still lives."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path


def own_label() -> str:
    """Return what stands for this process, and for no other, on this machine or any."""
    return f"{socket.gethostname()}/{os.getpid()}/{_started(os.getpid())}"


def is_alive(label: str) -> bool:
    """Whether the process that made *label* may still run; one of another machine always may."""
    host, _, process = label.partition("/")
    number, _, started = process.partition("/")
    if host != socket.gethostname() or not number.isdigit():
        return True
    return _started(int(number)) == started


def is_here(label: str) -> bool:
    """Whether the process that made *label* ran on this machine."""
    return label.partition("/")[0] == socket.gethostname()


def _started(pid: int) -> str:
    """Return when a process began, in some form that does not change; empty if it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        if Path("/proc/self").exists():
            return ""
        found = subprocess.run(
            ["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
        )
        return found.stdout.strip()
    state, *fields = stat.rpartition(")")[2].split()
    return "" if state == "Z" else f"{boot}.{fields[18]}"
