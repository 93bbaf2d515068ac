"""What can be known to be wrong before anything runs is refused with its place, exit code 2, and nothing left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from magnus.cli.app import main

if TYPE_CHECKING:
    from pathlib import Path

PIPELINE = """\
dag:
  start_at: first
  steps:
    first: {type: task, command: %s, command_type: %s, next: each}
    each:
      type: map
      iterate_on: items
      iterate_as: item
      next: done
      branch: {start_at: s, steps: {s: {type: success}, f: {type: fail}}}
    done: {type: success}
    failed: {type: fail}
"""

MODULE = """\
raise RuntimeError("a check must not import me")


def plain(a, b, c=1, *rest, d, e=2, **others): ...


async def waits(a): ...


@staticmethod
def decorated(a): ...
"""


@pytest.fixture
def project(default_adapters: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty working directory with a module that must not be imported."""
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("raise RuntimeError('nor me')")
    (tmp_path / "package" / "module.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAGNUS_PRM_items", "[]")
    return tmp_path


def check(project: Path, command: str, kind: str = "python") -> int:
    """Return the exit code of `magnus check` on a pipeline whose first step runs *command*."""
    (project / "pipeline.yaml").write_text(PIPELINE % (command, kind))
    return main(["check"])


def test_every_missing_argument_of_the_first_step_is_named(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Arguments with a default or a parameter are not missing; the module is read, not imported."""
    monkeypatch.setenv("MAGNUS_PRM_b", "1")
    assert check(project, "package.module.plain") == 2
    lines = capsys.readouterr().err.splitlines()[1:]
    assert [line.split(",")[0] for line in lines] == [
        "pipeline.yaml:4:5: step 'first': 'package.module.plain' needs the argument 'a'",
        "pipeline.yaml:4:5: step 'first': 'package.module.plain' needs the argument 'd'",
    ]


@pytest.mark.parametrize(
    ("command", "kind", "code"),
    [
        ("package.module.waits", "python", 2),
        ("'lambda a, b=1: None'", "python-lambda", 2),
        ("package.module.decorated", "python", 0),
        ("package.module.unknown", "python", 0),
        ("nowhere.at_all", "python", 0),
        ("echo", "shell", 0),
    ],
)
def test_only_what_is_certain_is_refused(project: Path, command: str, kind: str, code: int) -> None:
    """A decorator may fill arguments, and a module may be made by a step before."""
    assert check(project, command, kind) == code


def test_execute_refuses_the_same_and_leaves_nothing(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No run log, no catalog."""
    assert check(project, "package.module.plain") == 2
    before = sorted(project.iterdir())
    assert main(["execute"]) == 2
    assert "needs the argument 'a'" in capsys.readouterr().err
    assert sorted(project.iterdir()) == before


def test_a_map_over_a_given_parameter_that_is_no_list_is_refused(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is known before the first step runs."""
    monkeypatch.setenv("MAGNUS_PRM_items", "3")
    assert check(project, "echo", "shell") == 2
    assert capsys.readouterr().err == (
        "magnus: pipeline.yaml:5:5: step 'each': the map needs a list, but the parameter 'items' is 3; give it a list\n"
    )
