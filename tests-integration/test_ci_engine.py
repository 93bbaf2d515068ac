"""The engine that `.ci/engine` starts is the one that it ends; one that ran before is left running."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from textwrap import dedent

import pytest
from harness import wait_for

SCRIPT = Path(__file__).parents[1] / ".ci" / "engine"

DOCKER = """\
    #!/bin/sh
    [ "$1" != info ] || [ -e '{folder}/answers' ]
    """
DOCKERD = """\
    #!/bin/sh
    echo $$ >>'{folder}/started'
    trap 'rm "{folder}/answers"; exit' TERM
    touch '{folder}/answers'
    while :; do sleep 0.01; done
    """
BROKEN_DOCKERD = """\
    #!/bin/sh
    echo 'no iptables here'
    exit 1
    """


class Machine:
    """A folder with programs that play the engine: `docker info` answers while the file `answers` exists."""

    def __init__(self, folder: Path) -> None:
        """Have an engine that can be started, and does not run."""
        self.folder = folder
        (folder / "bin").mkdir()
        self.program("docker", DOCKER)
        self.program("dockerd", DOCKERD)

    def program(self, name: str, text: str) -> None:
        """Write an executable."""
        path = self.folder / "bin" / name
        path.write_text(dedent(text).format(folder=self.folder), encoding="utf-8")
        path.chmod(0o755)

    def engine(self, command: str) -> subprocess.CompletedProcess[str]:
        """Call the script."""
        return subprocess.run(
            [SCRIPT, command, self.folder],
            env=os.environ | {"PATH": f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"},
            capture_output=True,
            text=True,
            check=False,
        )

    def answers(self) -> bool:
        """Tell whether the engine runs."""
        return (self.folder / "answers").exists()

    def started(self) -> list[str]:
        """Return the process ids of all engines that were started."""
        path = self.folder / "started"
        return path.read_text(encoding="utf-8").split() if path.exists() else []


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Return a machine on which no engine runs."""
    return Machine(tmp_path)


def test_an_engine_is_started_once_and_ended(machine: Machine) -> None:
    """The second `start` uses the engine of the first; `stop` ends it, and a second `stop` has nothing to do."""
    for _ in range(2):
        done = machine.engine("start")
        assert done.returncode == 0, done.stderr
        assert machine.answers()
    (pid,) = machine.started()
    for _ in range(2):
        done = machine.engine("stop")
        assert done.returncode == 0, done.stderr
        assert not machine.answers()
    wait_for(lambda: not Path("/proc", pid).exists(), 5, "the engine's process to be gone")


def test_an_engine_that_ran_before_is_left_running(machine: Machine) -> None:
    """Neither `start` nor `stop` touches it."""
    (machine.folder / "answers").touch()
    assert machine.engine("start").returncode == 0
    assert machine.engine("stop").returncode == 0
    assert machine.answers()
    assert machine.started() == []


def test_an_engine_that_does_not_start_says_why(machine: Machine) -> None:
    """The end of its log is shown, and no process id is kept."""
    machine.program("dockerd", BROKEN_DOCKERD)
    done = machine.engine("start")
    assert done.returncode == 1
    assert "no iptables here" in done.stderr
    assert not (machine.folder / "dockerd.pid").exists()


def test_a_process_id_of_another_program_is_no_engine(machine: Machine) -> None:
    """A number that was given out again does not have its new owner ended."""
    (machine.folder / "dockerd.pid").write_text(str(os.getpid()), encoding="utf-8")
    assert machine.engine("stop").returncode == 0
