"""Facts about processes, read from `/proc`, or from `ps` where there is none."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from magnus.domain.machine import GUARDIAN_VARIABLE

if TYPE_CHECKING:
    import signal
    from collections.abc import Iterable

SEES_DESCENDANTS = os.path.exists("/proc/self/stat")
"""True where processes that left the group of a worker can be found, too."""

_HAS_CHILDREN_FILES = os.path.exists(f"/proc/self/task/{os.getpid()}/children")
"""Some kernels are built without them."""

ENDED_STATES = frozenset({b"Z", b"X"})
"""Of a process that has ended and was not waited for yet."""

_LONGEST_NAME = 80


def descendants(pid: int) -> list[int]:
    """Return the processes below *pid* that run, nearest first."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        below = children(waiting.pop())
        found += [each for each in below if is_running(each)]
        waiting += below
    return found


def children(pid: int) -> list[int]:
    """Return the children of all threads of *pid*, also those that have ended and were not waited for."""
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb", buffering=0) as file:
                found += [int(word) for word in file.read().split()]
    except OSError:
        return [] if _HAS_CHILDREN_FILES else _children_by_parent(pid)
    return found


def _children_by_parent(pid: int) -> list[int]:
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(OSError):
                if parent_of(int(name)) == pid:
                    found.append(int(name))
    return found


def is_running(pid: int) -> bool:
    """Return False for a process that has ended, waited for or not."""
    if not SEES_DESCENDANTS:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return True
        return True
    try:
        return fields_of(pid)[0] not in ENDED_STATES
    except OSError:
        return False


def group_members(leader: int) -> list[int]:
    """Return the processes of the group that *leader* leads, by `ps`."""
    import subprocess

    listing = subprocess.run(
        ["ps", "-A", "-o", "pid=,pgid=,stat="], capture_output=True, text=True, check=False
    ).stdout
    rows = [line.split() for line in listing.splitlines()]
    return [int(row[0]) for row in rows if int(row[1]) == leader and not row[2].startswith("Z")]


def is_guardian(pid: int) -> bool:
    """Return True for a process that cleans up after others."""
    try:
        return GUARDIAN_VARIABLE.encode() in environment_of(pid)
    except OSError:
        return False


def describe(pid: int) -> str:
    """Return the id of a process and its command line, shortened."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            words = file.read().replace(b"\0", b" ").decode(errors="replace")
            words = " ".join(words.split())
    except OSError:
        words = ""
    if len(words) > _LONGEST_NAME:
        words = f"{words[:_LONGEST_NAME]}..."
    return f"{pid} ({words})" if words else str(pid)


def send_to(pids: Iterable[int], number: signal.Signals) -> None:
    """Send a signal to each process that is still there and may be sent one."""
    for pid in pids:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def parent_of(pid: int) -> int:
    """Return the parent of a process; raises like `fields_of`."""
    return int(fields_of(pid)[1])


def environment_of(pid: int) -> dict[bytes, bytes]:
    """Return the environment that a process was started with.

    Raises:
        OSError: It is gone, or belongs to another user.
    """
    with open(f"/proc/{pid}/environ", "rb") as file:
        return dict(item.partition(b"=")[::2] for item in file.read().split(b"\0"))


def fields_of(pid: int) -> list[bytes]:
    """Return the fields of `/proc/<pid>/stat` behind the name of the program: state, parent, and so on.

    Raises:
        OSError: It is gone.
    """
    with open(f"/proc/{pid}/stat", "rb") as file:
        # The name of the program, which may hold anything, ends at the last parenthesis.
        return file.read().rpartition(b")")[2].split()


def memory_kills() -> int:
    """Return how many processes of this container or control group the kernel has ended for want of memory; 0 if unknown."""
    try:
        with open("/proc/self/cgroup", encoding="utf-8", errors="surrogateescape") as file:
            groups = [line.rstrip("\n").split(":", 2) for line in file]
    except OSError:
        return 0
    for _, controllers, path in groups:
        if not controllers:
            places = [f"/sys/fs/cgroup{path}/memory.events", "/sys/fs/cgroup/memory.events"]
        elif controllers == "memory":  # the first version of control groups
            folder = "/sys/fs/cgroup/memory"
            # In a container the path is the one outside of it.
            places = [f"{folder}{path}/memory.oom_control", f"{folder}/memory.oom_control"]
        else:
            continue
        for place in places:
            with suppress(OSError, KeyError, ValueError), open(place, encoding="ascii") as file:
                return int(dict(line.split() for line in file)["oom_kill"])
    return 0
