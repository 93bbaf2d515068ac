"""The guard: the parent of one worker, which ends everything that the worker has started.

On Linux it is the sub-reaper of its descendants: a process that leaves the group and the session of the worker, and loses
its parent, becomes a child of the guard. Elsewhere the process group of the worker is all that can be reached.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from magnus.domain import processes
from magnus.engine.workers.messages import TERMINATE, encode_json, framed
from magnus.worker import worker

if TYPE_CHECKING:
    from collections.abc import Callable

_POLL_MILLISECONDS = 1000
_GRACE_SECONDS = 0.3
_KILL_SECONDS = 8.0
_PAUSE_SECONDS = 0.01
_SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER


def run(channel: int, lifeline: int, stdout: int, stderr: int) -> NoReturn:
    """Fork the worker and stay as its guard; never returns, in either process."""
    parent = os.getppid()
    pid = os.fork()
    if pid == 0:
        os.close(lifeline)
        worker.run(channel, stdout, stderr)
    for descriptor in (channel, stdout, stderr):
        os.close(descriptor)
    try:
        _guard(pid, socket.socket(fileno=lifeline), parent)
    finally:
        os._exit(0)


def _guard(pid: int, lifeline: socket.socket, parent: int) -> None:
    _become_subreaper()
    wake_reader, wake_writer = os.pipe()
    for descriptor in (wake_reader, wake_writer):
        os.set_blocking(descriptor, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_writer, warn_on_full_buffer=False)
    poll = select.poll()
    poll.register(lifeline, select.POLLIN)
    poll.register(wake_reader, select.POLLIN)
    status: int | None = None
    has_grace = False  # as long as it has, what outlives the worker may still save its work
    while True:
        ended = _reap(pid)
        status = status if ended is None else ended
        if status is not None and not (has_grace and _descendants(pid)):
            left = _end(lambda: _descendants(pid), _GRACE_SECONDS)
            _tell(lifeline, {"exit_code": os.waitstatus_to_exitcode(status), "left": left})
            return
        events = poll.poll(_POLL_MILLISECONDS)
        with suppress(BlockingIOError):
            os.read(wake_reader, 4096)
        commands = _commands(lifeline) if any(each != wake_reader for each, _ in events) else None
        if commands == b"" or os.getppid() != parent:
            _end(lambda: _everything(pid), 0.0)
            return
        for command in commands or b"":
            has_grace = command == ord(TERMINATE)
            if has_grace:
                processes.send_to(_everything(pid), signal.SIGTERM)
            else:
                _end(lambda: _everything(pid), 0.0)


def _commands(lifeline: socket.socket) -> bytes:
    """Return what the engine asks for; nothing if it is gone."""
    try:
        return lifeline.recv(64)
    except OSError:
        return b""


def _tell(lifeline: socket.socket, message: object) -> None:
    with suppress(OSError):
        lifeline.sendall(framed(encode_json(message).encode()))


def _reap(pid: int) -> int | None:
    """Forget the children that have ended; return the status of the worker if it is among them."""
    found = None
    while True:
        try:
            ended, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if not ended:
            return found
        if ended == pid:
            found = status


def _descendants(pid: int) -> list[int]:
    """Return the processes that the worker *pid* has started and that run."""
    sees_all = processes.SEES_DESCENDANTS
    found = processes.descendants(os.getpid()) if sees_all else processes.group_members(pid)
    return [each for each in found if each != pid and not processes.is_guardian(each)]


def _everything(pid: int) -> list[int]:
    """Return the same with the worker itself."""
    return [*([pid] if processes.is_running(pid) else []), *_descendants(pid)]


def _end(find: Callable[[], list[int]], grace_seconds: float) -> list[str]:
    """End the processes that *find* returns, also those that they start meanwhile; return the names of the first ones."""
    pids = find()
    names = [processes.describe(pid) for pid in pids]
    if pids and grace_seconds:
        processes.send_to(pids, signal.SIGTERM)
        until = time.monotonic() + grace_seconds
        while time.monotonic() < until and any(processes.is_running(pid) for pid in pids):
            time.sleep(_PAUSE_SECONDS)
    until = time.monotonic() + _KILL_SECONDS
    while (pids := find()) and time.monotonic() < until:
        processes.send_to(pids, signal.SIGKILL)
        time.sleep(_PAUSE_SECONDS)
    return names


def _become_subreaper() -> None:
    if sys.platform != "linux":
        return
    import ctypes

    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_SUBREAPER, 1, 0, 0, 0)
