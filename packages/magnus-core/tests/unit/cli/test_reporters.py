from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from magnus.cli.reporters import make_reporter, resume_command
from magnus.domain.run_log import RunLog, Status, StepAttempt, StepLog
from magnus.engine.terminal import Terminal
from magnus.usecases.outcome import Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from magnus.engine.reporting import Reporter

PIPELINE = """\
dag:
  start_at: only
  steps:
    only: {type: task, command_type: shell, command: 'echo said; test -z "$MAGNUS_PRM_wrong"', next: done}
    done: {type: success}
    failed: {type: fail}
"""


def ended(name: str, status: Status, message: str = "") -> StepLog:
    """Return the log of a step that took two seconds."""
    return StepLog(
        name, name, status, message=message, attempts=[StepAttempt(1, "", duration=2.0, status=status)]
    )


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Callable[[Callable[[Reporter], None]], str]:
    """Return a function that gives what a reporter writes while something is done with it."""

    def tell(happens: Callable[[Reporter], None], resume: str = "") -> str:
        with Terminal() as terminal:
            happens(make_reporter(terminal, "INFO", resume))
        return capsys.readouterr().err

    return tell


class TestLines:
    """What is said where no one watches."""

    def test_one_step_is_counted_as_one_step(self, told: Callable[..., str]) -> None:
        """The number and the word agree."""

        def happens(reporter: Reporter) -> None:
            reporter.step_ended(ended("a", Status.SUCCESS))
            reporter.run_ended(RunLog("r", status=Status.SUCCESS))

        assert told(happens) == "a: SUCCESS in 2.0 s\nrun r: SUCCESS (1 step)\n"

    def test_a_failed_run_says_how_many_failed_and_what_to_type_next(self, told: Callable[..., str]) -> None:
        """Both commands can be copied as they stand."""

        def happens(reporter: Reporter) -> None:
            reporter.step_ended(ended("a", Status.SUCCESS))
            reporter.step_ended(ended("b", Status.FAIL, "it broke"))
            reporter.run_ended(RunLog("r", status=Status.FAIL))

        assert told(happens, "magnus execute -f p.yaml --use-cached").splitlines()[1:] == [
            "b: FAIL in 2.0 s: it broke",
            "run r: FAIL (2 steps, 1 failed)",
            "look:   magnus runs show r",
            "resume: magnus execute -f p.yaml --use-cached r",
        ]

    def test_a_step_that_begins_is_not_told(self, told: Callable[..., str]) -> None:
        """Logs of other programs stay short."""
        assert told(lambda reporter: reporter.step_started(StepLog("a", "a"), 1)) == ""


class TestResumeCommand:
    """What to type to continue a run."""

    def test_it_names_the_files_of_the_run(self) -> None:
        """Names that a shell would take apart are quoted."""
        request = Request(pipeline_file="my flow.yaml", config_file="config.yaml")
        assert resume_command(request) == "magnus execute -f 'my flow.yaml' -c config.yaml --use-cached"

    def test_a_run_without_a_pipeline_file_has_none(self) -> None:
        """A single notebook or function is simply run again."""
        assert resume_command(Request()) == ""


def execute(folder: Path, shell: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Type *shell*, in which `magnus` is this magnus, in *folder* with the pipeline there."""
    (folder / "pipeline.yaml").write_text(PIPELINE, encoding="utf-8")
    return subprocess.run(
        ["/bin/sh", "-c", shell.replace("magnus", f"'{sys.executable}' -m magnus")],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.startswith("MAGNUS_")} | variables,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.usefixtures("default_adapters")
class TestTerminal:
    """What is said on a terminal."""

    @staticmethod
    def on_terminal(folder: Path, **variables: str) -> str:
        """Return what a person sees of a run."""
        (folder / "pipeline.yaml").write_text(PIPELINE, encoding="utf-8")
        reader, terminal = pty.openpty()
        environment = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "TERM"}}
        done = subprocess.Popen(
            [sys.executable, "-m", "magnus", "execute"],
            cwd=folder,
            env=environment | {"TERM": "xterm"} | variables,
            stdin=subprocess.DEVNULL,
            stdout=terminal,
            stderr=terminal,
        )
        os.close(terminal)
        seen = b""
        while True:
            try:
                data = os.read(reader, 65_536)
            except OSError:  # Linux says so when the other end is closed
                break
            if not data:
                break
            seen += data
        os.close(reader)
        assert done.wait() == 0
        return seen.decode().replace("\r\n", "\n")

    def test_a_step_is_told_when_it_begins(self, tmp_path: Path) -> None:
        """Who watches sees what is taking so long."""
        shown = re.sub(r"\x1b\[\d*m", "", self.on_terminal(tmp_path)).splitlines()
        assert shown[1:3] == ["only: started", "only | said"]

    @pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
    def test_there_are_no_colours_where_they_are_not_wanted(
        self, tmp_path: Path, variables: dict[str, str]
    ) -> None:
        """No escape sequence is written."""
        assert "\x1b" not in self.on_terminal(tmp_path, **variables)

    def test_success_is_green(self, tmp_path: Path) -> None:
        """Colours are there where nothing speaks against them."""
        assert "\x1b[32mSUCCESS\x1b[0m" in self.on_terminal(tmp_path)


@pytest.mark.usefixtures("default_adapters")
class TestStreams:
    """Standard streams that are closed or full."""

    @pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-"])
    def test_a_run_does_not_need_them(self, closed: str, tmp_path: Path) -> None:
        """What is closed leads nowhere, and the step's output is kept all the same."""
        done = execute(tmp_path, f"magnus execute --run-id r {closed}")
        assert done.returncode == 0, done.stderr
        assert execute(tmp_path, "magnus runs logs r").stdout == "said\n"

    def test_a_disk_that_is_full_ends_no_run(self, tmp_path: Path) -> None:
        """Output is in the catalog, too."""
        if not Path("/dev/full").exists():
            pytest.skip("this system has no /dev/full")
        assert execute(tmp_path, "magnus execute --run-id r >/dev/full 2>/dev/full").returncode == 0

    def test_a_reader_that_leaves_ends_no_run(self, tmp_path: Path) -> None:
        """`magnus execute | head -1` runs the pipeline to its end."""
        execute(tmp_path, "magnus execute --run-id r 2>&1 | head -c 1")
        assert "run r: SUCCESS" in execute(tmp_path, "magnus runs show r").stdout


class TestMisspeltCommand:
    """A command that there is not."""

    def test_the_nearest_one_is_named(self, tmp_path: Path) -> None:
        """Exit code 2, as for all that is wrong in the input."""
        done = execute(tmp_path, "magnus exceute")
        assert done.returncode == 2
        assert "No such command 'exceute'. Did you mean 'execute'?" in done.stderr
