"""`magnus execute` with an executor that leaves its jobs when it is interrupted, and `magnus runs attach`."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from magnus.bootstrap import Setup
from magnus.definition.config import load_config
from magnus.domain.capabilities import ExecutorCapabilities, Placement
from magnus.domain.run_log import Status
from magnus.engine.masking import Masker
from magnus.engine.recorder import RunRecorder
from magnus.plugins import AdapterSpec, hookimpl
from magnus.plugins.discovery import find_plugins
from magnus.plugins.manager import AdapterManager
from magnus.ports.executor import OrchestrationExecutor
from magnus.testing.fakes import FakeCompute, LeavingExecutor

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.cli.conftest import Said

    from magnus.domain.jobs import Job, JobEnd
    from magnus.domain.render_plan import RenderPlan
    from magnus.ports.executor import StepRunner

FAKES = "magnus_attach_fakes"
PIPELINE = """\
dag:
  start_at: first
  steps:
    first: {type: task, command_type: shell, command: "echo n=3 >> $MAGNUS_OUTPUT_PARAMETERS", next: sides}
    sides:
      type: parallel
      next: last
      branches:
        left: &branch
          start_at: a
          steps:
            a: {type: task, command_type: shell, command: "test $MAGNUS_PRM_n = 3 && ! test -e broken", next: ok}
            ok: {type: success}
            bad: {type: fail}
        right: *branch
    last: {type: task, command_type: shell, command: "echo $MAGNUS_PRM_n ${WHO} $MAGNUS_RUN_TAG", next: done}
    done: {type: success}
    failed: {type: fail}
"""


class Leaving(LeavingExecutor):
    """Leaves its jobs on a compute that all of its instances share, until a test ends."""

    shared: FakeCompute
    interrupted_before: int
    """The wait before which a person interrupts; 0 for none."""

    def __init__(self, options: Any = None) -> None:
        """Find the compute."""
        super().__init__(self.shared)
        self._waits = 0

    @classmethod
    def capabilities(cls, options: Any) -> ExecutorCapabilities:
        """Run on this machine, where the stores are."""
        return ExecutorCapabilities(Placement.SAME_HOST, concurrent_branches=True)

    def trigger_job(self, job: Job, run_here: StepRunner) -> Status:
        """See the port."""
        self.compute.run = run_here
        return super().trigger_job(job, run_here)

    def wait_for_jobs(self, timeout_seconds: float | None) -> list[JobEnd]:
        """See the port; a person may be there."""
        self._waits += 1
        if self._waits == self.interrupted_before:
            os.kill(os.getpid(), signal.SIGINT)
        return super().wait_for_jobs(timeout_seconds)


class Renders(OrchestrationExecutor):
    """Hands the dag over to nobody."""

    default_output = "out"

    @classmethod
    def capabilities(cls, options: Any) -> ExecutorCapabilities:
        """Run elsewhere."""
        return ExecutorCapabilities(Placement.SAME_HOST)

    def render(self, plan: RenderPlan) -> str:
        """Return nothing."""
        return ""


@hookimpl
def magnus_executors() -> list[AdapterSpec]:
    """Offer both."""
    return [
        AdapterSpec("leaving", f"{FAKES}:Leaving", port_api=1),
        AdapterSpec("rendering", f"{FAKES}:Renders", port_api=1),
    ]


@pytest.fixture
def leaving(
    default_adapters: None,
    install: Callable[..., None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> type[Leaving]:
    """Return the executor that is configured in the folder where the test works."""
    compute = FakeCompute(lambda _job: Status.FAIL)
    executor = type("Leaving", (Leaving,), {"shared": compute, "interrupted_before": 0})
    install(FAKES, Leaving=executor, Renders=Renders, magnus_executors=magnus_executors)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAGNUS_VAR_WHO", "me")
    (tmp_path / "pipeline.yaml").write_text(PIPELINE)
    (tmp_path / "magnus-config.yaml").write_text("executor: {type: leaving}\n")
    return executor


@pytest.fixture
def left(leaving: type[Leaving], magnus: Callable[..., Said]) -> type[Leaving]:
    """Return the executor that has left a run called `r`, whose branches were in flight."""
    leaving.interrupted_before = 2
    assert magnus("execute", "--run-id", "r", "--tag", "night").code == 130
    leaving.interrupted_before = 0
    return leaving


def status_of(magnus: Callable[..., Said], run_id: str = "r") -> str:
    """Return what the run log says."""
    status: str = magnus("runs", "show", run_id, "--json").json()["status"]
    return status


class TestLeaving:
    """An interrupt of a run whose jobs go on."""

    def test_it_says_how_to_go_on_and_how_to_end_them(
        self, leaving: type[Leaving], magnus: Callable[..., Said]
    ) -> None:
        """Two commands that can be copied as they stand; the run is open, and its jobs run."""
        leaving.interrupted_before = 2
        said = magnus("execute", "--run-id", "r", "-c", "magnus-config.yaml")
        assert said.code == 130
        assert said.err.splitlines()[-3:] == [
            "run r: left, because this process was interrupted by SIGINT; its jobs go on",
            "attach: magnus runs attach -c magnus-config.yaml r",
            "end:    magnus runs reap -c magnus-config.yaml r",
        ]
        assert status_of(magnus) == "PROCESSING"
        assert leaving.shared.stopped == []
        assert [job.step_name for job in leaving.shared.running] == ["sides.left.a", "sides.right.a"]

    @pytest.mark.parametrize("level", ["WARNING", "ERROR", "FATAL"])
    def test_it_is_said_to_whoever_wants_to_hear_little(
        self, leaving: type[Leaving], magnus: Callable[..., Said], level: str
    ) -> None:
        """Jobs that nobody knows of cost money."""
        leaving.interrupted_before = 1
        said = magnus("execute", "--run-id", "r", "--log-level", level)
        assert said.code == 130
        assert "magnus runs attach r" in said.err
        assert "magnus runs reap r" in said.err

    def test_json_on_stdout_is_whole_or_not_there(
        self, leaving: type[Leaving], magnus: Callable[..., Said]
    ) -> None:
        """The run log is not complete."""
        leaving.interrupted_before = 1
        said = magnus("execute", "--run-id", "r", "--json")
        assert (said.code, said.out) == (130, "")

    def test_an_executor_that_leaves_nothing_ends_the_run(
        self, leaving: type[Leaving], magnus: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It is closed, its jobs are stopped, and nobody is told to attach."""
        monkeypatch.setattr(leaving, "leaves_jobs", False)
        leaving.interrupted_before = 2
        said = magnus("execute", "--run-id", "r")
        assert said.code == 130
        assert "attach" not in said.err
        assert status_of(magnus) == "FAIL"
        assert [job.step_name for job in leaving.shared.stopped] == ["sides.left.a", "sides.right.a"]


