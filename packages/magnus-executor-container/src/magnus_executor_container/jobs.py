"""Jobs in containers, each followed by a thread of its own."""

from __future__ import annotations

import signal
import threading
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import TYPE_CHECKING

from magnus.domain.jobs import JobEnd
from magnus.domain.run_log import Status
from magnus.errors import ServiceError
from magnus_executor_container import diagnosis
from magnus_executor_container.errors import EngineRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from magnus.domain.jobs import Job
    from magnus.ports.executor import RemoteStep
    from magnus_executor_container.client import Container, Engine
    from magnus_executor_container.container_spec import ContainerSpec

_NEVER_RAN = "stopped before it began"


class RunningJob(ABC):
    """A job that was started; its thread ends with the job."""

    def __init__(
        self,
        job: Job,
        remote: RemoteStep,
        on_begin: Callable[[RunningJob], None],
        on_end: Callable[[RunningJob, JobEnd], None],
    ) -> None:
        """Prepare; nothing is started.

        Args:
            job: What is to run.
            remote: What the core lends for it.
            on_begin: Called once, by the job's thread, when the attempt begins.
            on_end: Called once, by the job's thread, when nothing is left of it.
        """
        self.job = job
        self.deadline: float | None = None
        self._remote = remote
        self._on_begin = on_begin
        self._on_end = on_end
        self._has_begun = False
        self._timed_out = False
        self._lock = threading.Lock()  # between what is started and the signal that it is not to miss
        self._is_stopped = False
        self._thread = threading.Thread(target=self._run, name=f"magnus-{job.step_name}", daemon=True)

    @property
    def is_hurried(self) -> bool:
        """Whether it is to end at once."""
        return self._remote.is_hurried

    def start(self) -> None:
        """Start it."""
        self._thread.start()

    def time_out(self) -> None:
        """Kill it: it has taken too long, and did not end itself."""
        self._timed_out = True
        self.signal(signal.SIGKILL)

    def join(self, timeout_seconds: float) -> bool:
        """Wait until nothing is left of it; return whether that is so."""
        self._thread.join(timeout_seconds)
        return not self._thread.is_alive()

    @abstractmethod
    def signal(self, number: signal.Signals) -> None:
        """Send a signal to all that runs for the job; nothing happens if nothing does."""

    @abstractmethod
    def _work(self) -> JobEnd:
        """Run the job to its end, and leave nothing of it."""

    def _run(self) -> None:
        try:
            end = self._work()
        except ServiceError as error:
            end = JobEnd(self.job, Status.FAIL, str(error), failure="submission")
        except BaseException as error:  # noqa: BLE001 - whatever it is, the traversal waits for an end
            end = JobEnd(self.job, Status.FAIL, f"{type(error).__name__}: {error}")
        finally:
            self._remote.close()
        if self._timed_out:
            message = f"timed out after {self.job.timeout_seconds:g} s"
            end = JobEnd(self.job, Status.FAIL, message, failure="timeout")
        self._on_end(self, end)

    def _take(self, data: bytes, stream: int) -> None:
        if self._remote.write(data, stream) and not self._has_begun:
            self._has_begun = True
            self._on_begin(self)


class ContainerJob(RunningJob):
    """A job in a container."""

    def __init__(
        self,
        job: Job,
        remote: RemoteStep,
        on_begin: Callable[[RunningJob], None],
        on_end: Callable[[RunningJob, JobEnd], None],
        engine: Engine,
        spec: ContainerSpec,
        pull: str,
    ) -> None:
        """Prepare to run *spec* on *engine*; *pull* is for messages only: the image is there, or is not."""
        super().__init__(job, remote, on_begin, on_end)
        self._engine = engine
        self._spec = spec
        self._pull = pull
        self._container: Container | None = None

    def signal(self, number: signal.Signals) -> None:
        """See the base class."""
        with self._lock:
            self._is_stopped = True
            container = self._container
        if container is not None:
            with suppress(ServiceError):
                container.signal(number)

    def _work(self) -> JobEnd:
        try:
            container = self._engine.create(self._spec)
        except EngineRefusedError as error:
            return self._failed(diagnosis.not_created(self._spec, error, self._pull))
        try:
            with self._lock:
                self._container = container
                if self._is_stopped:
                    return JobEnd(self.job, Status.FAIL, _NEVER_RAN)
            end = container.run(self._remote.message, self._take)
        except EngineRefusedError as error:
            return self._failed(diagnosis.not_created(self._spec, error, self._pull))
        finally:
            container.remove()
        if self._remote.refusal:
            return JobEnd(self.job, Status.FAIL, self._remote.refusal, end.exit_code)
        if not self._has_begun:
            image = self._engine.find_image(self._spec.image)
            words = self._remote.last_words
            return self._failed(
                diagnosis.not_begun(self._spec, image, self._engine.architecture, end, words), end.exit_code
            )
        if end.exit_code == 0:
            return JobEnd(self.job, Status.SUCCESS)
        # Where the step could record its own end, that is what counts.
        note = diagnosis.out_of_memory(self._spec).message if end.out_of_memory else ""
        return self._failed(diagnosis.broken_off(self._spec, end), end.exit_code)._replace(note=note)

    def _failed(self, cause: diagnosis.Cause, exit_code: int | None = None) -> JobEnd:
        return JobEnd(self.job, Status.FAIL, cause.message, exit_code, cause.failure)
