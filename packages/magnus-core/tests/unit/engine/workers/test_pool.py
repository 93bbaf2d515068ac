from __future__ import annotations

import os
import signal
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from magnus.builtin.buffered import BufferedRunLogStore
from magnus.builtin.do_nothing import DoNothingCatalog, DoNothingSecrets, DoNothingTracker
from magnus.builtin.task_types.python import PythonTask
from magnus.domain.capabilities import Isolation
from magnus.domain.jobs import Job, JobEnd
from magnus.domain.nodes import Node, TaskSettings
from magnus.domain.run_log import RunLog, Status, StepLog
from magnus.engine.clock import Clock
from magnus.engine.context import RunContext, Services
from magnus.engine.interrupt import Interrupts, StopRun
from magnus.engine.masking import Masker
from magnus.engine.one_by_one import OneByOneExecutor
from magnus.engine.recorder import RunRecorder
from magnus.engine.reporting import SilentReporter
from magnus.engine.step import StepRunner
from magnus.engine.workers.setup import setup_of_workers
from magnus.engine.workspaces import Workspaces

if TYPE_CHECKING:
    from collections.abc import Iterator

    from magnus.ports.node_type import NodeType

WORK = """
import os, signal, sys, time
from pathlib import Path


def pid():
    return {"pid": os.getpid()}


def fail():
    raise ValueError("as it was told")


def exit_7():
    os._exit(7)


def exit_0():
    os._exit(0)


def signal_9():
    os.kill(os.getpid(), 9)


def signal_11():
    os.kill(os.getpid(), 11)


def signal_15_to_the_group():
    os.kill(0, 15)


def a_while():
    time.sleep(0.4)


def sleep():
    Path(f"begun-{os.getpid()}").touch()
    time.sleep(300)


def stubborn():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sleep()


def polite():
    signal.signal(signal.SIGTERM, lambda *_: (Path("saved").touch(), sys.exit(3)))
    sleep()


def scribble():
    for descriptor in range(3, 600):
        try:
            os.write(descriptor, b"no message" * 10)
        except OSError:
            pass


def leave():
    os.system("sleep 300 & echo $! > left")
"""


class PythonOnly:
    """One type of task, and no type of node."""

    def __init__(self) -> None:
        """Make it."""
        self._python = PythonTask()

    def node_type(self, name: str) -> NodeType:
        """Never be asked."""
        raise AssertionError(name)

    def task_type(self, name: str) -> PythonTask:
        """Return it."""
        assert name == "python"
        return self._python

    def task_options(self, node: Node) -> None:
        """Have none."""

    def executor_options(self, node: Node) -> None:
        """Never be asked."""
        raise AssertionError(node)


class Shown:
    """Stands for the terminal, and for who watches."""

    def write_task_output(self, data: bytes, number: int) -> None:
        """Show it to nobody."""


class WarningReporter(SilentReporter):
    """Keeps the warnings."""

    def __init__(self) -> None:
        """There is none."""
        self.warnings: list[str] = []

    def warning(self, message: str) -> None:
        """Keep it."""
        self.warnings.append(message)


class Stage:
    """Jobs, and the workers that run them."""

    def __init__(self) -> None:
        """Start no worker yet."""
        self.store = BufferedRunLogStore()
        self.reporter = WarningReporter()
        self.interrupts = Interrupts()
        terminal: Any = Shown()
        self.context = RunContext(
            run_id="run",
            tag="",
            executor=OneByOneExecutor(),
            services=Services(self.store, DoNothingCatalog(), DoNothingSecrets(), DoNothingTracker()),
            types=PythonOnly(),
            recorder=RunRecorder(self.store, "run", Masker()),
            masker=Masker(),
            reporter=self.reporter,
            terminal=terminal,
            clock=Clock(),
            interrupts=self.interrupts,
            code_identities=[],
            workspaces=Workspaces(Isolation.NONE, str(Path.cwd())),
            stop_grace_seconds=0.3,
        )
        self.context.recorder.create_run_log(RunLog("run"), {})
        self.runner = StepRunner(self.context, partial(setup_of_workers, self.context, ""))

    def start(self, *jobs: Job) -> None:
        """Begin *jobs*."""
        for job in jobs:
            assert self.runner.start(job) is Status.TRIGGERED

    def ends(self, *jobs: Job) -> dict[str, JobEnd]:
        """Begin *jobs* and return how they ended."""
        self.start(*jobs)
        found: list[JobEnd] = []
        while len(found) < len(jobs):
            found += self.runner.wait(None)
        return {end.job.step_name: end for end in found}

    def end(self, function: str, timeout: float | None = None) -> JobEnd:
        """Run the job of that function, and return how it ended."""
        return self.ends(job(function, timeout))[function]

    def pid(self, name: str = "pid") -> int:
        """Return the process that runs the next job, whose name is *name*."""
        found = self.runner.take_back(self.ends(job("pid", name=name))[name].job)
        assert found is not None
        pid: int = found["pid"].decode()
        return pid

    def wait_for_begun(self, count: int = 1) -> list[int]:
        """Wait until *count* jobs sleep, and return their processes."""
        until = time.monotonic() + 30
        while len(found := list(Path.cwd().glob("begun-*"))) < count:
            assert time.monotonic() < until
            assert self.runner.wait(0.02) == []
        return [int(file.name.removeprefix("begun-")) for file in found]

    def log(self, name: str) -> StepLog:
        """Return what is recorded of a step."""
        found = self.context.recorder.get_step_log(name)
        assert found is not None
        return found


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """Return a stage in a folder with the functions."""
    (tmp_path / "work.py").write_text(WORK)
    monkeypatch.chdir(tmp_path)
    made = Stage()
    with made.runner:
        yield made


