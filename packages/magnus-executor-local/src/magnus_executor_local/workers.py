"""Worker processes: each serves one job at a time, and can be killed with everything it started."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING

from magnus.domain.jobs import JobEnd
from magnus.domain.run_log import Status
from magnus.errors import JobSubmissionError

if TYPE_CHECKING:
    from magnus.domain.jobs import Job
    from magnus.ports.executor import StepRunner

_SECONDS_TO_STOP = 5.0


@dataclass(slots=True, eq=False)
class _Worker:
    """A worker process.

    Attributes:
        process: It leads a session and a process group of its own.
        connection: Jobs go in, statuses come out.
        job: What it is working on.
        deadline: When that has to be done, on the monotonic clock; None while it has not begun, and for no limit.
    """

    process: subprocess.Popen[bytes]
    connection: Connection
    job: Job | None = None
    deadline: float | None = None

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to its whole process group."""
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            return

    def discard(self) -> int:
        """Make sure that nothing is left of it; return its exit code."""
        self.kill()
        self.connection.close()
        return self.process.wait()


class WorkerPool:
    """As many workers as there have been jobs at the same time."""

    def __init__(self, runner: StepRunner) -> None:
        """Start workers with what *runner* lends, when there are jobs for them."""
        self._runner = runner
        self._workers: list[_Worker] = []

    def submit(self, job: Job) -> Status:
        """Give *job* to a worker that has none, or to a new one.

        Raises:
            JobSubmissionError: No process could be started.
        """
        while True:
            worker = next((worker for worker in self._workers if worker.job is None), None) or self._start()
            try:
                worker.connection.send((self._runner.secrets, job))
            except OSError:  # it died while it had nothing to do: another one takes the job
                worker.discard()
                self._workers.remove(worker)
                continue
            worker.job = job
            worker.deadline = None
            return Status.TRIGGERED

    def wait(self, timeout_seconds: float | None) -> list[JobEnd]:
        """Return the jobs that have ended by now, or within *timeout_seconds*; none at once where nothing runs."""
        until = None if timeout_seconds is None else time.monotonic() + timeout_seconds
        while any(worker.job for worker in self._workers):
            ends = self._collect(until)
            if ends or (until is not None and time.monotonic() >= until):
                return ends
        return []

    def stop(self) -> None:
        """End every worker: ask it first, so that it can record what it was doing, then kill what is left."""
        for worker in self._workers:  # one that has nothing to do has nothing to record
            worker.kill(signal.SIGTERM if worker.job else signal.SIGKILL)
        until = time.monotonic() + _SECONDS_TO_STOP
        for worker in self._workers:
            with suppress(subprocess.TimeoutExpired):
                worker.process.wait(max(0.0, until - time.monotonic()))
            worker.discard()
        self._workers.clear()

    def close(self) -> None:
        """End the workers, which have nothing left to do."""
        for worker in self._workers:
            worker.connection.close()
        for worker in self._workers:
            try:
                worker.process.wait(_SECONDS_TO_STOP)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.process.wait()
        self._workers.clear()

    def _start(self) -> _Worker:
        ours, theirs = socket.socketpair()
        stdout, stderr = self._runner.output_descriptors
        try:
            process = subprocess.Popen(
                [*self._runner.worker_command, str(theirs.fileno())],
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
        worker = _Worker(process, connection)
        self._workers.append(worker)
        connection.send_bytes(self._runner.worker_preamble)
        return worker

    def _collect(self, until: float | None) -> list[JobEnd]:
        """Wait for the next event, or the next deadline, and return the jobs that ended with it."""
        busy = {worker.connection: worker for worker in self._workers if worker.job is not None}
        moments = [worker.deadline for worker in busy.values() if worker.deadline is not None]
        moments += [] if until is None else [until]
        timeout = max(0.0, min(moments) - time.monotonic()) if moments else None
        ready = wait(list(busy), timeout)
        ends = [self._read(busy[connection]) for connection in ready if isinstance(connection, Connection)]
        now = time.monotonic()
        ends += [
            self._time_out(worker)
            for worker in busy.values()
            if worker.job is not None and worker.deadline is not None and worker.deadline <= now
        ]
        return [end for end in ends if end is not None]

    def _read(self, worker: _Worker) -> JobEnd | None:
        job = worker.job
        if job is None:
            return None
        try:
            secrets, status = worker.connection.recv()
        except (EOFError, OSError):
            self._workers.remove(worker)
            return JobEnd.of_process(job, worker.discard())
        self._runner.learn_secrets(secrets)
        if status is Status.PROCESSING:  # it has begun: starting the worker does not count against the step
            if job.timeout_seconds is not None:
                worker.deadline = time.monotonic() + job.timeout_seconds
            return None
        worker.job, worker.deadline = None, None
        return JobEnd(job, status)

    def _time_out(self, worker: _Worker) -> JobEnd | None:
        job = worker.job
        if job is None:
            return None
        self._workers.remove(worker)
        worker.discard()
        return JobEnd.of_timeout(job)
