"""Attempts that are asked for one by one, by whoever stands in for the traversal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from contextlib import contextmanager
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest

from magnus.domain.nodes import Backoff, RetryPolicy
from magnus.engine.attempts import pause_seconds
from magnus.engine.clock import Clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.unit.cli.conftest import Said

PIPELINE = """
dag:
  start_at: slow
  max_time: 3600
  steps:
    slow:
      type: task
      command_type: shell
      command: 'sleep 60 & echo $! >pid; wait'
      timeout: 0.2
      retry: 2
      next: quick
    quick:
      {type: task, command_type: shell, command: 'echo n=1 >>"$MAGNUS_OUTPUT_PARAMETERS"', timeout: 60, next: killed}
    killed:
      type: task
      command_type: shell
      command: kill -9 $PPID
      timeout: 60
      retry: {max_attempts: 2, retry_on: ["exit:137"]}
      next: waits
    waits:
      type: task
      command_type: shell
      command: exit 3
      retry: {max_attempts: 3, retry_on: ["exit:3"], backoff: {initial: 100, factor: 3, jitter: 0.5}}
      next: stuck
    stuck: {type: task, command_type: shell, command: 'touch begun; sleep 60', timeout: 60, retry: 2, next: both}
    both:
      type: parallel
      branches:
        left:
          start_at: slow
          steps:
            slow: {type: task, command_type: shell, command: sleep 60, timeout: 0.2, next: s}
            s: {type: success}
            f: {type: fail}
      next: done
    done: {type: success}
    failed: {type: fail}
"""

PAUSES = RetryPolicy(3, Backoff(100, 3, jitter=0.5), ("exit:3",))


@pytest.fixture(autouse=True)
def project(default_adapters: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be in a directory with a pipeline."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipeline.yaml").write_text(dedent(PIPELINE))
    return tmp_path


@pytest.fixture
def node(magnus: Callable[..., Said]) -> Callable[..., Said]:
    """Return a function that runs one attempt of a node of the run `r`."""

    def call(step: str, *options: str) -> Said:
        fixed = ("--run-id", "r", "-f", "pipeline.yaml")
        return magnus("execute-single-node", "--step-name", step, *fixed, *options)

    return call


@pytest.fixture
def log(magnus: Callable[..., Said]) -> Callable[[], dict[str, Any]]:
    """Return a function that reads the log of the run `r`."""

    def read() -> dict[str, Any]:
        log: dict[str, Any] = json.loads(magnus("runs", "show", "r", "--json").out)
        return log

    return read


def attempts_of(step: dict[str, Any]) -> list[tuple[str, str, list[str]]]:
    """Return how each attempt ended, why, and what that is called."""
    return [(each["status"], each["message"], each["failure"]) for each in step["attempts"]]


def is_running(pid: int) -> bool:
    """Whether the process works; one that has ended may still be listed."""
    listing = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    return listing.stdout.strip()[:1] not in ("", "Z")


@contextmanager
def interrupt_once(condition: Callable[[], bool]) -> Iterator[None]:
    """Send SIGTERM to this process a moment after *condition* holds."""

    def work() -> None:
        while not condition() or signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
            time.sleep(0.01)
        time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=work)
    thread.start()
    yield
    thread.join()


def test_a_timeout_is_kept_without_a_traversal(
    node: Callable[..., Said], log: Callable[[], dict[str, Any]], project: Path
) -> None:
    """Recorded as `local` records it; what the task had started is gone; the code says whether another may follow."""
    assert [node("slow").code, node("slow").code, node("slow").code] == [75, 1, 1]
    step = log()["steps"]["slow"]
    assert step["status"] == "FAIL"
    assert attempts_of(step) == [("FAIL", "timed out after 0.2 s", ["timeout"])] * 2
    assert not is_running(int((project / "pid").read_text()))


def test_a_step_that_keeps_its_timeout_leaves_what_any_step_leaves(
    node: Callable[..., Said], log: Callable[[], dict[str, Any]]
) -> None:
    """Its parameters, and its own record of the attempt."""
    assert node("quick").code == 0
    assert log()["steps"]["quick"]["output_parameters"] == {"n": 1}


def test_a_process_that_is_killed_is_a_failed_attempt(
    node: Callable[..., Said], log: Callable[[], dict[str, Any]]
) -> None:
    """It could not record that itself."""
    assert [node("killed").code, node("killed").code] == [75, 1]
    statuses = attempts_of(log()["steps"]["killed"])
    assert [(status, failure) for status, _, failure in statuses] == [("FAIL", ["exit:137"])] * 2
    assert "killed by SIGKILL" in statuses[0][1]


def test_an_attempt_that_is_asked_for_too_early_waits_for_its_time(
    node: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is made when the traversal would have made it, jitter included; after the last one nothing is waited for."""
    slept: list[float] = []
    monkeypatch.setattr(Clock, "sleep", lambda _, seconds: slept.append(seconds))
    said = [node("waits") for _ in range(4)]
    assert [each.code for each in said] == [75, 75, 1, 1]
    expected = [pause_seconds("r", "waits", PAUSES, number) for number in (1, 2)]
    assert [round(seconds, -1) for seconds in slept] == [round(seconds, -1) for seconds in expected]
    assert f"again in {expected[0]:.1f} s" in said[0].err


