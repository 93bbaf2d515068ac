"""One attempt of a job, in a real container."""

from __future__ import annotations

import threading
import time
from contextlib import closing, suppress
from itertools import islice
from typing import TYPE_CHECKING, Any

from docker.errors import APIError, ImageNotFound, NotFound
from docker.types import Mount
from fake_batch.containers import command_of, container_of, requirement
from fake_batch.lifecycle import (
    CANNOT_PULL,
    CANNOT_START,
    EXITED,
    NOT_STARTED,
    OUT_OF_MEMORY,
    TIMED_OUT,
    Outcome,
)

from aws.batch_corrections.log_lines import lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from docker import DockerClient
    from docker.models.containers import Container
    from fake_batch.jobs import Attempt, Job

    from aws.batch_corrections.log_lines import Line

_MEBIBYTE = 1 << 20
_SHARES_OF_A_VCPU = 1024
_KILLED = 137


class ContainerRun:
    """A container from its creation to its removal; may be stopped by another thread at any time."""

    def __init__(
        self,
        engine: DockerClient,
        job: Job,
        attempt: Attempt,
        *,
        environment: Mapping[str, str],
        labels: Mapping[str, str],
        kill_after_seconds: float,
    ) -> None:
        """Prepare to run *attempt* with *environment*; between SIGTERM and SIGKILL there are *kill_after_seconds*."""
        self._engine = engine
        self._job = job
        self._attempt = attempt
        self._environment = dict(environment)
        self._labels = dict(labels)
        self._kill_after_seconds = kill_after_seconds
        self._lock = threading.Lock()
        self._container: Container | None = None
        self._verdict: Outcome | None = None
        self._signal = ""
        self._timers: list[threading.Timer] = []
        self._created_at = time.monotonic()

    def run(
        self, on_start: Callable[[], None], on_line: Callable[[Line], None], timeout_seconds: float | None
    ) -> Outcome:
        """Run the container to its end, report when it runs and what it prints, remove it, and return how it ended."""
        container = None
        try:
            try:
                container = self._create()
                container.start()
            except ImageNotFound as error:
                return Outcome(NOT_STARTED, reason=_short(f"{CANNOT_PULL}{error.explanation}"))
            except APIError as error:
                prefix = CANNOT_PULL if container is None else CANNOT_START
                return Outcome(NOT_STARTED, reason=_short(f"{prefix}{error.explanation}"))
            on_start()
            self._has_started(container, timeout_seconds)
            for line in lines(_frames(container)):
                on_line(line)
            return self._outcome(container)
        finally:
            self._has_ended()
            if container is not None:
                with suppress(NotFound):
                    container.remove(force=True, v=True)

    def stop(self, verdict: Outcome, *, at_once: bool = False) -> None:
        """Have the attempt end with *verdict*: by SIGTERM and later SIGKILL, or by SIGKILL *at_once*."""
        with self._lock:
            if self._verdict is None:
                self._verdict = verdict
            self._signal = "SIGKILL" if at_once else "SIGTERM"
            container = self._container
        if container is not None:
            self._send_signal(container)

    def _create(self) -> Container:
        container = container_of(self._job)
        parameters = container.get("linuxParameters") or {}
        memory_mib, vcpus = requirement(self._job, "MEMORY"), requirement(self._job, "VCPU")
        limit = int(memory_mib * _MEBIBYTE) if memory_mib else None
        shared = parameters.get("sharedMemorySize")
        return self._engine.containers.create(
            container["image"],
            command_of(self._job),
            name=f"{self._job.name}-{self._job.job_id.replace(':', '-')}-{self._attempt.number}",
            labels=self._labels,
            environment=self._environment,
            network_mode="host",
            mounts=_mounts(container),
            user=container.get("user"),
            privileged=bool(container.get("privileged")),
            read_only=bool(container.get("readonlyRootFilesystem")),
            init=bool(parameters.get("initProcessEnabled")),
            shm_size=shared * _MEBIBYTE if shared else None,
            mem_limit=limit,
            memswap_limit=limit,
            cpu_shares=max(2, int(vcpus * _SHARES_OF_A_VCPU)) if vcpus else None,
        )

    def _has_started(self, container: Container, timeout_seconds: float | None) -> None:
        with self._lock:
            self._container = container
            was_stopped = bool(self._signal)
        if was_stopped:
            self._send_signal(container)
        if timeout_seconds is not None:
            self._later(timeout_seconds, self._time_out)

    def _time_out(self) -> None:
        self.stop(Outcome(TIMED_OUT, is_final=True))

    def _send_signal(self, container: Container) -> None:
        _kill(container, self._signal)
        if self._signal != "SIGKILL":
            self._later(self._kill_after_seconds, lambda: _kill(container, "SIGKILL"))

    def _later(self, seconds: float, act: Callable[[], None]) -> None:
        timer = threading.Timer(seconds, act)
        timer.daemon = True
        with self._lock:
            self._timers.append(timer)
        timer.start()

    def _has_ended(self) -> None:
        with self._lock:
            self._container = None
            timers, self._timers = self._timers, []
        for timer in timers:
            timer.cancel()

    def _outcome(self, container: Container) -> Outcome:
        container.reload()
        state: dict[str, Any] = container.attrs["State"]
        exit_code = int(state["ExitCode"])
        if self._verdict is not None:
            is_lost = not self._verdict.is_final
            return self._verdict if is_lost else self._verdict._replace(exit_code=exit_code)
        reason = OUT_OF_MEMORY if exit_code and self._ran_out_of_memory(container, state) else None
        return Outcome(EXITED, exit_code, reason)

    def _ran_out_of_memory(self, container: Container, state: Mapping[str, Any]) -> bool:
        if state["OOMKilled"] or state["ExitCode"] != _KILLED:
            return bool(state["OOMKilled"])
        # The engine learns of it now and then after the end, and tells it as an event only.
        asked = {"container": container.id, "event": "oom"}
        until = int(time.time()) + 1
        since = until - int(time.monotonic() - self._created_at) - 2
        with closing(self._engine.events(since=since, until=until, filters=asked, decode=True)) as events:
            return any(True for _ in events)


def _frames(container: Container) -> Iterator[bytes]:
    """Return what a container prints while it runs, and after its end what was missed."""
    seen = 0
    with closing(container.logs(stream=True, follow=True, timestamps=True)) as frames:
        for frame in frames:
            seen += 1
            yield frame
    container.wait()
    # The engine stops to follow, now and then, before it has sent the last line.
    with closing(container.logs(stream=True, timestamps=True)) as frames:
        yield from islice(frames, seen, None)


def _mounts(container: Mapping[str, Any]) -> list[Mount]:
    sources = {
        volume["name"]: (volume.get("host") or {}).get("sourcePath")
        for volume in container.get("volumes") or []
    }
    return [
        Mount(
            point["containerPath"],
            sources[point["sourceVolume"]],
            type="bind" if sources[point["sourceVolume"]] else "volume",
            read_only=bool(point.get("readOnly")),
        )
        for point in container.get("mountPoints") or []
    ]


def _kill(container: Container, signal: str) -> None:
    # It may have ended by itself meanwhile.
    with suppress(APIError):
        container.kill(signal)


def _short(reason: str) -> str:
    """Return what fits into the field of the service."""
    return reason[:255]