class TestAttach:
    """`magnus runs attach`."""

    def test_the_run_goes_on_to_the_same_end(self, left: type[Leaving], magnus: Callable[..., Said]) -> None:
        """What was found is told; no job is started twice, and the run log is that of an uninterrupted run."""
        said = magnus("runs", "attach", "r")
        assert said.code == 0, said.err
        assert "found the job of sides.left.a, attempt 1" in said.err
        assert "run r: SUCCESS" in said.err
        assert said.out == "last | 3 me night\n"
        steps = ["first", "sides.left.a", "sides.right.a", "last"]
        assert left.shared.started == [(step, 1) for step in steps]
        assert magnus("execute", "--run-id", "at-once").code == 0
        assert magnus("runs", "compare", "r", "at-once").code == 0

    def test_json_is_the_whole_run_log(self, left: type[Leaving], magnus: Callable[..., Said]) -> None:
        """With what the first process had recorded: the tag, the parameters, the beginning."""
        began = magnus("runs", "show", "r", "--json").json()["start_time"]
        log = magnus("runs", "attach", "r", "--json").json()
        assert (log["run_id"], log["status"], log["tag"]) == ("r", "SUCCESS", "night")
        assert log["start_time"] == began < log["end_time"]
        assert log["parameters"] == {"n": 3}

    def test_a_run_that_fails_in_the_end_exits_with_1(
        self, left: type[Leaving], magnus: Callable[..., Said], tmp_path: Path
    ) -> None:
        """As it would have."""
        (tmp_path / "broken").touch()
        said = magnus("runs", "attach", "r")
        assert said.code == 1
        assert status_of(magnus) == "FAIL"

    def test_it_can_be_left_once_more(self, left: type[Leaving], magnus: Callable[..., Said]) -> None:
        """Each time as the first time."""
        left.interrupted_before = 1
        said = magnus("runs", "attach", "r")
        assert said.code == 130
        assert "attach: magnus runs attach r" in said.err
        assert status_of(magnus) == "PROCESSING"
        left.interrupted_before = 0
        assert magnus("runs", "attach", "r").code == 0
        assert len(set(left.shared.started)) == len(left.shared.started)

    def test_a_run_of_one_step_stays_one(self, leaving: type[Leaving], magnus: Callable[..., Said]) -> None:
        """What was not asked for is not run."""
        leaving.interrupted_before = 1
        assert magnus("execute-step", "first", "--run-id", "r").code == 130
        leaving.interrupted_before = 0
        assert magnus("runs", "attach", "r").code == 0
        assert leaving.shared.started == [("first", 1)]

    def test_a_run_whose_time_is_over_is_ended_with_its_jobs(
        self, left: type[Leaving], magnus: Callable[..., Said]
    ) -> None:
        """The time counts from its beginning; no job of it goes on, and nothing of it stays open."""
        adapters = AdapterManager(find_plugins())
        services = Setup(load_config(None, environ={}, adapters=adapters), adapters).build_services()
        recorder = RunRecorder(services.run_log_store, "r", Masker())
        head = recorder.get_run_log()
        head.start_time = "2001-01-01T00:00:00.000+00:00"
        recorder.set_run_log(head)
        services.close()
        said = magnus("runs", "attach", "r")
        assert said.code == 1
        assert "the run took longer than its max_time of 86400 s" in said.err
        assert [job.step_name for job in left.shared.stopped] == ["sides.left.a", "sides.right.a"]
        log = magnus("runs", "show", "r", "--json").json()
        branches = log["steps"]["sides"]["branches"].values()
        assert {branch["status"] for branch in branches} == {"FAIL"}
        assert {step["status"] for branch in branches for step in branch["steps"].values()} == {"FAIL"}


