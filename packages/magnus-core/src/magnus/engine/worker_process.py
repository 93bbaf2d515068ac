"""One job in a worker process of its own: for an attempt with a time limit where nobody traverses."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

from magnus.domain.jobs import JobEnd
from magnus.domain.run_log import Status
from magnus.engine.interrupt import StopRun
from magnus.errors import JobSubmissionError

if TYPE_CHECKING:
    from magnus.domain.jobs import Job
    from magnus.ports.executor import StepRunner

_SECONDS_TO_STOP = 5.0


def run_in_worker(runner: StepRunner, job: Job) -> JobEnd:
    """Run *job* in a process that leads a group of its own, and kill that group once the job has taken too long.

    To be called where signals are delivered. The time begins when the worker says that it has begun: starting one does
    not count against the step.

    Returns:
        How it ended; the run log decides where the job could record that itself.

    Raises:
        JobSubmissionError: No process could be started.
        StopRun: A signal, or `max_time`; the process was told, and has ended.
    """
    process, connection = _start(runner)
    try:
        ended = _follow(runner, job, connection)
        if ended is None:
            _kill(process, signal.SIGKILL)  # what it has left behind; it has its exit code already
            ended = JobEnd.of_process(job, process.wait())
    except StopRun:
        _kill(process, signal.SIGTERM)  # it records what it was doing
        with suppress(subprocess.TimeoutExpired):
            process.wait(_SECONDS_TO_STOP)
        raise
    else:
        return ended
    finally:
        connection.close()
        _kill(process, signal.SIGKILL)
        process.wait()


def _follow(runner: StepRunner, job: Job, connection: Connection) -> JobEnd | None:
    """Return how the job ended; None if its process did before."""
    deadline: float | None = None
    with suppress(OSError):
        connection.send((runner.secrets, job))
    while True:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        try:
            if not connection.poll(left):
                return JobEnd.of_timeout(job)
            secrets, status = connection.recv()
        except (EOFError, OSError):
            return None
        runner.learn_secrets(secrets)
        if status is not Status.PROCESSING:
            return JobEnd(job, status)
        if job.timeout_seconds is not None:
            deadline = time.monotonic() + job.timeout_seconds


def _start(runner: StepRunner) -> tuple[subprocess.Popen[bytes], Connection]:
    ours, theirs = socket.socketpair()
    stdout, stderr = runner.output_descriptors
    try:
        process = subprocess.Popen(
            [*runner.worker_command, str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            pass_fds=(theirs.fileno(),),
            start_new_session=True,
        )
    except OSError as error:
        ours.close()
        message = f"no worker process could be started: {error}"
        raise JobSubmissionError(message) from error
    finally:
        theirs.close()
    connection = Connection(ours.detach())
    with suppress(OSError):  # that it is dead already shows when it is listened to
        connection.send_bytes(runner.worker_preamble)
    return process, connection


def _kill(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to the whole group."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
