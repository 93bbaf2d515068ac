"""A run whose process is gone is shown as lost, can be closed, and leaves nothing behind; a run that lives is protected."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from harness import chain, shell, steps_of, wait_for

if TYPE_CHECKING:
    from harness import Project

SLEEP = {"one": shell("true"), "two": shell("touch begun; test -e fixed || sleep 60")}
STORES = {
    "file-system": {"log_folder": "log"},
    "chunked-fs": {"log_folder": "log"},
    "sql": {"url": "sqlite:///log.db"},
}


def start(project: Project, store: str = "file-system") -> subprocess.Popen[bytes]:
    """Start a run `r` whose second step sleeps, in a temporary folder of its own."""
    project.write("pipeline.yaml", {"dag": chain(SLEEP)})
    project.configure(enable_parallel=False, run_log_store={"type": store, "config": STORES[store]})
    (project.folder / "temporary").mkdir()
    running = project.start("execute", "-c", "config.yaml", "--run-id", "r", **temporary(project))
    wait_for((project.folder / "begun").exists, 30, "the step")
    return running


def temporary(project: Project) -> dict[str, str]:
    """Return the variable that names the temporary folder of the project."""
    return {"TMPDIR": str(project.folder / "temporary")}


def kill(running: subprocess.Popen[bytes]) -> None:
    """End it without a word."""
    running.kill()
    running.communicate()


def folders(project: Project) -> list[str]:
    """Return the temporary folders of runs."""
    return sorted(
        path.name for path in (project.folder / "temporary").glob("magnus-*") if "locks" not in path.name
    )


@pytest.mark.parametrize("store", STORES)
def test_a_killed_run_is_lost_and_is_closed_by_reaping(quick_project: Project, store: str) -> None:
    """In every store; the recorded status stays until then."""
    project = quick_project
    running = start(project, store)
    project.magnus("runs", "list", "-c", "config.yaml")
    listed = project.magnus("runs", "list", "-c", "config.yaml").stdout
    assert "PROCESSING" in listed
    kill(running)
    project.wait_until_nothing_runs()
    listed = project.magnus("runs", "list", "-c", "config.yaml").stdout
    assert "LOST" in listed
    shown = project.magnus("runs", "show", "r", "-c", "config.yaml").stdout
    assert "two  (task)  LOST" in shown
    log = project.run_log("r", "-c", "config.yaml")
    assert (log["status"], log["lost"]) == ("PROCESSING", True)
    assert log["owner"].split("/")[1] == str(running.pid)
    assert folders(project)

    reaped = project.magnus("runs", "reap", "r", "-c", "config.yaml", **temporary(project))
    assert reaped.returncode == 0
    assert "closed run 'r' as FAIL" in reaped.stderr
    log = project.run_log("r", "-c", "config.yaml")
    assert (log["status"], log["lost"]) == ("FAIL", False)
    assert f"its traversing process (process {running.pid} on " in log["message"]
    assert log["end_time"]
    assert {name: step["status"] for name, step in steps_of(log).items()} == {"one": "SUCCESS", "two": "FAIL"}
    assert log["message"] in log["steps"]["two"]["message"]
    assert not folders(project)
    again = project.magnus("runs", "reap", "r", "-c", "config.yaml", **temporary(project))
    assert "finds nothing left" in again.stderr


def test_a_living_run_is_neither_reaped_nor_continued_nor_deleted(quick_project: Project) -> None:
    """Each command names the process."""
    project = quick_project
    running = start(project)
    named = f"run 'r' is still running in process {running.pid} on "
    reaped = project.magnus("runs", "reap", "r", "-c", "config.yaml", **temporary(project))
    assert (reaped.returncode, named in reaped.stderr) == (0, True), reaped.stderr
    continued = project.magnus(
        "execute", "-c", "config.yaml", "--use-cached", "r", "--run-id", "s", **temporary(project)
    )
    assert (continued.returncode, named in continued.stderr) == (2, True), continued.stderr
    deleted = project.magnus("runs", "delete", "r", "--yes", "-c", "config.yaml")
    assert (deleted.returncode, named in deleted.stderr) == (2, True), deleted.stderr
    assert "--force" in deleted.stderr
    assert running.poll() is None
    assert "s" not in project.magnus("runs", "list", "-c", "config.yaml").stdout.split()
    forced = project.magnus("runs", "delete", "r", "--yes", "--force", "-c", "config.yaml")
    assert forced.returncode == 0, forced.stderr
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=20)


def test_a_lost_run_is_closed_by_the_run_that_continues_it(quick_project: Project) -> None:
    """Then nothing of it is left, and the new run has its results."""
    project = quick_project
    running = start(project)
    kill(running)
    (project.folder / "fixed").touch()
    log = project.execute("-c", "config.yaml", "--use-cached", "r", "--run-id", "s", **temporary(project))
    assert log["steps"]["one"]["mock"]
    assert project.run_log("r", "-c", "config.yaml")["status"] == "FAIL"
    assert not folders(project)


def test_all_lost_runs_are_reaped_together(quick_project: Project) -> None:
    """With the temporary folders of runs that nobody remembers; those of living runs and of other programs stay."""
    project = quick_project
    running = start(project)
    kill(running)
    place = project.folder / "temporary"
    own = f"{running.pid}"
    label = project.run_log("r", "-c", "config.yaml")["owner"]
    for name, owner in (("magnus-forgotten", label), ("magnus-living", "elsewhere/1/x")):
        (place / name).mkdir()
        (place / name / ".magnus-owner").write_text(f'{{"run_id": "deleted", "owner": "{owner}"}}')
    (place / "magnus-of-another-program").mkdir()
    reaped = project.magnus("runs", "reap", "--all", "-c", "config.yaml", **temporary(project))
    assert reaped.returncode == 0
    assert own in reaped.stderr
    assert folders(project) == ["magnus-living", "magnus-of-another-program"]
    assert project.run_log("r", "-c", "config.yaml")["status"] == "FAIL"
    assert project.magnus("runs", "reap", "-c", "config.yaml").returncode == 2


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are found in /proc")
def test_reaping_ends_processes_of_the_run_and_of_no_other(quick_project: Project) -> None:
    """They are known by run and owner: a run of the same name elsewhere keeps its own."""
    project = quick_project
    running = start(project)
    kill(running)
    log = project.run_log("r", "-c", "config.yaml")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAGNUS_")}
    left, other = (
        subprocess.Popen(["sleep", "60"], env=environment | {"MAGNUS_RUN_ID": "r", "MAGNUS_RUN_OWNER": owner})
        for owner in (log["owner"], "elsewhere/1/x")
    )
    try:
        reaped = project.magnus("runs", "reap", "r", "-c", "config.yaml", **temporary(project))
        assert f"ended process {left.pid} (sleep 60)" in reaped.stderr
        assert left.wait(10) == -signal.SIGTERM
        assert other.poll() is None
    finally:
        for process in (left, other):
            process.kill()
            process.wait()


def test_processes_of_a_step_can_be_found_by_their_environment(quick_project: Project) -> None:
    """Python and shell steps alike."""
    project = quick_project
    project.write(
        "steps.py",
        """
        import os, subprocess
        def show():
            subprocess.run("echo python $MAGNUS_RUN_ID $MAGNUS_STEP_NAME $MAGNUS_RUN_OWNER >> seen", shell=True)
        """,
    )
    project.write(
        "pipeline.yaml",
        {
            "dag": chain(
                {
                    "a": {"command": "steps.show"},
                    "b": shell("echo shell $MAGNUS_RUN_ID $MAGNUS_STEP_NAME $MAGNUS_RUN_OWNER >> seen"),
                }
            )
        },
    )
    log = project.execute("--run-id", "r")
    assert project.lines("seen") == [f"python r a {log['owner']}", f"shell r b {log['owner']}"]


def test_the_files_of_a_step_are_readable_by_its_user_only(quick_project: Project) -> None:
    """They hold parameters and configuration."""
    project = quick_project
    project.write(
        "pipeline.yaml",
        {"dag": chain({"one": shell("stat -c %a $MAGNUS_STEP_CONTEXT $MAGNUS_PARAMETERS_FILE > modes")})},
    )
    project.execute()
    assert project.lines("modes") == ["600", "600"]


def test_a_run_with_files_but_no_log_can_be_deleted(quick_project: Project) -> None:
    """By its id, or by `catalog gc --runs-without-log`, and by nothing else."""
    project = quick_project
    project.write(
        "pipeline.yaml",
        {"dag": chain({"one": shell("mkdir -p data && echo x > data/x.txt", catalog={"put": ["x.txt"]})})},
    )
    for run_id in ("one", "two", "three"):
        project.execute("--run-id", run_id)
    for run_id in ("one", "two"):
        (project.folder / ".run_log_store" / f"{run_id}.jsonl").unlink()
    told = project.magnus("catalog", "gc")
    assert "no log in the run log store: one, two; --runs-without-log" in told.stderr
    assert project.magnus("catalog", "list").stdout.split() == ["one", "three", "two"]
    deleted = project.magnus("runs", "delete", "one", "--yes")
    assert deleted.returncode == 0, deleted.stderr
    assert project.magnus("runs", "delete", "one", "--yes").returncode == 2
    dry = project.magnus("catalog", "gc", "--runs-without-log", "--dry-run")
    assert "would remove the files of runs without a log: two" in dry.stderr
    removed = project.magnus("catalog", "gc", "--runs-without-log")
    assert "removed the files of runs without a log: two" in removed.stderr
    assert project.magnus("catalog", "list").stdout.split() == ["three"]


@pytest.mark.parametrize("store", STORES)
def test_a_log_without_owner_is_readable_and_never_lost(quick_project: Project, store: str) -> None:
    """As an older magnus wrote it."""
    project = quick_project
    project.configure(enable_parallel=False, run_log_store={"type": store, "config": STORES[store]})
    body = json.dumps({"run_id": "old", "schema_version": 1, "status": "PROCESSING"})
    project.write(
        "write.py",
        f"""
        import os
        from magnus.domain.records import Record, RecordKind
        from magnus.usecases.opening import load_setup, open_run_log_store

        with open_run_log_store(load_setup("config.yaml", os.environ)) as store:
            store.create_run("old", [Record(RecordKind.RUN, "", {body!r})])
        """,
    )
    assert project.call(sys.executable, "write.py").returncode == 0
    log = project.run_log("old", "-c", "config.yaml")
    assert (log["status"], log["lost"], log["owner"]) == ("PROCESSING", False, "")
    assert "is still running, or was given up" in project.magnus("runs", "list", "-c", "config.yaml").stderr
    reaped = project.magnus("runs", "reap", "old", "--force", "-c", "config.yaml")
    assert "closed run 'old' as FAIL" in reaped.stderr


def test_a_run_in_python_has_an_owner_too(project: Project) -> None:
    """It is the process of the script."""
    project.write(
        "pipeline.py",
        """
        import os
        from magnus import Pipeline, Task
        if __name__ == "__main__":
            result = Pipeline(Task("one", "true", command_type="shell")).execute()
            assert result.run_log.owner.split("/")[1] == str(os.getpid())
        """,
    )
    assert project.call(sys.executable, "pipeline.py").returncode == 0
