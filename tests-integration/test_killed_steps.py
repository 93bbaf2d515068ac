"""Steps end with the run, however it ends: also notebooks, shells, and children that ignore signals and leave the session."""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest
from harness import Project, chain, python, shell, steps_of, wait_for

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping
    from pathlib import Path

TRIES = int(os.environ.get("MAGNUS_TRIES", "8"))
PATIENCE_SECONDS = 60.0
MOST_SECONDS_TO_END = 10.0

WORK = """\
    import fcntl, os, signal, sys, time

    # In a session of its own, deaf to all that can be ignored; holds a lock for as long as it works.
    name = sys.argv[1]
    os.chdir(os.environ["WORKED_FOR_TEST"])
    if os.fork():
        os._exit(0)
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)


    def note(file):
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(descriptor, f"{name}\\n".encode())
        os.close(descriptor)


    lock = os.open(f"{name}.lock", os.O_WRONLY | os.O_CREAT)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        note("overlap")
        os._exit(1)
    note("begun")
    time.sleep(float(open("seconds").read()))
    note("finished")
"""
"""Started as a child of a step, it becomes a grandchild that no signal but SIGKILL ends."""

TASKS = """\
    import os, signal, subprocess, sys, time
    from pathlib import Path

    PROJECT = Path(os.environ["WORKED_FOR_TEST"])


    def times(name):
        return (PROJECT / "finished").read_text().count(name) if (PROJECT / "finished").exists() else 0


    def work(name="python"):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        before = times(name)
        subprocess.run([sys.executable, PROJECT / "work.py", name])
        while times(name) == before:
            assert not (PROJECT / "overlap").exists()
            time.sleep(0.01)
"""
SHELL = """\
trap '' TERM INT HUP
cd "$WORKED_FOR_TEST"
count() { cat finished 2>/dev/null | grep -c shell || true; }
before=$(count)
python3 work.py shell
while [ "$(count)" = "$before" ]; do test ! -e overlap; sleep 0.02; done
"""
STEPS: dict[str, dict[str, Any]] = {
    "python": python("tasks.work"),
    "shell": shell(SHELL),
    "notebook": {"command_type": "notebook", "command": "work.ipynb"},
}


