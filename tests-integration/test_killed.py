"""A run that is killed with SIGKILL at any moment can be read, and continued with what had not succeeded."""

from __future__ import annotations

import os
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from harness import Project, chain, python, steps_of, wait_for

from magnus.domain.run_log import full_dict
from magnus.engine.recorder import read_run_log
from magnus.usecases.opening import load_setup, open_run_log_store

if TYPE_CHECKING:
    from pathlib import Path

MOMENTS = 50
PER_TEST = 10
BEFORE, BRANCHES, PER_BRANCH, AFTER = 4, 4, 6, 2
STEPS_IN_ALL = BEFORE + BRANCHES * PER_BRANCH + AFTER

STEPS = """
    import os, sys, time

    def note(name, text):
        file = os.open(os.path.join(os.environ["HERE"], name), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(file, f"{text}\\n".encode())
        os.fsync(file)
        os.close(file)

    def work(name):
        note("begun", name)
        time.sleep(0.01)
        note("finished", name)
"""


def paths_through() -> list[list[str]]:
    """Return the steps of the pipeline, in the order in which each path through it takes them."""
    before = [f"before{number}" for number in range(BEFORE)]
    after = [f"after{number}" for number in range(AFTER)]
    inner = [[f"split.b{branch}.s{number}" for number in range(PER_BRANCH)] for branch in range(BRANCHES)]
    return [[*before, *steps, *after] for steps in inner]


def write_pipeline(project: Project, store: str) -> None:
    """Write 30 steps, 24 of them in four branches; each notes durably that it began and that it finished."""

    def task(name: str) -> dict[str, Any]:
        return python(f"steps.{name.replace('.', '_')}")

    paths = paths_through()
    names = dict.fromkeys(name for path in paths for name in path)
    assert len(names) == STEPS_IN_ALL == 30
    functions = "".join(f"\ndef {name.replace('.', '_')}():\n    work({name!r})\n" for name in names)
    module = project.write("steps.py", STEPS)
    module.write_text(module.read_text(encoding="utf-8") + functions, encoding="utf-8")
    branches = {
        f"b{index}": chain({name.rpartition(".")[2]: task(name) for name in path[BEFORE:-AFTER]})
        for index, path in enumerate(paths)
    }
    steps: dict[str, Any] = {name: task(name) for name in paths[0][:BEFORE]}
    steps["split"] = {"type": "parallel", "branches": branches}
    steps |= {name: task(name) for name in paths[0][-AFTER:]}
    project.write("pipeline.yaml", {"dag": chain(steps)})
    configure(project, store, enable_parallel=True)


def configure(project: Project, store: str, *, enable_parallel: bool) -> None:
    """Write the configuration, with or without worker processes."""
    places = {
        "file-system": {"log_folder": str(project.folder / "log")},
        "chunked-fs": {"log_folder": str(project.folder / "log")},
        "sql": {"url": f"sqlite:///{project.folder / 'log.db'}"},
    }
    project.configure(enable_parallel=enable_parallel, run_log_store={"type": store, "config": places[store]})


def read_log(project: Project, run_id: str) -> dict[str, Any]:
    """Read a run log as `magnus runs show` does, without starting a process."""
    with open_run_log_store(load_setup(str(project.folder / "config.yaml"), {})) as store:
        return full_dict(read_run_log(store, run_id))


def succeeded(log: dict[str, Any]) -> set[str]:
    """Return the tasks that the log knows to have succeeded."""
    return {
        name
        for name, step in steps_of(log).items()
        if step["step_type"] == "task" and step["status"] == "SUCCESS"
    }


