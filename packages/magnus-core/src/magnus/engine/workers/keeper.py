"""The keeper: one small process per run, from which all workers of the run are forked.

It runs no code of the user and imports little, so it can be forked at any moment, and a new worker costs a fork instead of
the start of a Python.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from magnus.errors import JobSubmissionError

_BEGIN = (
    "import sys; sys.path.append(sys.argv[1]); from magnus.worker.keeper import main; main(int(sys.argv[2]))"
)
_SECONDS_TO_END = 5.0


class WorkerEnds(NamedTuple):
    """Our ends of the connections of a new worker.

    Attributes:
        channel: Jobs in, questions and results out.
        lifeline: Connection to the worker's guard; the guard ends the worker when it is closed.
        stdout: The read end of the worker's stdout.
        stderr: The read end of its stderr.
    """

    channel: socket.socket
    lifeline: socket.socket
    stdout: int
    stderr: int

    def close(self) -> None:
        """Close all of them."""
        self.channel.close()
        self.lifeline.close()
        os.close(self.stdout)
        os.close(self.stderr)


class Keeper:
    """Starts the process when it is first needed, or earlier by `start`, and forks workers from it."""

    def __init__(self) -> None:
        """Start nothing."""
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None

    def start(self) -> None:
        """Start the process without waiting for it.

        Raises:
            JobSubmissionError: No process can be started.
        """
        if self._process is not None:
            return
        ours, theirs = socket.socketpair()
        # PYTHONPATH could put a module of the user in the place of one of the standard library while magnus imports.
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _BEGIN, _root(), str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            ours.close()
            message = f"cannot start a process for the steps: {error}"
            raise JobSubmissionError(message) from error
        finally:
            theirs.close()
        self._socket = ours

    def fork_worker(self) -> WorkerEnds:
        """Fork a worker and its guard.

        Raises:
            JobSubmissionError: No process can be started.
        """
        self.start()
        if self._socket is None:
            message = "the keeper of the workers was closed"
            raise JobSubmissionError(message)
        theirs: list[int] = []
        sockets: list[socket.socket] = []
        pipes: list[int] = []
        try:
            for _ in range(2):
                left, right = socket.socketpair()
                left.settimeout(0)
                sockets.append(left)
                theirs.append(right.detach())
            for _ in range(2):
                reader, writer = os.pipe()
                os.set_blocking(reader, False)
                pipes.append(reader)
                theirs.append(writer)
            socket.send_fds(self._socket, [b"w"], theirs)
        except OSError as error:
            for each in sockets:
                each.close()
            for descriptor in pipes:
                os.close(descriptor)
            message = f"cannot start a worker process: {error}"
            raise JobSubmissionError(message) from error
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        (channel, lifeline), (stdout, stderr) = sockets, pipes
        return WorkerEnds(channel, lifeline, stdout, stderr)

    def close(self) -> None:
        """End the process; its workers have been ended before."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._process is not None:
            try:
                self._process.wait(_SECONDS_TO_END)
            except subprocess.TimeoutExpired:
                with suppress(ProcessLookupError):
                    self._process.kill()
                self._process.wait()
            self._process = None


_started_early: list[Keeper] = []


def start_early() -> None:
    """Start a keeper while the command line is still being read; `new_keeper` gives it out.

    The process takes as long to get ready as the engine takes to load: side by side they cost half of that.
    """
    keeper = Keeper()
    with suppress(JobSubmissionError):  # said when it is needed
        keeper.start()
        _started_early.append(keeper)


def new_keeper() -> Keeper:
    """Return the keeper that was started early, or a new one."""
    return _started_early.pop() if _started_early else Keeper()


def _root() -> str:
    """Return the folder that holds the package `magnus`."""
    return str(Path(__file__).resolve().parents[3])