def write_project(project: Project, dag: Mapping[str, Any], seconds: float, **options: Any) -> None:
    """Write a pipeline with the graph *dag* of `STEPS`, whose work takes *seconds*."""
    cell = {
        "cell_type": "code",
        "execution_count": None,
        "id": "a",
        "metadata": {},
        "outputs": [],
        "source": 'import tasks\ntasks.work("notebook")',
    }
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = {"cells": [cell], "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    project.write("work.ipynb", json.dumps(notebook))
    project.write("work.py", WORK)
    project.write("tasks.py", TASKS)
    project.write("seconds", str(seconds))
    project.write("pipeline.yaml", {"dag": dict(dag)})
    project.write("config.yaml", {"executor": {"type": "local", "config": options}})


def side_by_side(*names: str) -> dict[str, Any]:
    """Return a graph with a branch for each of the steps *names*."""
    branches = {name: chain({"work": STEPS[name]}) for name in names}
    return chain({"split": {"type": "parallel", "branches": branches}})


def wait_for_work(project: Project, *names: str) -> None:
    """Wait until the grandchildren of the steps *names* hold their locks."""
    wait_for(lambda: set(names) <= set(project.lines("begun")), PATIENCE_SECONDS, f"the work of {names}")


def finish(process: subprocess.Popen[bytes]) -> str:
    """Wait for the end of magnus; return what it has written to stderr."""
    _, stderr = process.communicate(timeout=PATIENCE_SECONDS)
    return stderr.decode(errors="replace")


def check_continued(project: Project, run_id: str) -> None:
    """Continue a run that was ended, and insist that it succeeds and that no work has been done twice at a time."""
    project.write("seconds", "0.1")
    again = project.magnus("execute", "-c", "config.yaml", "--use-cached", run_id)
    if again.returncode == 2 and "no run" in again.stderr:  # it was killed before its log was begun
        again = project.magnus("execute", "-c", "config.yaml")
    assert again.returncode == 0, again.stderr
    assert not project.lines("overlap")
    assert set(project.lines("finished")) == set(STEPS)


class TestSignals:
    """SIGINT and SIGTERM, while steps ignore them."""

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
    @pytest.mark.parametrize("name", STEPS)
    def test_a_step_that_ignores_them_is_ended_after_the_grace(
        self, project: Project, name: str, number: signal.Signals
    ) -> None:
        """Exit code 130, a closed log, and no process left, not even a grandchild in a session of its own."""
        write_project(project, chain({"work": STEPS[name]}), 60, stop_grace=0.5)
        running = project.start("execute", "-c", "config.yaml", "--run-id", "run")
        wait_for_work(project, name)
        running.send_signal(number)
        told = finish(running)
        assert running.returncode == 130, told
        assert "Traceback" not in told
        project.wait_until_nothing_runs()
        log = project.run_log("run")
        assert (log["status"], log["steps"]["work"]["status"]) == ("FAIL", "FAIL")
        assert number.name in log["message"]
        assert not project.lines("finished")

    @pytest.mark.parametrize("name", STEPS)
    def test_a_second_one_shortens_the_grace(self, project: Project, name: str) -> None:
        """It skips nothing: the log is closed, and all processes are ended."""
        write_project(project, chain({"work": STEPS[name]}), 60, stop_grace=300)
        running = project.start("execute", "-c", "config.yaml", "--run-id", "run")
        wait_for_work(project, name)
        running.send_signal(signal.SIGINT)
        time.sleep(0.3)
        assert running.poll() is None, "the grace is longer than that"
        running.send_signal(signal.SIGINT)
        told = finish(running)
        assert running.returncode == 130, told
        assert "Traceback" not in told
        project.wait_until_nothing_runs()
        assert project.run_log("run")["steps"]["work"]["status"] == "FAIL"

    @pytest.mark.parametrize("milliseconds", [0, 5, 50])
    def test_two_close_together_close_the_steps_of_branches_too(
        self, project: Project, milliseconds: int
    ) -> None:
        """A wrapper that forwards a signal which the terminal has sent as well gives this pattern."""
        dag = side_by_side(*(("python", "shell") if milliseconds else STEPS))
        write_project(project, dag, 60, enable_parallel=True, max_workers=3, stop_grace=300)
        running = project.start("execute", "-c", "config.yaml", "--run-id", "run")
        wait_for_work(project, *dag["steps"]["split"]["branches"])
        running.send_signal(signal.SIGINT)
        time.sleep(milliseconds / 1000)
        running.send_signal(signal.SIGINT)
        if not milliseconds:  # the kernel may have made one of two signals
            time.sleep(0.5)
            running.send_signal(signal.SIGINT)
        told = finish(running)
        assert running.returncode == 130, told
        assert "Traceback" not in told
        project.wait_until_nothing_runs()
        steps = steps_of(project.run_log("run"))
        tasks = [f"split.{name}.work" for name in dag["steps"]["split"]["branches"]]
        assert {steps[name]["status"] for name in tasks} == {"FAIL"}
        assert "PROCESSING" not in {step["status"] for step in steps.values()}


class TestKilled:
    """SIGKILL of magnus."""

    @pytest.mark.parametrize("name", STEPS)
    def test_no_process_of_a_step_outlives_magnus(self, project: Project, name: str) -> None:
        """It is ended within ten seconds, and the run can be continued."""
        dag = chain({"first": shell("true"), name: STEPS[name]})
        write_project(project, dag, 60)
        running = project.start("execute", "-c", "config.yaml", "--run-id", "run")
        wait_for_work(project, name)
        running.kill()
        running.communicate()
        project.wait_until_nothing_runs(MOST_SECONDS_TO_END)
        assert project.run_log("run")["steps"]["first"]["status"] == "SUCCESS"
        project.write("seconds", "0.1")
        again = project.magnus("execute", "-c", "config.yaml", "--use-cached", "run")
        assert again.returncode == 0, again.stderr
        assert not project.lines("overlap")
        assert project.lines("finished") == [name]

    @pytest.mark.slow
    @pytest.mark.timeout(60 * TRIES)
    def test_killed_at_any_moment_nothing_is_left_and_nothing_runs_twice(self, tmp_path: Path) -> None:
        """In branches at once and in a chain; half of the runs are continued before anything else has ended.

        `MAGNUS_TRIES` in the environment says how many moments are tried.
        """
        dags = {"chain": chain(STEPS), "branches": side_by_side(*STEPS)}
        longest = {name: seconds_undisturbed(Project(tmp_path / name), dag) for name, dag in dags.items()}
        chance = random.Random()  # noqa: S311 - other moments each time; a failure names its own
        for number, (name, at_once) in zip(
            range(TRIES), itertools.cycle(itertools.product(dags, (False, True))), strict=False
        ):
            moment = chance.uniform(0.0, longest[name] * 1.1)
            project = Project(tmp_path / str(number))
            try:
                kill_and_continue(project, dags[name], moment, at_once=at_once)
            except AssertionError as error:
                error.add_note(f"{name}, killed after {moment:.3f} s, continued at once: {at_once}")
                raise
            finally:
                project.kill_what_is_left()


def seconds_undisturbed(project: Project, dag: Mapping[str, Any]) -> float:
    """Return how long a run takes that is left alone."""
    write_project(project, dag, 0.3, enable_parallel=True, max_workers=3)
    begin = time.monotonic()
    done = project.magnus("execute", "-c", "config.yaml")
    assert done.returncode == 0, done.stderr
    return time.monotonic() - begin


def kill_and_continue(project: Project, dag: Mapping[str, Any], moment: float, *, at_once: bool) -> None:
    """Kill a run *moment* seconds after its start; look at its processes and its log, and continue it."""
    write_project(project, dag, 0.3, enable_parallel=True, max_workers=3)
    running = project.start("execute", "-c", "config.yaml", "--run-id", "run")
    time.sleep(moment)
    running.kill()
    running.communicate()
    if not at_once:
        project.wait_until_nothing_runs(MOST_SECONDS_TO_END)
        listed = project.magnus("runs", "list", "--json", "-c", "config.yaml")
        assert listed.returncode == 0, listed.stderr
        if any(run["run_id"] == "run" for run in json.loads(listed.stdout)):
            project.run_log("run", "-c", "config.yaml")
    check_continued(project, "run")
    project.wait_until_nothing_runs(MOST_SECONDS_TO_END)
