"""The process from which workers are forked; see `magnus.engine.workers.keeper` for the engine's side."""

from __future__ import annotations

import os
import select
import signal
import socket
from contextlib import suppress

from magnus.worker import guard

_POLL_MILLISECONDS = 1000
_DESCRIPTORS = 4


def main(descriptor: int) -> None:
    """Fork a worker for each message on the socket *descriptor*, until the engine closes it or is gone."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the engine decides when its workers end
    _preload()
    engine = os.getppid()
    connection = socket.socket(fileno=descriptor)
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    while os.getppid() == engine:
        _reap()
        if not poll.poll(_POLL_MILLISECONDS):
            continue
        message, descriptors, _, _ = socket.recv_fds(connection, 1, _DESCRIPTORS)
        if not message:
            break
        if os.fork() == 0:
            connection.close()
            guard.run(*descriptors)
        for each in descriptors:
            os.close(each)
    os._exit(0)


def _preload() -> None:
    """Import what every worker needs, before there is one."""
    import ctypes  # noqa: F401
    import inspect  # noqa: F401

    import magnus.builtin.task_types.python
    import magnus.builtin.task_types.shell  # noqa: F401


def _reap() -> None:
    """Forget the guards that have ended."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
