"""What was started is stopped: by a signal, a timeout, or the death of a process; and the run log says so."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest
from harness import Project, chain, python, shell, steps_of, wait_for

if TYPE_CHECKING:
    from collections.abc import Mapping

STEPS = """
    import os, signal, subprocess, sys, time
    from pathlib import Path

    HERE = os.environ["HERE"]

    def sleep():
        Path(HERE, "sleeping").touch()
        if Path("fixed").exists():
            return
        time.sleep(60)
        Path(HERE, "slept").touch()

    def careless():
        Path(HERE, "sleeping").touch()
        while not Path("fixed").exists():
            try:
                time.sleep(60)
            except Exception:  # as tasks do that catch everything
                pass

    def with_child():
        if not Path("fixed").exists():
            Path(HERE, "sleeping").touch()
            subprocess.run("sleep 61 & sleep 62 & wait", shell=True)

    def vanish():
        if not Path("fixed").exists():
            subprocess.Popen(["sleep", "63"])
            os._exit(7)

    def killed():
        if not Path("fixed").exists():
            os.kill(os.getpid(), signal.SIGKILL)
"""

GRANDCHILDREN = "test -e fixed || { (sleep 61; sleep 62) & sh -c 'touch $HERE/sleeping; sleep 63; touch $HERE/slept' & wait; }"
STUBBORN = (
    "test -e fixed || { trap '' TERM INT; touch $HERE/sleeping; sleep 61; sleep 62; touch $HERE/slept; }"
)
FAILING = "test -e fixed || { touch $HERE/sleeping; exit 1; }"


def in_branches(*steps: Mapping[str, Any]) -> dict[str, Any]:
    """Return a graph with one step in each of several branches, and one after them."""
    branches = {f"b{number}": chain({"one": step}) for number, step in enumerate(steps)}
    return chain({"split": {"type": "parallel", "branches": branches}, "after": shell("touch after")})


SITUATIONS: dict[str, tuple[dict[str, Any], bool]] = {
    "python": (chain({"one": python("steps.sleep")}), False),
    "python that catches exceptions": (chain({"one": python("steps.careless")}), False),
    "python with children": (chain({"one": python("steps.with_child")}), False),
    "shell with grandchildren": (chain({"one": shell(GRANDCHILDREN)}), False),
    "shell that ignores signals": (chain({"one": shell(STUBBORN)}), False),
    "branch in this process": (in_branches(python("steps.sleep")), False),
    "workers": (in_branches(python("steps.sleep"), python("steps.careless")), True),
    "workers with children": (in_branches(python("steps.with_child"), shell(GRANDCHILDREN)), True),
    "worker for a timeout": (chain({"one": python("steps.sleep", timeout=50)}), False),
    "backoff": (chain({"one": shell(FAILING, retry={"max_attempts": 3, "backoff": {"initial": 60}})}), False),
    "backoff in a branch": (
        in_branches(shell(FAILING, retry={"max_attempts": 3, "backoff": {"initial": 60}}), shell("true")),
        True,
    ),
}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("situation", SITUATIONS)
def test_a_signal_stops_everything_and_the_run_can_be_continued(
    project: Project, situation: str, number: signal.Signals
) -> None:
    """Exit code 130, the log closed with FAIL and the reason, no process left; the re-run goes to the end."""
    dag, enable_parallel = SITUATIONS[situation]
    project.write("steps.py", STEPS)
    project.write("pipeline.yaml", {"dag": dag})
    project.configure(enable_parallel=enable_parallel)
    running = project.start("execute", "-c", "config.yaml", "--run-id", "one")
    wait_for((project.folder / "sleeping").exists, 30, "the step")
    time.sleep(0.3)  # until it sleeps, or pauses
    running.send_signal(number)
    try:
        _, stderr = running.communicate(timeout=25)
    except subprocess.TimeoutExpired:
        running.kill()
        raise
    told = stderr.decode()
    assert running.returncode == 130, told
    assert number.name in told
    assert "Traceback" not in told
    project.wait_until_nothing_runs(2)
    assert not (project.folder / "slept").exists()

    log = project.run_log("one", "-c", "config.yaml")
    assert log["status"] == "FAIL"
    assert log["end_time"]
    assert number.name in log["message"]
    steps = steps_of(log)
    interrupted = [step for step in steps.values() if number.name in step["message"]]
    assert interrupted
    assert {step["status"] for step in interrupted} == {"FAIL"}
    assert not [step for step in steps.values() if step["status"] == "PROCESSING"]
    branches = [branch for step in steps.values() for branch in step["branches"].values()]
    assert not [branch for branch in branches if branch["status"] == "PROCESSING"]

    project.write("fixed", "")
    again = project.magnus("execute", "-c", "config.yaml", "--use-cached", "one")
    assert again.returncode == 0, again.stderr


def test_a_signal_to_the_whole_group_is_told_once(project: Project) -> None:
    """Ctrl-C in a terminal reaches every process of the group: the run still ends as a whole, with 130."""
    project.write("steps.py", STEPS)
    project.write("pipeline.yaml", {"dag": in_branches(python("steps.sleep"), shell(GRANDCHILDREN))})
    project.configure(enable_parallel=True)
    running = project.start("execute", "-c", "config.yaml", "--run-id", "one", process_group=0)
    wait_for((project.folder / "sleeping").exists, 30, "the step")
    time.sleep(0.3)
    os.killpg(running.pid, signal.SIGINT)
    _, stderr = running.communicate(timeout=25)
    assert running.returncode == 130, stderr.decode()
    project.wait_until_nothing_runs(2)
    assert project.run_log("one", "-c", "config.yaml")["status"] == "FAIL"


class TestTimeout:
    """A step that takes longer than its `timeout`."""

    @pytest.mark.parametrize(
        "step",
        [python("steps.with_child"), shell(GRANDCHILDREN), shell(STUBBORN)],
        ids=["python", "shell", "stubborn"],
    )
    def test_it_is_ended_with_all_it_started(self, project: Project, step: Mapping[str, Any]) -> None:
        """Each attempt is recorded as timed out, no process is left, and `on_failure` is taken."""
        project.write("steps.py", STEPS)
        dag = chain(
            {
                "one": {**step, "timeout": 0.5, "retry": 2, "on_failure": "after"},
                "x": shell("true"),
                "after": shell("true"),
            }
        )
        project.write("pipeline.yaml", {"dag": dag})
        log = project.execute()
        project.wait_until_nothing_runs(2)
        attempts = steps_of(log)["one"]["attempts"]
        assert [attempt["status"] for attempt in attempts] == ["FAIL", "FAIL"]
        assert all("timed out after 0.5 s" in attempt["message"] for attempt in attempts)
        assert all(attempt["failure"] == ["timeout"] for attempt in attempts)
        assert all(0.4 < attempt["duration"] < 10 for attempt in attempts)
        assert log["status"] == "SUCCESS"
        assert not (project.folder / "slept").exists()

    def test_what_was_printed_before_it_is_kept(self, project: Project) -> None:
        """The step's log is in the catalog although the step was killed."""
        project.write("pipeline.yaml", {"dag": chain({"one": shell("echo early; sleep 60", timeout=1)})})
        project.execute("--run-id", "one", expect=1)
        kept = project.folder / ".catalog" / "one" / "_logs" / "one.1.log"
        assert kept.read_text(encoding="utf-8") == "early\n"

    def test_a_step_that_is_quick_enough_knows_nothing_of_it(self, project: Project) -> None:
        """Starting a process for it does not count, and the step that follows runs as ever."""
        project.write("steps.py", "def work(n):\n    return {'n': n + 1}\n")
        step = python("steps.work", timeout=5)
        project.write(
            "pipeline.yaml", {"dag": chain({"one": step, "two": python("steps.work"), "three": step})}
        )
        assert project.execute(MAGNUS_PRM_n="1")["parameters"] == {"n": 4}


