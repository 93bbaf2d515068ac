from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

import pytest

from magnus.domain.jobs import JobEnd
from magnus.domain.run_log import Status
from magnus.errors import ServiceError
from magnus_executor_container.client import ContainerEnd
from magnus_executor_container.container_spec import ContainerSpec
from magnus_executor_container.errors import EngineRefusedError, EngineUnreachableError
from magnus_executor_container.jobs import ContainerJob

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import FakeContainer, FakeRemote, Kit

    from magnus_executor_container.jobs import RunningJob

SPEC = ContainerSpec("image", ("magnus", "work"), {})

# What stands for magnus in a process of this machine: does what its argument says.
WORK = """
import os, signal, subprocess, sys, time
what = sys.argv[1]
if what == "unread":
    os._exit(7)
data = os.read(0, 1000)
if what != "refuse":
    os.write(1, b"<begin>")
if what == "echo":
    os.write(2, data)
elif what.startswith("exit"):
    sys.exit(int(what[4:]))
elif what == "segfault":
    os.kill(os.getpid(), signal.SIGSEGV)
elif what == "refuse":
    os.write(1, b"<refuse>not today")
    sys.exit(2)
elif what == "child":
    child = subprocess.Popen(["sleep", "300"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    open("child", "w").write(str(child.pid))
elif what == "hang":
    os.write(2, b"hanging")
    time.sleep(300)
"""


class Ends:
    """Takes how a job begins and ends, as the executor does."""

    def __init__(self, patience_seconds: float) -> None:
        """Nothing has begun."""
        self._patience_seconds = patience_seconds
        self.begun = threading.Event()
        self._ended = threading.Event()
        self._ends: list[JobEnd] = []

    def on_begin(self, job: RunningJob) -> None:
        """Note it."""
        assert not self.begun.is_set(), "an attempt begins once"
        self.begun.set()

    def on_end(self, job: RunningJob, end: JobEnd) -> None:
        """Note it."""
        self._ends.append(end)
        self._ended.set()

    def end(self) -> JobEnd:
        """Return the one end of the job."""
        assert self._ended.wait(self._patience_seconds)
        (end,) = self._ends
        return end


@pytest.fixture
def ends(kit: Kit) -> Ends:
    """Return it."""
    return Ends(kit.patience_seconds)


