"""`magnus emulate`: finds who interprets a file, and runs its commands as processes."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from magnus.errors import ConfigurationError, ServiceError
from magnus.plugins import AdapterSpec, hookimpl
from magnus.ports.emulator import CommandEnd, ContainerCommand, Emulator

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.cli.conftest import Said

    from magnus.ports.emulator import EmulatedCompute

FAKES = "magnus_emulate_fakes"
FIRST_LINE = "lines of sh"
ends: dict[str, CommandEnd] = {}


class Lines(Emulator):
    """Runs lines of sh, all at once: a name, a limit in seconds or `-`, and the command."""

    @classmethod
    def recognises(cls, text: str) -> bool:
        """Look at the first line."""
        return text.startswith(f"{FIRST_LINE}\n")

    def __init__(self, text: str, path: str) -> None:
        """Take the lines."""
        lines = text.splitlines()[1:]
        if any(len(line.split(maxsplit=2)) != 3 for line in lines):
            raise ConfigurationError(f"{path}: a line has three parts")
        self._lines = [line.split(maxsplit=2) for line in lines]

    def run(self, run_id: str, compute: EmulatedCompute) -> bool:
        """Run the lines beside each other."""
        with ThreadPoolExecutor() as pool:
            found = pool.map(lambda line: (line[0], self._run(line, run_id, compute)), self._lines)
            ends.update(found)
        return all(end.exit_code == 0 for end in ends.values())

    def _run(self, line: list[str], run_id: str, compute: EmulatedCompute) -> CommandEnd:
        name, limit, text = line
        arguments = ("sh", "-c", text) if text != "nothing" else ("no-such-program",)
        environment = {"RUN": run_id, "SET": "by the file"}
        timeout = None if limit == "-" else float(limit)
        return compute.run(ContainerCommand(arguments, name, "", environment, timeout))


@hookimpl
def magnus_emulators() -> list[AdapterSpec]:
    """Offer it."""
    return [AdapterSpec("lines", f"{FAKES}:Lines", port_api=1)]


@pytest.fixture
def emulate(
    install: Callable[..., None], magnus: Callable[..., Said], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Said]:
    """Return a function that writes a file of lines and has it emulated."""
    install(FAKES, Lines=Lines, magnus_emulators=magnus_emulators)
    monkeypatch.chdir(tmp_path)
    ends.clear()

    def call(*lines: str, options: tuple[str, ...] = ()) -> Said:
        (tmp_path / "file").write_text("\n".join([FIRST_LINE, *lines]) + "\n")
        return magnus("emulate", "file", *options)

    return call


def test_commands_run_with_this_environment_and_that_of_the_file(
    emulate: Callable[..., Said], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That of the file counts more than what is given, and that more than this one. The run has the id that was given."""
    monkeypatch.setenv("HERE", "here")
    monkeypatch.setenv("GIVEN", "here")
    given = ("-e", "GIVEN=given=", "-e", "SET=given", "--environment", "HERE", "--run-id", "one")
    assert emulate('a - echo "$HERE $GIVEN $SET $RUN" >said', options=given).code == 0
    assert (tmp_path / "said").read_text() == "here given= by the file one\n"