def test_an_attempt_that_is_asked_for_in_time_waits_for_nothing(
    node: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pause was kept by somebody else."""
    slept: list[float] = []
    monkeypatch.setattr(Clock, "sleep", lambda _, seconds: slept.append(seconds))
    monkeypatch.setattr(Clock, "seconds_since", lambda *_: 200.0)
    assert [node("waits").code, node("waits").code] == [75, 75]
    assert slept == [0.0]


def test_pauses_are_the_same_for_the_same_run_and_differ_between_runs() -> None:
    """They are spread, and yet can be told later."""
    first = pause_seconds("r", "waits", PAUSES, 1)
    assert first == pause_seconds("r", "waits", PAUSES, 1)
    assert first != pause_seconds("s", "waits", PAUSES, 1)
    assert 50 <= first <= 100
    assert 150 <= pause_seconds("r", "waits", PAUSES, 2) <= 300


def test_a_step_with_a_timeout_can_be_interrupted(
    node: Callable[..., Said], log: Callable[[], dict[str, Any]], project: Path
) -> None:
    """The attempt is recorded, and no other may follow."""
    with interrupt_once((project / "begun").exists):
        assert node("stuck").code == 130
    step = log()["steps"]["stuck"]
    assert (step["status"], step["message"]) == ("FAIL", "interrupted by SIGTERM")
    assert attempts_of(step) == [("FAIL", "interrupted by SIGTERM", ["interrupted"])]
    assert node("stuck").code == 1


def test_a_step_can_be_interrupted_while_it_waits_for_its_next_attempt(
    node: Callable[..., Said], log: Callable[[], dict[str, Any]]
) -> None:
    """The attempt that it had made stays as it is."""
    assert node("waits").code == 75
    with interrupt_once(lambda: True):
        assert node("waits").code == 130
    step = log()["steps"]["waits"]
    assert (step["status"], step["message"]) == ("FAIL", "interrupted by SIGTERM")
    assert [failure for _, _, failure in attempts_of(step)] == [["exit:3"]]


def test_nothing_goes_on_when_the_time_of_the_run_is_over(
    node: Callable[..., Said], log: Callable[[], dict[str, Any]], project: Path
) -> None:
    """The step that was under way is stopped, and the run is closed, as in a traversal."""
    (project / "pipeline.yaml").write_text(dedent(PIPELINE).replace("max_time: 3600", "max_time: 3"))
    assert node("stuck").code == 130
    reason = "the run took longer than its max_time of 3 s"
    run = log()
    assert (run["status"], run["message"], run["steps"]["stuck"]["message"]) == ("FAIL", reason, reason)
    assert "failed" not in run["steps"]
    assert node("quick").code == 2


def test_a_timeout_is_kept_in_a_branch_that_is_walked_alone(
    magnus: Callable[..., Said], node: Callable[..., Said], log: Callable[[], dict[str, Any]]
) -> None:
    """There the process that walks the branch keeps it."""
    options = ("--run-id", "r", "-f", "pipeline.yaml")
    assert magnus("fan", "--mode", "out", "--step-name", "both", *options).code == 0
    assert magnus("execute-single-branch", "--branch-name", "both.left", *options).code == 1
    step = log()["steps"]["both"]["branches"]["both.left"]["steps"]["both.left.slow"]
    assert attempts_of(step) == [("FAIL", "timed out after 0.2 s", ["timeout"])]


class TestRunThatIsStopped:
    """`--stopped-because`, for whoever has ended a run from outside."""

    def test_everything_that_was_open_has_failed(
        self, magnus: Callable[..., Said], node: Callable[..., Said], log: Callable[[], dict[str, Any]]
    ) -> None:
        """For the reason that is given; the fail node itself was not reached."""
        assert node("quick").code == 0
        assert (
            magnus("fan", "--mode", "out", "--step-name", "both", "--run-id", "r", "-f", "pipeline.yaml").code
            == 0
        )
        assert [node("failed", "--stopped-because", "enough").code for _ in range(2)] == [1, 1]
        run = log()
        both = run["steps"]["both"]
        assert (run["status"], run["message"], run["parameters"]) == ("FAIL", "enough", {"n": 1})
        assert (both["status"], both["message"], both["branches"]["both.left"]["status"]) == (
            "FAIL",
            "enough",
            "FAIL",
        )
        assert run["steps"].keys() == {"quick", "both"}

    def test_one_that_has_succeeded_is_left_alone(
        self, node: Callable[..., Said], log: Callable[[], dict[str, Any]]
    ) -> None:
        """And the exit code says that it has: some orchestrators call this after every run."""
        assert [node("quick").code, node("done").code] == [0, 0]
        assert node("failed", "--stopped-because", "enough").code == 0
        assert log()["status"] == "SUCCESS"

    @pytest.mark.parametrize("step", ["quick", "done", "both.left.f"])
    def test_only_the_last_fail_node_closes_a_run(self, node: Callable[..., Said], step: str) -> None:
        """Any other node would be closed in its place."""
        said = node(step, "--stopped-because", "enough")
        assert said.code == 2
        assert "fail node of the outermost graph" in said.err