class TestInContainers:
    """Jobs in containers of an engine that runs nothing."""

    @pytest.fixture
    def make(self, kit: Kit, ends: Ends) -> Callable[..., tuple[ContainerJob, FakeRemote]]:
        """Return a function that makes a job."""

        def make(timeout: float | None = None) -> tuple[ContainerJob, FakeRemote]:
            remote = kit.remote()
            # The fake has what jobs use of the engine, and no more.
            engine = kit.engine
            job = ContainerJob(
                kit.job(timeout=timeout),
                remote,
                ends.on_begin,
                ends.on_end,
                engine,  # type: ignore[arg-type]
                SPEC,
                "missing",
            )
            return job, remote

        return make

    def test_a_container_that_ends_well_is_a_success(
        self, kit: Kit, ends: Ends, make: Callable[..., tuple[ContainerJob, FakeRemote]]
    ) -> None:
        """It was told on stdin, and nothing is left of it."""
        job, remote = make()
        job.start()
        assert ends.end() == JobEnd(job.job, Status.SUCCESS)
        assert ends.begun.is_set()
        assert kit.engine.told == [b"told"]
        assert kit.engine.removed == [kit.engine.created[0].id]
        assert remote.is_closed

    @pytest.mark.parametrize(
        ("out_of_memory", "note"),
        [
            (False, ""),
            (
                True,
                "the step was killed because this machine ran out of memory; let it need less, or set a limit",
            ),
        ],
    )
    def test_a_container_that_fails_is_told_with_its_exit_code(
        self,
        kit: Kit,
        ends: Ends,
        make: Callable[..., tuple[ContainerJob, FakeRemote]],
        out_of_memory: bool,  # noqa: FBT001 - a column of a table
        note: str,
    ) -> None:
        """What only the engine knows is noted besides, for a step that recorded its failure itself."""

        def fail(container: FakeContainer, on_output: Callable[[bytes, int], object]) -> ContainerEnd:
            on_output(kit.begin, 1)
            return ContainerEnd(3, out_of_memory=out_of_memory)

        kit.engine.script = fail
        job, _ = make()
        job.start()
        end = ends.end()
        assert (end.status, end.exit_code, end.failure, end.note) == (Status.FAIL, 3, "exit:3", note)
        assert end.message == (note or "the process of the step ended by itself with exit code 3")

    def test_what_magnus_in_the_container_refuses_is_told_in_its_words(
        self, kit: Kit, ends: Ends, make: Callable[..., tuple[ContainerJob, FakeRemote]]
    ) -> None:
        """It has no name: another attempt would be refused, too."""

        def refuse(container: FakeContainer, on_output: Callable[[bytes, int], object]) -> ContainerEnd:
            on_output(kit.refuse + b"another version", 1)
            return ContainerEnd(2, out_of_memory=False)

        kit.engine.script = refuse
        job, _ = make()
        job.start()
        assert ends.end() == JobEnd(job.job, Status.FAIL, "another version", 2)
        assert not ends.begun.is_set()

    def test_a_container_in_which_magnus_does_not_begin_is_explained(
        self, kit: Kit, ends: Ends, make: Callable[..., tuple[ContainerJob, FakeRemote]]
    ) -> None:
        """By what it said last."""

        def end(container: FakeContainer, on_output: Callable[[bytes, int], object]) -> ContainerEnd:
            on_output(b"cannot", 2)
            return ContainerEnd(1, out_of_memory=False)

        kit.engine.script = end
        job, _ = make()
        job.start()
        assert (
            ends.end().message
            == "magnus could not begin in the image 'image', and ended with exit code 1: cannot"
        )

    def test_a_container_that_the_engine_refuses_is_a_failed_submission(
        self, kit: Kit, ends: Ends, make: Callable[..., tuple[ContainerJob, FakeRemote]]
    ) -> None:
        """Another attempt may find room."""
        kit.engine.refuses = EngineRefusedError("x", "no space left")
        job, remote = make()
        job.start()
        assert ends.end() == JobEnd(
            job.job, Status.FAIL, "the engine refused the container: no space left", failure="submission"
        )
        assert remote.is_closed

    def test_an_engine_that_goes_away_ends_the_job(
        self, kit: Kit, ends: Ends, make: Callable[..., tuple[ContainerJob, FakeRemote]]
    ) -> None:
        """Nobody waits for what cannot be told any more."""
        kit.engine.refuses = EngineUnreachableError("no engine answers", retriable=True)
        job, _ = make()
        job.start()
        assert ends.end() == JobEnd(job.job, Status.FAIL, "no engine answers", failure="submission")

    def test_a_bug_ends_the_job_too(
        self, kit: Kit, ends: Ends, make: Callable[..., tuple[ContainerJob, FakeRemote]]
    ) -> None:
        """The traversal waits for an end."""
        kit.engine.refuses = KeyError("Id")
        job, _ = make()
        job.start()
        assert ends.end() == JobEnd(job.job, Status.FAIL, "KeyError: 'Id'")

    def test_a_job_that_has_taken_too_long_is_killed(
        self, kit: Kit, ends: Ends, make: Callable[..., tuple[ContainerJob, FakeRemote]]
    ) -> None:
        """It is known as `timeout`, and removed."""
        kit.engine.script = kit.run_until_killed
        job, _ = make(2.5)
        job.start()
        assert ends.begun.wait(kit.patience_seconds)
        job.time_out()
        assert ends.end() == JobEnd(job.job, Status.FAIL, "timed out after 2.5 s", failure="timeout")
        (container,) = kit.engine.created
        assert container.signals == [signal.SIGKILL]
        assert kit.engine.removed == [container.id]

    def test_a_job_that_is_stopped_before_its_container_is_there_never_runs(
        self, kit: Kit, ends: Ends, make: Callable[..., tuple[ContainerJob, FakeRemote]]
    ) -> None:
        """The container is removed unused."""
        job, _ = make()
        job.signal(signal.SIGTERM)
        job.start()
        assert ends.end() == JobEnd(job.job, Status.FAIL, "stopped before it began")
        assert kit.engine.told == []
        assert kit.engine.removed == [kit.engine.created[0].id]

    def test_an_engine_that_will_not_pass_on_a_signal_stops_nobody(
        self,
        kit: Kit,
        ends: Ends,
        make: Callable[..., tuple[ContainerJob, FakeRemote]],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Others are stopped all the same."""
        kit.engine.script = kit.run_until_killed
        job, _ = make()
        job.start()
        assert ends.begun.wait(kit.patience_seconds)

        def refuse(number: int) -> None:
            message = "gone"
            raise ServiceError(message)

        (container,) = kit.engine.created
        monkeypatch.setattr(container, "signal", refuse)
        job.signal(signal.SIGTERM)
        container.killed.set()
        assert job.join(kit.patience_seconds)