def job(function: str, timeout: float | None = None, *, name: str = "") -> Job:
    """Return a job that calls a function of the module, and is named like it."""
    task = TaskSettings(f"work.{function}", "python")
    name = name or function
    return Job("run", name, Node(name, "task", {}, next="done", task=task, timeout_seconds=timeout), 1)


def is_running(pid: int) -> bool:
    """Return whether the process exists."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()


def wait_until_gone(*pids: int) -> None:
    """Wait until none of the processes runs."""
    until = time.monotonic() + 30
    while any(is_running(pid) for pid in pids):
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_worker_serves_one_job_after_another(stage: Stage) -> None:
    """There are as many processes as there were jobs at a time, none of them this one; a failure leaves them."""
    first = stage.pid()
    assert stage.end("fail").status is Status.FAIL
    assert stage.pid("again") == first
    found = [
        stage.runner.take_back(each.job)
        for each in stage.ends(job("pid", name="a"), job("a_while"), job("pid", name="b")).values()
    ]
    pids = {values["pid"].decode() for values in found if values}
    assert first in pids
    assert os.getpid() not in pids


@pytest.mark.parametrize(
    ("function", "message", "code"),
    [
        ("exit_7", "the process of the step ended by itself with exit code 7", 7),
        ("exit_0", "the process of the step ended by itself with exit code 0", 0),
        (
            "signal_9",
            "the process of the step was killed by SIGKILL; the system does that when memory runs out",
            137,
        ),
        ("signal_11", "the process of the step was killed by SIGSEGV", 139),
        ("signal_15_to_the_group", "the process of the step was killed by SIGTERM", 143),
    ],
)
def test_a_worker_that_dies_is_told_with_the_cause(
    stage: Stage, function: str, message: str, code: int
) -> None:
    """Exit codes are those a shell would report; the next job has another worker."""
    assert stage.end(function) == JobEnd(job(function), Status.FAIL, message, code, f"exit:{code}")
    assert stage.log(function).attempts[0].message == message
    assert stage.end("pid").status is Status.SUCCESS


def test_the_death_of_one_worker_leaves_the_others_alone(stage: Stage) -> None:
    """Each has a session of its own."""
    ends = stage.ends(job("a_while"), job("signal_15_to_the_group"))
    assert {name: end.status for name, end in ends.items()} == {
        "a_while": Status.SUCCESS,
        "signal_15_to_the_group": Status.FAIL,
    }


def test_a_worker_that_dies_while_it_has_nothing_to_do_costs_no_job(stage: Stage) -> None:
    """Another one takes it."""
    first = stage.pid()
    os.kill(first, signal.SIGKILL)
    wait_until_gone(first)
    assert stage.pid("again") != first


def test_a_job_that_takes_too_long_is_ended(stage: Stage) -> None:
    """It is known as `timeout`; jobs beside it and after it run through."""
    ends = stage.ends(job("sleep", 0.3), job("a_while"))
    assert ends["sleep"] == JobEnd(job("sleep", 0.3), Status.FAIL, "timed out after 0.3 s", failure="timeout")
    assert ends["a_while"].status is Status.SUCCESS
    assert stage.end("pid").status is Status.SUCCESS
    wait_until_gone(*stage.wait_for_begun())


def test_a_job_that_ignores_the_end_of_its_time_is_killed(stage: Stage) -> None:
    """After the grace."""
    assert stage.end("stubborn", 0.3).failure == "timeout"
    wait_until_gone(*stage.wait_for_begun())


def test_waiting_ends_with_the_time_that_was_given(stage: Stage) -> None:
    """Or at once where nothing runs."""
    assert stage.runner.wait(None) == []
    stage.start(job("sleep"))
    before = time.monotonic()
    assert stage.runner.wait(0.05) == []
    assert 0.05 <= time.monotonic() - before < 30


def test_stopping_ends_the_jobs_and_records_the_reason(stage: Stage) -> None:
    """One that saves its work has the time for that, and one that will not end is killed."""
    stage.start(job("sleep"), job("stubborn"), job("polite"))
    pids = stage.wait_for_begun(3)
    before = time.monotonic()
    stage.runner.stop(StopRun("enough", interrupted=True))
    assert 0.3 <= time.monotonic() - before < 30
    wait_until_gone(*pids)
    for name in ("sleep", "stubborn", "polite"):
        (attempt,) = stage.log(name).attempts
        assert (attempt.status, attempt.message, attempt.failure) == (Status.FAIL, "enough", ["interrupted"])
    assert Path("saved").exists()
    assert stage.runner.wait(None) == []


def test_closing_ends_workers_that_have_nothing_to_do(stage: Stage) -> None:
    """At once."""
    with StepRunner(stage.context, partial(setup_of_workers, stage.context, "")) as stage.runner:
        pid = stage.pid()
        before = time.monotonic()
    assert time.monotonic() - before < 2
    wait_until_gone(pid)


def test_a_task_that_writes_into_the_connection_fails_alone(stage: Stage) -> None:
    """The next job has another worker."""
    first = stage.pid()
    end = stage.end("scribble")
    assert (end.status, end.message) == (
        Status.FAIL,
        "the task wrote into the connection between its process and magnus",
    )
    assert stage.pid("again") != first


def test_processes_that_a_job_leaves_are_ended_before_the_next_one(stage: Stage) -> None:
    """With a warning that names them."""
    assert stage.end("leave").status is Status.SUCCESS
    left = int(Path("left").read_text())
    stage.pid()
    assert not is_running(left)
    (warning,) = stage.reporter.warnings
    assert warning.startswith(f"step 'leave' left processes running, which were ended: {left} (")


def test_a_process_that_cannot_be_started_fails_the_job(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is recorded as an attempt that was refused."""
    monkeypatch.setattr(sys, "executable", "/no/such/program")
    end = stage.end("pid")
    assert (end.status, end.failure) == (Status.FAIL, "submission")
    assert "cannot start a process for the steps" in end.message


