"""Processes that run one forwarded job: `python -m magnus execute_single_node --job-from-stdin`."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from magnus.bootstrap import Setup
from magnus.definition.config import config_from_mapping
from magnus.domain.run_log import RunLog, Status, StepLog
from magnus.engine.forwarding import Forwarded, ForwardedJob, LineSorter, Told, own_version
from magnus.engine.masking import Masker
from magnus.engine.recorder import RunRecorder
from magnus.plugins.discovery import find_plugins
from magnus.plugins.manager import AdapterManager

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("default_adapters")

MARK = "0123456789abcdef"
PATIENCE_SECONDS = 30.0


class Elsewhere:
    """A run in a folder, and processes that take jobs of it."""

    def __init__(self, folder: Path) -> None:
        """Begin the run."""
        self.folder = folder
        self.blocks = {
            "executor": {"type": "local"},
            "run_log_store": {"type": "file-system", "config": {"log_folder": str(folder / "runs")}},
            "catalog": {"type": "file-system", "config": {"catalog_location": str(folder / "kept")}},
        }
        adapters = AdapterManager(find_plugins())
        self.services = Setup(config_from_mapping(self.blocks, adapters), adapters).build_services()
        self.recorder = RunRecorder(self.services.run_log_store, "run", Masker())
        self.recorder.create_run_log(RunLog("run"), {})
        self._started: list[subprocess.Popen[bytes]] = []

    def message(self, command: str | None, **changes: Any) -> Forwarded:
        """Return what a job is told that runs *command* in a shell; None for a rehearsal."""
        job = None
        if command is not None:
            node = {"type": "task", "command_type": "shell", "command": command, "next": "done"}
            job = ForwardedJob("run", "night", "fit", 1, (), node)
        message = Forwarded(own_version(), MARK, self.blocks, inside_compute=False, job=job)
        return message._replace(**changes)

    def start(self, data: bytes) -> subprocess.Popen[bytes]:
        """Start a process and let it read *data*; its stdin is left open."""
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "magnus",
                "execute_single_node",
                "--step-name",
                "fit",
                "--run-id",
                "run",
                "--job-from-stdin",
            ],
            cwd=self.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._started.append(process)
        assert process.stdin is not None
        process.stdin.write(data)
        process.stdin.flush()
        return process

    def ended(self, process: subprocess.Popen[bytes]) -> Ended:
        """Wait for the end of *process*, while its stdin is open."""
        assert process.stdout is not None
        assert process.stderr is not None
        # Little is written, so that one stream can be read after the other.
        sorter = LineSorter(MARK)
        out, told = sorter.feed(process.stdout.read())
        err = process.stderr.read().decode()
        return Ended(process.wait(PATIENCE_SECONDS), out + sorter.flush(), err, told)

    def run(self, message: Forwarded) -> Ended:
        """Run a process to its end."""
        return self.ended(self.start(message.encode()))

    def recorded(self) -> StepLog:
        """Return what the step has recorded."""
        step = self.recorder.get_step_log("fit")
        assert step is not None
        return step

    def file(self, name: str) -> str:
        """Return the text of a file that a job makes, as soon as it is there."""
        path, until = self.folder / name, time.monotonic() + PATIENCE_SECONDS
        while not path.exists() or not (text := path.read_text(encoding="utf-8")).endswith("\n"):
            assert time.monotonic() < until, f"no job made the file {name}"
            time.sleep(0.01)
        return text

    def close(self) -> None:
        """Leave nothing running."""
        for process in self._started:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    stream.close()
            process.wait()
        self.services.close()


class Ended:
    """How a process ended, and what came back from it."""

    def __init__(self, code: int, out: bytes, err: str, told: list[Told]) -> None:
        """Keep it."""
        self.code = code
        self.out = out
        self.err = err
        self.told = told


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Elsewhere]:
    """Return it."""
    made = Elsewhere(tmp_path)
    yield made
    made.close()


def test_a_step_is_run_recorded_and_its_output_kept(elsewhere: Elsewhere) -> None:
    """Its begin is told before it prints; who reads that puts the name of the step before the lines."""
    command = 'echo said; echo careful >&2; echo "made=3" >> "$MAGNUS_OUTPUT_PARAMETERS"'
    ended = elsewhere.run(elsewhere.message(command))
    assert (ended.code, ended.out, ended.err) == (0, b"said\n", "careful\n")
    assert ended.told[0] == Told(has_begun=True)
    step = elsewhere.recorded()
    assert (step.status, step.output_parameters) == (Status.SUCCESS, {"made": 3})
    assert [attempt.attempt_number for attempt in step.attempts] == [1]
    assert [entry.name for entry in step.data_catalog if entry.stage == "log"]


def test_a_step_that_fails_is_recorded_and_ends_with_1(elsewhere: Elsewhere) -> None:
    """No message of ours is on stderr: whoever traverses shows it."""
    ended = elsewhere.run(elsewhere.message("exit 3"))
    assert (ended.code, ended.out, ended.err) == (1, b"", "")
    assert elsewhere.recorded().attempts[0].exit_code == 3


def test_an_attempt_that_is_recorded_is_not_run_again(elsewhere: Elsewhere) -> None:
    """A compute that loses a host may start the same job once more, after it had done its work."""
    message = elsewhere.message("echo ran >> ran; exit 3")
    codes = [elsewhere.run(message).code for _ in range(2)]
    assert codes == [1, 1]
    assert elsewhere.file("ran") == "ran\n"
    assert [attempt.exit_code for attempt in elsewhere.recorded().attempts] == [3]


def test_the_run_the_tag_and_the_attempt_are_those_that_were_told(elsewhere: Elsewhere) -> None:
    """What follows a node that fails is not needed to run it, and not there."""
    (elsewhere.folder / "look.py").write_text(
        "import magnus\ndef look():\n    print(magnus.get_run_id(), magnus.get_tag())\n"
    )
    node = {"type": "task", "command": "look.look", "next": "done", "on_failure": "mend"}
    job = ForwardedJob("run", "night", "fit", 2, (("item", "x y"),), node)
    ended = elsewhere.run(elsewhere.message(None, job=job))
    assert ended.out == b"run night\n", ended.err
    assert [attempt.attempt_number for attempt in elsewhere.recorded().attempts] == [2]


def test_the_items_of_the_maps_around_it_reach_a_child_process(elsewhere: Elsewhere) -> None:
    """As in any step of a map."""
    job = elsewhere.message("echo $MAGNUS_PRM_MAP_VARIABLE").job
    assert job is not None
    ended = elsewhere.run(elsewhere.message(None, job=job._replace(map_variable=(("item", "x y"),))))
    assert ended.out == b'{"item":"x y"}\n', ended.err


def test_a_task_has_nothing_to_read(elsewhere: Elsewhere) -> None:
    """The job's own stdin is not the task's."""
    ended = elsewhere.run(elsewhere.message("cat; echo end"))
    assert (ended.code, ended.out) == (0, b"end\n")


@pytest.mark.parametrize("version", ["0.0.1", own_version() + ".post1"])
def test_another_version_is_refused_with_both_named(elsewhere: Elsewhere, version: str) -> None:
    """Told to the other side, and said to whoever reads stderr; nothing was run."""
    ended = elsewhere.run(elsewhere.message("touch ran", version=version))
    refusal = (
        f"here is magnus-core {own_version()}, but the run was started by {version}; "
        "install the same version in both places (an image: build it again)"
    )
    assert (ended.code, ended.told) == (2, [Told(refusal=refusal, is_last=True)])
    assert refusal in ended.err
    assert "Traceback" not in ended.err
    assert not (elsewhere.folder / "ran").exists()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"abc",
        b"echo hello; echo this is no message",
        (5).to_bytes(8) + b"hello",
        (2).to_bytes(8) + b"{}",
        (10).to_bytes(8) + b"{}",
        b"\xff" * 100,
    ],
    ids=["nothing", "too short", "text", "no JSON", "no fields", "cut off", "binary"],
)
def test_what_is_no_message_ends_with_2_and_one_line(elsewhere: Elsewhere, data: bytes) -> None:
    """A person who tries the option by hand learns what it is for."""
    process = elsewhere.start(data)
    assert process.stdin is not None
    process.stdin.close()
    ended = elsewhere.ended(process)
    assert (ended.code, ended.out, ended.told) == (2, b"", [])
    (line,) = ended.err.splitlines()
    assert "--job-from-stdin is for processes that magnus starts: " in line


def test_a_configuration_that_cannot_be_used_here_is_refused_with_its_problem(elsewhere: Elsewhere) -> None:
    """An adapter may be missing in the image."""
    blocks = {**elsewhere.blocks, "secrets": {"type": "nobody-has-this"}}
    ended = elsewhere.run(elsewhere.message("true", configuration=blocks))
    (told,) = ended.told
    assert (ended.code, told.has_begun) == (2, False)
    assert "nobody-has-this" in told.refusal
    assert "Traceback" not in ended.err


class TestPrivately:
    """What was handed over unseen."""

    def test_private_files_are_for_the_user_alone(self, elsewhere: Elsewhere, tmp_path: Path) -> None:
        """Byte by byte; their folder is made."""
        path = tmp_path / "private" / "deep" / "f"
        message = elsewhere.message(f"wc -c < {path}", private_files={str(path): b"\0\xff\n"})
        ended = elsewhere.run(message)
        assert (ended.code, ended.out.strip()) == (0, b"3")
        assert path.read_bytes() == b"\0\xff\n"
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o077 == 0

    def test_a_file_that_cannot_be_kept_is_refused_without_its_content(self, elsewhere: Elsewhere) -> None:
        """A failure of the place and not of the user."""
        message = elsewhere.message("true", private_files={"/proc/no/f": b"canary"})
        ended = elsewhere.run(message)
        (told,) = ended.told
        assert ended.code == 3
        assert told.refusal.startswith("what must not be seen outside could not be kept in /proc/no: ")
        assert "canary" not in ended.err

    def test_private_variables_reach_the_task(self, elsewhere: Elsewhere) -> None:
        """And secrets that the other side knows are hidden here already."""
        message = elsewhere.message(
            "echo $MINE $THEIRS",
            private_environment={"MINE": "arrived", "THEIRS": "hunter2"},
            secrets=("hunter2",),
        )
        ended = elsewhere.run(message)
        assert (ended.code, ended.out) == (0, b"arrived ***\n")

    def test_secrets_that_the_task_was_handed_are_told_back(
        self, elsewhere: Elsewhere, tmp_path: Path
    ) -> None:
        """So that the other side hides them, too."""
        (tmp_path / "secrets.env").write_text("TOKEN=a-long-secret\n")
        secrets = {"type": "dotenv", "config": {"location": str(tmp_path / "secrets.env")}}
        (tmp_path / "ask.py").write_text("import magnus\ndef ask():\n    print(magnus.get_secret('TOKEN'))\n")
        node = {"type": "task", "command": "ask.ask", "next": "done"}
        message = elsewhere.message(
            None,
            configuration={**elsewhere.blocks, "secrets": secrets},
            job=ForwardedJob("run", "", "fit", 1, (), node),
        )
        ended = elsewhere.run(message)
        assert (ended.code, ended.out) == (0, b"***\n"), ended.err
        assert "a-long-secret" in ended.told[-1].secrets

    def test_a_process_of_the_same_machine_imports_as_its_sender_does(
        self, elsewhere: Elsewhere, tmp_path: Path
    ) -> None:
        """Modules from wherever the sender found them."""
        (tmp_path / "far").mkdir()
        (tmp_path / "far" / "work.py").write_text("def f():\n    print('found')\n")
        node = {"type": "task", "command": "work.f", "next": "done"}
        message = elsewhere.message(None, job=ForwardedJob("run", "", "fit", 1, (), node))
        ended = elsewhere.run(message._replace(search_path=(*sys.path, str(tmp_path / "far"))))
        assert (ended.code, ended.out) == (0, b"found\n")


class TestRehearsal:
    """A process that only tries whether a step could run."""

    def test_it_says_that_it_began_and_runs_nothing(self, elsewhere: Elsewhere) -> None:
        """The run log is as it was."""
        ended = elsewhere.run(elsewhere.message(None))
        assert (ended.code, ended.out, ended.told) == (0, b"", [Told(has_begun=True, is_last=True)])
        assert elsewhere.recorder.get_step_log("fit") is None

    def test_a_server_that_answers_is_enough(self, elsewhere: Elsewhere) -> None:
        """Whatever it says."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            address = ("127.0.0.1", server.getsockname()[1])
            assert elsewhere.run(elsewhere.message(None, endpoints=(address,))).code == 0

    def test_a_server_that_does_not_answer_is_named(self, elsewhere: Elsewhere) -> None:
        """With host and port, and why."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        ended = elsewhere.run(elsewhere.message(None, endpoints=(("127.0.0.1", port),)))
        refusal = f"127.0.0.1:{port} does not answer: Connection refused"
        assert (ended.code, ended.told) == (3, [Told(refusal=refusal, is_last=True)])

    def test_a_step_does_not_try_what_the_rehearsal_has_tried(self, elsewhere: Elsewhere) -> None:
        """That would cost every step."""
        assert elsewhere.run(elsewhere.message("true", endpoints=(("127.0.0.1", 1),))).code == 0


def runs(process_id: int) -> bool:
    """Tell whether a process does anything; one that nobody has waited for does not."""
    try:
        os.kill(process_id, 0)
        stat = Path(f"/proc/{process_id}/stat").read_text(encoding="utf-8")
    except (ProcessLookupError, FileNotFoundError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def test_it_dies_with_all_that_it_started_when_its_stdin_is_closed(elsewhere: Elsewhere) -> None:
    """Nobody is left then who could stop it."""
    process = elsewhere.start(elsewhere.message("sleep 300 & echo $! > child; wait").encode())
    child = int(elsewhere.file("child"))
    assert runs(child)
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(PATIENCE_SECONDS) == -signal.SIGKILL
    until = time.monotonic() + PATIENCE_SECONDS
    while runs(child):
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_step_that_is_asked_to_end_records_that_it_was_interrupted(elsewhere: Elsewhere) -> None:
    """It ends as a failed step does, with nothing left of what it started."""
    process = elsewhere.start(elsewhere.message("sleep 300 & echo $! > child; wait").encode())
    child = int(elsewhere.file("child"))
    process.send_signal(signal.SIGTERM)
    ended = elsewhere.ended(process)
    assert ended.code == 1
    step = elsewhere.recorded()
    assert (step.status, step.attempts[0].status) == (Status.FAIL, Status.FAIL)
    assert "interrupted" in step.message
    assert not runs(child)
    assert "Traceback" not in ended.err
