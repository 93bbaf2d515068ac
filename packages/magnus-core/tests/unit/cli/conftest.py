"""Runs to look at, made once by real processes, and a way to call a command."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from magnus.cli.app import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PIPELINE = """\
dag:
  start_at: first
  steps:
    first:
      type: task
      command_type: shell
      command: |
        mkdir -p data && echo hello > data/x.csv && echo said by first
        echo 'n=3' >> $MAGNUS_OUTPUT_PARAMETERS
        echo 'MAGNUS_TRACK_accuracy=0.5' >> $MAGNUS_OUTPUT_PARAMETERS
      catalog: {put: ["*.csv"]}
      next: sides
    sides:
      type: parallel
      next: each
      branches:
        left side:
          start_at: a
          steps:
            a: {type: task, command_type: shell, command: echo said by a, retry: 2, next: ok}
            ok: {type: success}
            bad: {type: fail}
        right:
          start_at: a
          steps:
            a: {type: as-is, next: ok}
            ok: {type: success}
            bad: {type: fail}
    each:
      type: map
      iterate_on: items
      iterate_as: item
      next: last
      branch:
        start_at: work
        steps:
          work: {type: task, command_type: shell, command: 'test "$MAGNUS_PRM_item" != b || test -e allowed', next: ok}
          ok: {type: success}
          bad: {type: fail}
    last: {type: task, command_type: shell, command: echo said by last, next: done}
    done: {type: success}
    failed: {type: fail}
"""

KILLED = """\
dag:
  start_at: before
  steps:
    before: {type: task, command_type: shell, command: echo before, next: kill}
    kill: {type: task, command_type: shell, command: 'kill -9 $ENGINE', next: done}
    done: {type: success}
    failed: {type: fail}
"""


class Said(NamedTuple):
    """What a command answered."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Return stdout as JSON; fails if anything else stands there."""
        return json.loads(self.out)


@pytest.fixture
def magnus(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """Return a function that runs a command in this process, where it is fast."""

    def call(*arguments: str) -> Said:
        capsys.readouterr()
        code = main(arguments)
        return Said(code, *capsys.readouterr())

    return call


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that installs a package for one test: a plugin module called *name*, with what is in it."""

    def put(name: str, **content: Any) -> None:
        module = ModuleType(name)
        module.__dict__.update(content)
        monkeypatch.setitem(sys.modules, name, module)
        metadata = tmp_path / "installed" / f"{name}-1.dist-info"
        metadata.mkdir(parents=True)
        (metadata / "entry_points.txt").write_text(f"[magnus]\nfakes = {name}\n")
        monkeypatch.syspath_prepend(str(metadata.parent))

    return put


@pytest.fixture(scope="session")
def made_runs(default_adapters: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with runs: `failed`, `completed` (its re-run), `at-once` (the same without failure), and `killed`."""
    folder = tmp_path_factory.mktemp("made-runs")
    (folder / "pipeline.yaml").write_text(PIPELINE)
    (folder / "killed.yaml").write_text(KILLED)
    (folder / "parameters.json").write_text('{"items": ["x", "b", "c.d"]}')
    execute(folder, "--run-id", "failed", "--tag", "night", expected=1)
    (folder / "allowed").touch()
    execute(folder, "--run-id", "completed", "--use-cached", "failed")
    execute(folder, "--run-id", "at-once")
    execute(folder, "-f", "killed.yaml", "--run-id", "killed", expected=-9)
    return folder


def execute(folder: Path, *arguments: str, expected: int = 0) -> None:
    """Run a pipeline in a process of its own."""
    # A step that is to kill the whole run finds the process that traverses in $ENGINE.
    command = ["sh", "-c", 'export ENGINE=$$; exec "$@"', "sh"]
    command += [sys.executable, "-m", "magnus", "execute", "-p", "parameters.json", *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAGNUS_")}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == expected, done.stderr


@pytest.fixture
def in_runs(made_runs: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in the folder of the made runs, to read only."""
    monkeypatch.chdir(made_runs)
    return made_runs


@pytest.fixture
def in_copy(made_runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a copy of that folder, to change things."""
    folder = tmp_path / "copy"
    shutil.copytree(made_runs, folder)
    monkeypatch.chdir(folder)
    return folder