class TestDeath:
    """Processes that die without a word."""

    @pytest.mark.parametrize(
        ("function", "code", "words"),
        [("vanish", 7, "exit code 7"), ("killed", 137, "SIGKILL")],
    )
    def test_a_worker_that_dies_is_a_failed_attempt(
        self, project: Project, function: str, code: int, words: str
    ) -> None:
        """It is told how it died, its siblings finish, nothing it started is left, and the run can be continued."""
        project.write("steps.py", STEPS)
        dag = in_branches(python(f"steps.{function}", retry=2), shell("sleep 0.5; echo sibling >>$HERE/ran"))
        project.write("pipeline.yaml", {"dag": dag})
        project.configure(enable_parallel=True)
        log = project.execute("-c", "config.yaml", "--run-id", "one", expect=1)
        steps = steps_of(log)
        attempts = steps["split.b0.one"]["attempts"]
        assert [(attempt["status"], attempt["exit_code"]) for attempt in attempts] == [("FAIL", code)] * 2
        assert all(words in attempt["message"] for attempt in attempts)
        assert steps["split.b0.one"]["status"] == "FAIL"
        assert steps["split.b1.one"]["status"] == "SUCCESS"
        assert log["status"] == "FAIL"
        project.wait_until_nothing_runs(2)
        project.write("fixed", "")
        assert project.execute("-c", "config.yaml", "--use-cached", "one")["status"] == "SUCCESS"
        assert project.lines("ran") == ["sibling"]

    def test_retry_on_knows_an_exit_code(self, project: Project) -> None:
        """A process killed by the system is tried again when `exit:137` is listed, and only then."""
        project.write("steps.py", STEPS)
        retry = {"max_attempts": 3, "retry_on": ["exit:137"]}
        project.write(
            "pipeline.yaml",
            {"dag": in_branches(python("steps.killed", retry=retry), python("steps.vanish", retry=retry))},
        )
        project.configure(enable_parallel=True)
        steps = steps_of(project.execute("-c", "config.yaml", expect=1))
        assert len(steps["split.b0.one"]["attempts"]) == 3
        assert len(steps["split.b1.one"]["attempts"]) == 1

    def test_when_the_run_is_killed_its_workers_end(self, project: Project) -> None:
        """SIGKILL of the process that traverses leaves no worker and nothing that workers started."""
        project.write("steps.py", STEPS)
        project.write("pipeline.yaml", {"dag": in_branches(python("steps.with_child"), shell(GRANDCHILDREN))})
        project.configure(enable_parallel=True)
        running = project.start("execute", "-c", "config.yaml")
        wait_for((project.folder / "sleeping").exists, 30, "the step")
        time.sleep(0.3)
        running.kill()
        running.communicate()
        project.wait_until_nothing_runs(5)

    def test_a_daemon_that_left_its_session_ends_with_its_step(self, project: Project) -> None:
        """Nothing that a step has started lives on, whatever session it is in."""
        command = "setsid sh -c 'echo $$ >daemon; exec sleep 64' & sleep 60"
        project.write("pipeline.yaml", {"dag": chain({"one": shell(command, timeout=1)})})
        project.execute(expect=1)
        assert project.lines("daemon")
        project.wait_until_nothing_runs()