def test_magnus_is_found_where_no_path_leads_to_it(
    emulate: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a virtual environment that nobody has activated."""
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    assert emulate("a - magnus --version").code == 0
    assert ends["a"] == CommandEnd(0)


def test_the_exit_code_is_that_of_the_run(emulate: Callable[..., Said]) -> None:
    """Of a command that a signal killed it is what a shell makes of it."""
    assert emulate("good - true", "bad - exit 3", "killed - kill -9 $$").code == 1
    assert ends == {"good": CommandEnd(0), "bad": CommandEnd(3), "killed": CommandEnd(137)}


def test_a_command_whose_time_is_over_is_ended_with_all_that_it_has_started(
    emulate: Callable[..., Said], tmp_path: Path
) -> None:
    """Others go on."""
    assert emulate("slow 0.3 sleep 60 & echo $! >pid; wait", "other - sleep 0.6; touch there").code == 1
    assert (ends["slow"].timed_out, ends["other"]) == (True, CommandEnd(0))
    listing = subprocess.run(
        ["ps", "-o", "stat=", "-p", (tmp_path / "pid").read_text().strip()],
        capture_output=True,
        text=True,
        check=False,
    )
    assert listing.stdout.strip()[:1] in ("", "Z")  # nobody may collect what has ended
    assert (tmp_path / "there").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_what_runs(
    number: signal.Signals, emulate: Callable[..., Said], tmp_path: Path
) -> None:
    """With one sentence and the exit code of an interrupt."""

    def interrupt() -> None:
        until = time.monotonic() + 30
        while not all((tmp_path / name).exists() for name in "ab") and time.monotonic() < until:
            time.sleep(0.01)
        os.kill(os.getpid(), number)

    sender = threading.Thread(target=interrupt)
    sender.start()
    began = time.monotonic()
    said = emulate("a - touch a; sleep 60", "b - touch b; sleep 60")
    sender.join()
    assert said.code == 130
    assert said.err.splitlines()[-1].endswith(
        f"the emulation was interrupted by {number.name}; what ran has been ended"
    )
    assert time.monotonic() - began < 30
    assert signal.getsignal(number) is not None


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        (("--run-id", "-x"), 2, "the run id '-x' cannot be used"),
        (("-e", "NO_SUCH_VARIABLE"), 2, "--environment NO_SUCH_VARIABLE: there is no such variable here"),
        (("--containers",), 3, "'a' names no image to run in; run it without --containers"),
    ],
)
def test_wrong_options(
    options: tuple[str, ...], code: int, sentence: str, emulate: Callable[..., Said]
) -> None:
    """One sentence each, and nothing runs."""
    said = emulate("a - touch there", options=options)
    assert (said.code, sentence in said.err, "Traceback" in said.err) == (code, True, False)
    assert not os.path.exists("there")  # noqa: PTH110


def test_a_program_that_is_not_there(emulate: Callable[..., Said]) -> None:
    """It is named."""
    said = emulate("a - nothing")
    assert (said.code, "'no-such-program' cannot be started: No such file" in said.err) == (3, True)


def test_a_file_that_nobody_knows(
    emulate: Callable[..., Said], magnus: Callable[..., Said], tmp_path: Path
) -> None:
    """It, and what could be read instead."""
    (tmp_path / "other").write_bytes(b"\xff")
    (tmp_path / "text").write_text("dag: {}\n")
    for name, sentence in (
        ("other", "other cannot be read: it is no text"),
        ("none", "none cannot be read: No such file or directory"),
        ("text", "text is nothing that can be emulated; "),
    ):
        said = magnus("emulate", name)
        assert (said.code, sentence in said.err) == (2, True), said.err
    assert emulate("a line").code == 2


def test_containers_get_what_they_were_given(
    emulate: Callable[..., Said], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the names of variables, so that nobody who lists processes sees values."""
    from magnus.engine.emulation import ContainerCompute

    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text('#!/bin/sh\nprintf "%s\\n" "$@" >arguments; echo "$ONE $TWO" >values\n')
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{docker.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    compute = ContainerCompute(tmp_path / "folder", {"ONE": "1", "TWO": "1"}, print)
    assert compute.run(ContainerCommand(("a", "b c"), "step", "image:1", {"TWO": "2"})) == CommandEnd(0)
    arguments = (tmp_path / "arguments").read_text().splitlines()
    assert arguments[-8:] == ["--env", "ONE", "--env", "TWO", "--entrypoint", "a", "image:1", "b c"]
    assert (tmp_path / "values").read_text() == "1 2\n"
    with pytest.raises(ServiceError, match="names no image"):
        compute.run(ContainerCommand(("a",), "step"))