class Killing:
    """One run that is killed, looked at, and continued."""

    def __init__(self, folder: Path, store: str, quick: Path) -> None:
        """Prepare to run in *folder*; what is killed is the real magnus, what comes after is the *quick* one."""
        self.project = Project(folder, quick=quick)
        self.store = store
        write_pipeline(self.project, store)

    def kill(self, steps_begun: int, more_seconds: float, *, with_workers: bool) -> None:
        """Kill the run *more_seconds* after *steps_begun* steps have begun, alone or together with its workers."""
        temporary = (
            self.project.folder / "temporary"
        )  # what a killed process cannot remove goes with the test's folder
        temporary.mkdir()
        options = ("-c", "config.yaml", "--run-id", "killed")
        running = self.project.start("execute", *options, TMPDIR=str(temporary))
        wait_for(lambda: len(self.project.lines("begun")) >= steps_begun, 60, "the steps to begin")
        time.sleep(more_seconds)
        victims = [running.pid]
        if with_workers:
            victims += [pid for pid in self.project.processes() if pid != running.pid]
        for pid in victims:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        running.communicate()
        self.project.wait_until_nothing_runs()

    def check_log(self) -> set[str]:
        """Insist that the log is readable and holds every step that had finished; return those that succeeded."""
        log = read_log(self.project, "killed")
        recorded = succeeded(log)
        begun, finished = set(self.project.lines("begun")), set(self.project.lines("finished"))
        assert recorded <= finished, "a step that did not finish is said to have succeeded"
        for path in paths_through():
            for earlier, later in pairwise(path):
                if later in begun:
                    assert earlier in recorded, f"{later} began before {earlier} was in the log"
        # Whatever began is in the log: as a success, or as what was under way.
        assert begun <= steps_of(log).keys()
        assert len(finished - recorded) <= BRANCHES, (
            "more had ended without a record than could run at the same time"
        )
        return recorded

    def check_continued(self, recorded: set[str], *, with_workers: bool) -> None:
        """Continue the run, and insist that exactly what the log did not hold as succeeded has run."""
        (self.project.folder / "begun").unlink()
        (self.project.folder / "finished").unlink(missing_ok=True)
        configure(self.project, self.store, enable_parallel=with_workers)
        options = ("-c", "config.yaml", "--run-id", "continued", "--use-cached", "killed")
        done = self.project.magnus("execute", *options)
        assert done.returncode == 0, done.stderr
        every = {name for path in paths_through() for name in path}
        assert sorted(self.project.lines("finished")) == sorted(every - recorded)
        log = read_log(self.project, "continued")
        assert log["status"] == "SUCCESS"
        assert succeeded(log) == every


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    "first", range(0, MOMENTS, PER_TEST), ids=lambda first: f"{first + 1}-{first + PER_TEST}"
)
@pytest.mark.parametrize("store", ["file-system", "chunked-fs", "sql"])
def test_killed_at_any_moment_it_is_read_and_continued(
    store: str, first: int, tmp_path: Path, quick: Path
) -> None:
    """At 50 moments: the log holds every step that had finished, and the re-run runs nothing but the others."""
    chance = random.Random(f"killed/{store}")  # noqa: S311 - a fixed schedule
    # By steps and not by the clock alone: most of a run this short is spent on starting worker processes.
    moments = [(chance.randint(1, STEPS_IN_ALL), chance.uniform(0, 0.025)) for _ in range(MOMENTS)]

    def disturb(number: int) -> int:
        killing = Killing(tmp_path / str(number), store, quick)
        try:
            killing.kill(*moments[number], with_workers=number % 2 == 0)
            recorded = killing.check_log()
            # Starting workers is most of the time; what is left to do does not depend on them.
            killing.check_continued(recorded, with_workers=number % 5 == 0)
        except AssertionError as error:
            begun, seconds = moments[number]
            error.add_note(
                f"killed {seconds:.3f} s after {begun} steps had begun, in {tmp_path / str(number)}"
            )
            raise
        finally:
            killing.project.kill_what_is_left()
        return len(recorded)

    with ThreadPoolExecutor(2) as pool:
        counts = list(pool.map(disturb, range(first, first + PER_TEST)))
    assert len(set(counts)) > PER_TEST // 3, f"the moments were not spread over the run: {counts}"


def test_a_killed_run_is_shown_on_the_command_line(tmp_path: Path, quick: Path) -> None:
    """`magnus runs show` tells of a run that was killed, which its own log cannot say."""
    killing = Killing(tmp_path, "file-system", quick)
    killing.kill(10, 0.0, with_workers=True)
    done = killing.project.magnus("runs", "show", "killed", "-c", "config.yaml", "--json")
    assert done.returncode == 0, done.stderr
    assert '"PROCESSING"' in done.stdout