def test_the_kind_of_an_exception_is_recorded_for_retries(stage: Stage) -> None:
    """By its names, and with its text and place."""
    assert stage.end("fail").failure == "ValueError"
    (attempt,) = stage.log("fail").attempts
    assert attempt.message.startswith("ValueError: as it was told (")
    assert "work.py:" in attempt.message


def test_a_second_signal_shortens_the_grace(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person who presses Ctrl-C again does not want to wait."""
    context = stage.context._replace(stop_grace_seconds=300)
    monkeypatch.setattr(type(stage.interrupts), "is_hurried", True)
    with StepRunner(context, partial(setup_of_workers, context, "")) as stage.runner:
        stage.start(job("stubborn"))
        pids = stage.wait_for_begun()
        before = time.monotonic()
        stage.runner.stop(StopRun("enough", interrupted=True))
        assert time.monotonic() - before < 30
    wait_until_gone(*pids)


def test_a_run_that_has_to_end_is_told_while_it_is_waited_for(stage: Stage) -> None:
    """By `StopRun`; the jobs are left to `stop`."""
    stage.interrupts.install(max_time_seconds=0.2)
    try:
        stage.start(job("sleep"))
        with pytest.raises(StopRun, match="max_time"):
            stage.runner.wait(None)
        stage.runner.stop()
    finally:
        stage.interrupts.uninstall()
    assert "max_time" in stage.log("sleep").attempts[0].message


def test_a_missing_function_fails_the_job_and_no_other(stage: Stage) -> None:
    """With the text of the task type."""
    end = stage.end("no_such_function")
    assert end.status is Status.FAIL
    assert "no_such_function" in end.message
    assert stage.end("pid").status is Status.SUCCESS
