from __future__ import annotations

import contextvars
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

import magnus
from magnus import ConfigurationError, OutsideRunError, Pipeline, Task
from magnus.cli.app import main
from magnus.errors import ParametersError, RunLogExistsError

if TYPE_CHECKING:
    from pathlib import Path


def log_of(run_id: str, capfd: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return the run log."""
    capfd.readouterr()
    assert main(["runs", "show", run_id, "--json"]) == 0
    log: dict[str, Any] = json.loads(capfd.readouterr().out)
    return log


def test_a_session_is_a_run_of_one_step(project: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Parameters, metrics and files are recorded as those of any step."""
    (project / "p.yaml").write_text("given: 1")
    (project / "data").mkdir()
    (project / "data/a.txt").write_text("x")
    assert magnus.start_interactive_session("r", parameters_file="p.yaml", tag="mine") == "r"
    assert magnus.get_run_id() == "r"
    assert magnus.get_tag() == "mine"
    magnus.set_parameter(found=magnus.get_parameter("given") + 1)
    magnus.track_this(accuracy=0.5)
    magnus.put_in_catalog("data/a.txt")
    assert magnus.end_interactive_session() == "SUCCESS"
    log = log_of("r", capfd)
    assert (log["status"], log["tag"], log["parameters"]) == ("SUCCESS", "mine", {"given": 1, "found": 2})
    assert list(log["steps"]) == ["interactive", "success"]
    step = log["steps"]["interactive"]
    assert step["user_defined_metrics"] == {"accuracy": 0.5}
    assert [entry["stage"] for entry in step["data_catalog"]] == ["put"]
    assert [attempt["status"] for attempt in step["attempts"]] == ["SUCCESS"]


@pytest.mark.usefixtures("project")
def test_outside_a_session_the_functions_say_so() -> None:
    """Before the first and after the last."""
    with pytest.raises(OutsideRunError):
        magnus.end_interactive_session()
    magnus.start_interactive_session()
    magnus.end_interactive_session()
    with pytest.raises(OutsideRunError):
        magnus.get_run_id()
    with pytest.raises(OutsideRunError):
        magnus.end_interactive_session()


@pytest.mark.usefixtures("project")
def test_one_session_is_open_at_a_time() -> None:
    """A second one is refused, and the first goes on."""
    magnus.start_interactive_session("first", {"experiment_tracker": {"type": "do-nothing"}}, {"x": 1})
    try:
        with pytest.raises(ConfigurationError, match="the session of run 'first' is open already"):
            magnus.start_interactive_session("second")
        assert magnus.get_parameter("x") == 1
    finally:
        magnus.end_interactive_session()


@pytest.mark.usefixtures("project")
def test_a_session_that_cannot_begin_leaves_none_open() -> None:
    """Whatever stands in its way."""
    magnus.start_interactive_session("taken")
    magnus.end_interactive_session()
    with pytest.raises(RunLogExistsError):
        magnus.start_interactive_session("taken")
    with pytest.raises(ConfigurationError, match="run id"):
        magnus.start_interactive_session("a/b")
    with pytest.raises(ConfigurationError, match="no executor"):
        magnus.start_interactive_session(config_file={"executor": {"type": "locl"}})
    magnus.start_interactive_session("free")
    magnus.end_interactive_session()


@pytest.mark.usefixtures("project")
def test_it_goes_through_contexts() -> None:
    """As the cells of a notebook may."""
    contextvars.Context().run(magnus.start_interactive_session, "r")
    assert contextvars.Context().run(magnus.get_run_id) == "r"
    contextvars.Context().run(magnus.end_interactive_session)
    with pytest.raises(OutsideRunError):
        magnus.get_run_id()


@pytest.mark.usefixtures("project")
def test_a_pipeline_can_run_meanwhile(capfd: pytest.CaptureFixture[str]) -> None:
    """Its steps are its own, and the session goes on after it."""
    magnus.start_interactive_session("outer")
    result = Pipeline(Task("make", "steps.make")).execute(run_id="inner")
    assert magnus.get_run_id() == "outer"
    magnus.end_interactive_session()
    assert result.parameters == {"made": 1}
    assert log_of("outer", capfd)["parameters"] == {}


@pytest.mark.usefixtures("project")
def test_what_is_printed_stays_where_it_is(capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing is captured."""
    magnus.start_interactive_session()
    print("shown")  # noqa: T201
    assert capfd.readouterr().out == "shown\n"
    magnus.end_interactive_session()


@pytest.mark.usefixtures("project")
def test_a_value_that_is_no_json_is_refused_and_the_session_goes_on() -> None:
    """It was refused where it was set."""
    magnus.start_interactive_session()
    with pytest.raises(ParametersError):
        magnus.set_parameter(x=object())
    assert magnus.end_interactive_session() == "SUCCESS"


@pytest.mark.parametrize(
    ("end", "told"),
    [
        ("", "the program ended before end_interactive_session() was called"),
        ("raise ValueError('oh')", "was called, after ValueError: oh"),
    ],
)
def test_a_session_that_nobody_ends_has_failed(
    project: Path, capfd: pytest.CaptureFixture[str], end: str, told: str
) -> None:
    """The run log says why; what was set is dropped."""
    script = project / "script.py"
    script.write_text(
        f"import magnus\nmagnus.start_interactive_session('forgotten')\nmagnus.set_parameter(x=1)\n{end}\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert done.returncode == bool(end)
    log = log_of("forgotten", capfd)
    assert (log["status"], log["parameters"]) == ("FAIL", {})
    assert told in log["steps"]["interactive"]["message"]
    assert told in log["message"]
    assert list(log["steps"]) == ["interactive", "fail"]
