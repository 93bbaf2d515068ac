from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from magnus.cli.app import main
from magnus.domain.capabilities import Placement
from magnus.ports.executor import Executor
from magnus_executor_local.config import LocalOptions
from magnus_executor_local.local import LocalExecutor

if TYPE_CHECKING:
    from pathlib import Path

PIPELINE = """\
dag:
  start_at: first
  steps:
    first: {type: task, command_type: python-lambda, command: 'lambda: {"made": 1}', next: both}
    both:
      type: parallel
      next: last
      branches:
        one:
          start_at: pid
          steps:
            pid: {type: task, command: work.pid, next: s}
            s: {type: success}
            f: {type: fail}
        two:
          start_at: pid
          steps:
            pid: {type: task, command: work.pid, next: s}
            s: {type: success}
            f: {type: fail}
    last: {type: task, command: work.last, timeout: 20, next: done}
    done: {type: success}
    failed: {type: fail}
"""

WORK = """\
import os
import time


def pid():
    return {f"pid_{os.getpid()}": os.getppid()}


def last():
    return {"last_pid": os.getpid()}


def die():
    os._exit(7)


def sleep():
    time.sleep(60)
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty working directory with a pipeline and its functions."""
    (tmp_path / "pipeline.yaml").write_text(PIPELINE)
    (tmp_path / "work.py").write_text(WORK)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(project: Path, capsys: pytest.CaptureFixture[str], executor: dict[str, Any]) -> dict[str, Any]:
    """Execute the pipeline with *executor* and return its run log."""
    (project / "config.yaml").write_text(json.dumps({"executor": executor}))
    code = main(["execute", "-c", "config.yaml", "--json"])
    log: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (code == 0) == (log["status"] == "SUCCESS")
    return log


def test_steps_run_one_after_another_in_one_warm_worker(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """None of them in the process that traverses, those with a timeout included."""
    parameters = run(project, capsys, {"type": "local"})["parameters"]
    (pid,) = [int(name.removeprefix("pid_")) for name in parameters if name.startswith("pid_")]
    assert pid != os.getpid()
    assert parameters["last_pid"] == pid


def test_branches_run_in_several_workers(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With `enable_parallel` as many as there are branches at the same time, and no more than `max_workers`."""
    (project / "work.py").write_text(WORK.replace("    return {f", "    time.sleep(0.3)\n    return {f"))
    log = run(project, capsys, {"type": "local", "config": {"enable_parallel": True, "max_workers": 2}})
    assert log["status"] == "SUCCESS"
    pids = {name for name in log["parameters"] if name.startswith("pid_")}
    assert len(pids) == 2
    assert f"pid_{os.getpid()}" not in pids


def test_for_a_debugger_steps_run_in_the_process_that_traverses(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`in_process: true` says so; a `timeout` is refused there, because nobody could end the step."""
    definition = PIPELINE.replace(", timeout: 20", "")
    (project / "pipeline.yaml").write_text(definition)
    parameters = run(project, capsys, {"type": "local", "config": {"in_process": True}})["parameters"]
    assert parameters["last_pid"] == os.getpid()
    (project / "pipeline.yaml").write_text(PIPELINE)
    assert main(["execute", "-c", "config.yaml"]) == 2
    assert "in_process" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "message", "exit_code"),
    [
        ("work.die, timeout: 30", "the process of the step ended by itself with exit code 7", 7),
        ("work.sleep, timeout: 0.5", "timed out after 0.5 s", None),
    ],
)
def test_a_process_that_ends_before_its_step_is_named(
    project: Path, capsys: pytest.CaptureFixture[str], command: str, message: str, exit_code: int | None
) -> None:
    """The step fails with the cause; the run log is closed."""
    (project / "pipeline.yaml").write_text(
        f"dag: {{start_at: a, steps: {{a: {{type: task, command: {command}, next: s}}, "
        "s: {type: success}, f: {type: fail}}}"
    )
    step = run(project, capsys, {"type": "local"})["steps"]["a"]
    assert (step["status"], step["message"]) == ("FAIL", message)
    assert step["attempts"][0]["exit_code"] == exit_code


def test_mocked_runs_nothing_but_the_patches(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every other task counts as done, marked as mock."""
    patches = {"last": {"command": "lambda: {'patched': 1}", "command_type": "python-lambda"}}
    log = run(project, capsys, {"type": "mocked", "config": {"patches": patches}})
    assert log["parameters"] == {"patched": 1}
    assert {name: step["mock"] for name, step in log["steps"].items() if step["step_type"] == "task"} == {
        "first": True,
        "last": False,
    }


@pytest.mark.parametrize(
    ("patches", "said"),
    [
        ({"nowhere": {"command": "a.b"}}, "the patch 'nowhere' names no task"),
        ({"last": {"comand": "a.b"}}, "unknown keys comand"),
    ],
)
def test_a_patch_that_would_patch_nothing_is_refused(
    project: Path, capsys: pytest.CaptureFixture[str], patches: dict[str, Any], said: str
) -> None:
    """A misspelt patch must not pass as a test of the dag."""
    (project / "config.yaml").write_text(
        json.dumps({"executor": {"type": "mocked", "config": {"patches": patches}}})
    )
    assert main(["execute", "-c", "config.yaml"]) == 2
    assert said in capsys.readouterr().err


def test_capabilities_follow_the_options() -> None:
    """Workers are other processes of this machine; resources are refused unless the user gives them up."""
    assert issubclass(LocalExecutor, Executor)
    alone, beside = LocalOptions(), LocalOptions(enable_parallel=True, ignore_resources=True)
    assert LocalExecutor.capabilities(alone).placement is Placement.SAME_HOST
    assert LocalExecutor.capabilities(alone).serves_from_traversal
    assert LocalExecutor.capabilities(LocalOptions(in_process=True)).placement is Placement.SAME_PROCESS
    assert LocalExecutor.capabilities(alone).refused_features
    assert LocalExecutor.capabilities(beside).placement is Placement.SAME_HOST
    assert not LocalExecutor.capabilities(beside).refused_features


def test_a_worker_count_that_cannot_be_meant_is_refused() -> None:
    """Nothing runs on no worker."""
    with pytest.raises(ValueError, match="at least 1"):
        LocalOptions(max_workers=0)


@pytest.mark.parametrize(
    "options",
    [{"stop_grace": -1}, {"stop_grace": float("inf")}, {"in_process": True, "enable_parallel": True}],
)
def test_options_that_contradict_each_other_are_refused(options: dict[str, Any]) -> None:
    """Before anything runs."""
    with pytest.raises(ValueError, match=r"stop_grace|in_process"):
        LocalOptions(**options)
