"""Runs the commands of rendered files on this machine: as processes, or in containers."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from magnus.engine.child_process import GRACE_SECONDS, stop
from magnus.errors import InterruptedRunError, ServiceError
from magnus.ports.emulator import CommandEnd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import FrameType

    from magnus.ports.emulator import ContainerCommand


class Compute:
    """Runs commands as processes, each in a group of its own; an `EmulatedCompute`."""

    def __init__(self, folder: Path, environment: Mapping[str, str], report: Callable[[str], None]) -> None:
        """Give every command *environment*, below what the file sets for it."""
        self.folder = folder
        self.report = report
        self._environment = environment
        self._stopped = threading.Event()
        self._reason = ""
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()

    def run(self, command: ContainerCommand) -> CommandEnd:
        """See the port."""
        arguments, environment = self._start_as(command)
        with self._lock:
            self._check()
            process = self._start(arguments, environment)
            self._running.add(process)
        try:
            code = process.wait(command.timeout_seconds)
        except subprocess.TimeoutExpired:
            self._end(process)
            return CommandEnd(128 + signal.SIGKILL, timed_out=True)
        finally:
            with self._lock:
                self._running.discard(process)
        self._check()
        return CommandEnd(code if code >= 0 else 128 - code)

    def now(self) -> float:
        """See the port."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """See the port."""
        self._stopped.wait(seconds)
        self._check()

    def stop(self, reason: str) -> None:
        """End what runs, and let nothing begin any more; *reason* is for people."""
        with self._lock:
            self._reason = self._reason or reason
            self._stopped.set()
            running = list(self._running)
        # Each may take its time to end: not one after another.
        endings = [threading.Thread(target=self._end, args=(process,)) for process in running]
        for ending in endings:
            ending.start()
        for ending in endings:
            ending.join()

    def _check(self) -> None:
        if self._stopped.is_set():
            raise InterruptedRunError(f"the emulation was {self._reason}; what ran has been ended")

    def _start_as(self, command: ContainerCommand) -> tuple[Sequence[str], Mapping[str, str]]:
        """Return the arguments and the whole environment of the process to start for *command*."""
        environment = {**os.environ, **self._environment, **command.environment}
        if shutil.which("magnus", path=environment.get("PATH")) is None:
            here = str(Path(sys.executable).parent)
            environment["PATH"] = os.pathsep.join([here, *filter(None, [environment.get("PATH")])])
        name, *rest = command.arguments
        return [shutil.which(name, path=environment["PATH"]) or name, *rest], environment

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        stop(process)

    def _start(self, arguments: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                arguments, env=dict(environment), stdin=subprocess.DEVNULL, process_group=0
            )
        except OSError as error:
            raise ServiceError(f"'{arguments[0]}' cannot be started: {error.strerror}") from error


class ContainerCompute(Compute):
    """Runs commands in containers of the images that the file names, by the `docker` command.

    They have the network of this machine, the folder for what is handed over, and this user's id; of the environment, what
    they were given and nothing else.
    """

    def _start_as(self, command: ContainerCommand) -> tuple[Sequence[str], Mapping[str, str]]:
        if not command.image:
            raise ServiceError(f"'{command.name}' names no image to run in; run it without --containers")
        given = {**self._environment, **command.environment}
        arguments = [
            *("docker", "run", "--rm", "--init", "--network", "host"),
            *("--name", f"magnus-emulate-{uuid4().hex}"),
            *("--stop-timeout", str(int(GRACE_SECONDS))),
            *("--user", f"{os.getuid()}:{os.getgid()}"),
            *("--volume", f"{self.folder}:{self.folder}"),
        ]
        for name in given:  # values are in the environment of `docker`: arguments can be seen by everybody
            arguments += ["--env", name]
        program, *rest = command.arguments
        return [*arguments, "--entrypoint", program, command.image, *rest], {**os.environ, **given}

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        arguments = process.args
        name = arguments[arguments.index("--name") + 1] if isinstance(arguments, list) else ""
        subprocess.run(["docker", "stop", name], check=False, capture_output=True)
        super()._end(process)


@contextmanager
def emulated_compute(
    environment: Mapping[str, str], report: Callable[[str], None], *, in_containers: bool
) -> Iterator[Compute]:
    """Give a compute, which a signal to this process stops.

    Args:
        environment: What every command gets, besides what the file sets for it.
        report: Tells people a line.
        in_containers: Whether commands run in containers.
    """
    kind = ContainerCompute if in_containers else Compute
    with tempfile.TemporaryDirectory(prefix="magnus-emulate-") as folder:
        compute = kind(Path(folder), environment, report)

        def on_signal(number: int, _frame: FrameType | None) -> None:
            # In a thread: the lock may be held by what the signal has interrupted.
            reason = f"interrupted by {signal.Signals(number).name}"
            threading.Thread(target=compute.stop, args=(reason,)).start()

        previous = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield compute
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)
