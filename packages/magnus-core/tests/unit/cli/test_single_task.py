from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from magnus.cli.app import main
from magnus.usecases.single_task import SingleTask

if TYPE_CHECKING:
    from pathlib import Path

STEPS = """
from pathlib import Path

def double(number: int, factor: int = 2):
    Path("out").mkdir(exist_ok=True)
    Path("out/a.txt").write_text(str(number * factor))
    return {"doubled": number * factor}

def bad():
    raise ValueError("no")

def success():
    return {"odd": "name"}
"""

NOTEBOOK: dict[str, Any] = {
    "nbformat": 4,
    "nbformat_minor": 5,
    "metadata": {},
    "cells": [
        {
            "id": "one",
            "cell_type": "code",
            "execution_count": None,
            "metadata": {},
            "outputs": [],
            "source": "from magnus import set_parameter\nset_parameter(doubled=number * 2)",
        }
    ],
}


@pytest.fixture
def project(default_adapters: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be in a directory with functions, a notebook and parameters."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "steps.py").write_text(STEPS)
    (tmp_path / "p.yaml").write_text("number: 4")
    (tmp_path / "my.report.ipynb").write_text(json.dumps(NOTEBOOK))
    return tmp_path


def log_of(capfd: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return the run log that a command has just printed."""
    log: dict[str, Any] = json.loads(capfd.readouterr().out)
    return log


class TestFunction:
    """`magnus execute_function`."""

    def test_a_function_is_a_run_of_one_step(self, project: Path, capfd: pytest.CaptureFixture[str]) -> None:
        """With parameters in and out."""
        assert (
            main(
                ["execute_function", "steps.double", "-p", "p.yaml", "--run-id", "r", "--tag", "t", "--json"]
            )
            == 0
        )
        log = log_of(capfd)
        assert (log["run_id"], log["tag"], log["status"]) == ("r", "t", "SUCCESS")
        assert list(log["steps"]) == ["double", "success"]
        assert log["parameters"] == {"number": 4, "doubled": 8}

    def test_files_are_kept_in_the_catalog(self, project: Path, capfd: pytest.CaptureFixture[str]) -> None:
        """Those that the patterns match below the data folder."""
        options = [
            "--data-folder",
            "out",
            "--put-in-catalog",
            "*.txt",
            "--put-in-catalog",
            "*.txt",
            "-p",
            "p.yaml",
        ]
        assert main(["execute-function", "steps.double", "--run-id", "r", "--json", *options]) == 0
        entries = log_of(capfd)["steps"]["double"]["data_catalog"]
        assert {entry["name"] for entry in entries if entry["stage"] == "put"} == {"a.txt"}
        assert (project / ".catalog/r/a.txt").read_text() == "8"

    def test_a_failure_is_exit_code_1(self, project: Path, capfd: pytest.CaptureFixture[str]) -> None:
        """And the run is closed as failed."""
        assert main(["execute_function", "steps.bad", "--json"]) == 1
        log = log_of(capfd)
        assert (log["status"], list(log["steps"])) == ("FAIL", ["bad", "fail"])

    @pytest.mark.usefixtures("project")
    @pytest.mark.parametrize(
        ("arguments", "told"),
        [
            (["steps"], "'steps'"),
            (["steps.double", "--put-in-catalog", "../x"], "'put'"),
            (["steps.double", "-c", "absent.yaml"], "absent.yaml"),
        ],
    )
    def test_wrong_input_is_exit_code_2(
        self, capfd: pytest.CaptureFixture[str], arguments: list[str], told: str
    ) -> None:
        """Nothing was run."""
        assert main(["execute_function", *arguments]) == 2
        assert told in capfd.readouterr().err


class TestNotebook:
    """`magnus execute_notebook`."""

    def test_a_notebook_is_a_run_of_one_step(self, project: Path, capfd: pytest.CaptureFixture[str]) -> None:
        """Its name loses the dots, which a step's name cannot have; the executed notebook is in the catalog."""
        pytest.importorskip("nbclient", reason="notebooks need the extra `notebook`")
        assert main(["execute_notebook", "my.report.ipynb", "-p", "p.yaml", "--run-id", "r", "--json"]) == 0
        log = log_of(capfd)
        assert log["parameters"] == {"number": 4, "doubled": 8}
        assert "my.report_out.ipynb" in {entry["name"] for entry in log["steps"]["my_report"]["data_catalog"]}

    def test_what_is_no_notebook_is_refused(self, project: Path, capfd: pytest.CaptureFixture[str]) -> None:
        """By its name."""
        assert main(["execute_notebook", "steps.py"]) == 2
        assert "not the path of a notebook" in capfd.readouterr().err


class TestNotebookOrFunction:
    """`magnus execute_nb_or_func`."""

    def test_it_begins_and_closes_a_run_of_its_own(
        self, project: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """With the same log as `execute_function`."""
        assert main(["execute_function", "steps.double", "-p", "p.yaml", "--run-id", "whole"]) == 0
        assert main(["execute_nb_or_func", "steps.double", "-p", "p.yaml", "--run-id", "r"]) == 0
        assert main(["runs", "compare", "whole", "r"]) == 0, capfd.readouterr()
        assert main(["execute_nb_or_func", "steps.bad", "--run-id", "s"]) == 1
        capfd.readouterr()
        assert main(["runs", "show", "s", "--json"]) == 0
        assert log_of(capfd)["status"] == "FAIL"

    def test_in_a_run_of_another_it_runs_the_step_and_leaves_the_run_open(
        self, project: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """Whoever traverses the run closes it."""
        dag = SingleTask("steps.double", "python").dag()
        dag["steps"]["begin"] = {"type": "as-is", "next": dag["start_at"]}
        (project / "pipeline.yaml").write_text(json.dumps({"dag": dag | {"start_at": "begin"}}))
        begin = ["execute_single_node", "--step-name", "begin", "-f", "pipeline.yaml", "-p", "p.yaml"]
        assert main([*begin, "--run-id", "r"]) == 0
        assert main(["execute_nb_or_func", "steps.double", "--run-id", "r"]) == 0
        capfd.readouterr()
        assert main(["runs", "show", "r", "--json"]) == 0
        log = log_of(capfd)
        assert (log["status"], log["steps"]["double"]["status"]) == ("PROCESSING", "SUCCESS")


@pytest.mark.parametrize(
    ("command", "kind", "name"),
    [
        ("reports/a b.ipynb", "notebook", "a b"),
        ("x.y%.ipynb", "notebook", "x_y_"),
        ("m.success", "python", "success_"),
        ("m.f", "python", "f"),
    ],
)
def test_a_step_is_called_like_its_notebook_or_function(command: str, kind: str, name: str) -> None:
    """As far as a step can be."""
    assert SingleTask(command, kind).step_name == name