class TestRefused:
    """What cannot be attached to: an exit code of 2, and the run as it was."""

    def test_a_run_that_has_ended(self, left: type[Leaving], magnus: Callable[..., Said]) -> None:
        """With what can be done instead."""
        assert magnus("runs", "attach", "r").code == 0
        said = magnus("runs", "attach", "r")
        assert (said.code, said.out) == (2, "")
        assert "run 'r' has ended with SUCCESS" in said.err
        assert "`magnus runs show r`" in said.err
        assert "`magnus execute --use-cached r`" in said.err

    def test_a_run_that_nobody_knows(self, left: type[Leaving], magnus: Callable[..., Said]) -> None:
        """With the command that lists those there are."""
        said = magnus("runs", "attach", "nobody")
        assert said.code == 2
        assert "`magnus runs list`" in said.err

    def test_another_dag(self, left: type[Leaving], magnus: Callable[..., Said], tmp_path: Path) -> None:
        """What has run would not be what the run log says."""
        (tmp_path / "other.yaml").write_text(PIPELINE.replace("echo n=3", "echo n=4"))
        said = magnus("runs", "attach", "r", "-f", "other.yaml")
        assert said.code == 2
        assert "the dag is not the one that run 'r' was begun with" in said.err
        assert "`magnus execute --use-cached r`" in said.err
        assert status_of(magnus) == "PROCESSING"

    def test_a_dag_that_the_run_log_does_not_hold_whole(
        self,
        leaving: type[Leaving],
        magnus: Callable[..., Said],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Secrets are left out of it; the file has them."""
        monkeypatch.setenv("MAGNUS_VAR_DB_PASSWORD", "canary-123")
        (tmp_path / "pipeline.yaml").write_text(PIPELINE.replace("${WHO}", "${DB_PASSWORD}"))
        leaving.interrupted_before = 1
        assert magnus("execute", "--run-id", "r").code == 130
        leaving.interrupted_before = 0
        said = magnus("runs", "attach", "r")
        assert said.code == 2
        assert "does not hold its dag whole" in said.err
        assert "-f" in said.err
        said = magnus("runs", "attach", "r", "-f", "pipeline.yaml")
        assert said.code == 0, said.err
        assert "canary" not in said.out + said.err

    def test_an_executor_that_leaves_no_jobs(
        self, left: type[Leaving], magnus: Callable[..., Said], tmp_path: Path
    ) -> None:
        """The jobs of `local` end with the process that has started them."""
        (tmp_path / "local.yaml").write_text("executor: {type: local}\n")
        said = magnus("runs", "attach", "r", "-c", "local.yaml")
        assert said.code == 2
        assert "leaves no jobs behind" in said.err
        assert "`magnus execute --use-cached r`" in said.err
        assert status_of(magnus) == "PROCESSING"
        assert magnus("runs", "attach", "r").code == 0

    def test_an_executor_that_only_renders(
        self, left: type[Leaving], magnus: Callable[..., Said], tmp_path: Path
    ) -> None:
        """Whoever traverses is the orchestrator."""
        (tmp_path / "rendering.yaml").write_text("executor: {type: rendering}\n")
        said = magnus("runs", "attach", "r", "-c", "rendering.yaml")
        assert said.code == 2
        assert "the executor 'rendering' hands runs over" in said.err

    def test_a_configuration_that_cannot_run_it(
        self, left: type[Leaving], magnus: Callable[..., Said], tmp_path: Path
    ) -> None:
        """Judged as before the run began."""
        (tmp_path / "buffered.yaml").write_text(
            "executor: {type: leaving}\nrun_log_store: {type: file-system}\ncatalog: {type: nobody-has-this}\n"
        )
        said = magnus("runs", "attach", "r", "-c", "buffered.yaml")
        assert said.code == 2
        assert "nobody-has-this" in said.err
