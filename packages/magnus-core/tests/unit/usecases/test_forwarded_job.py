"""Processes that run one forwarded job: `python -m magnus execute_single_node --job-from-stdin`, or `--job-from=...`."""

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
from magnus.engine.forwarding import (
    Forwarded,
    ForwardedJob,
    LineSorter,
    Told,
    own_version,
    read_told,
)
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

    def start(self, data: bytes, option: str = "--job-from-stdin") -> subprocess.Popen[bytes]:
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
                option,
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
    assert [told.is_last for told in ended.told] == [False, True]
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


def assert_ends(process_id: int) -> None:
    """Make sure that a process has ended, or ends now: one that was killed may take a moment to be gone."""
    until = time.monotonic() + PATIENCE_SECONDS
    while runs(process_id):
        assert time.monotonic() < until, f"the process {process_id} still runs"
        time.sleep(0.01)


def test_it_dies_with_all_that_it_started_when_its_stdin_is_closed(elsewhere: Elsewhere) -> None:
    """Nobody is left then who could stop it."""
    process = elsewhere.start(elsewhere.message("sleep 300 & echo $! > child; wait").encode())
    child = int(elsewhere.file("child"))
    assert runs(child)
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(PATIENCE_SECONDS) == -signal.SIGKILL
    assert_ends(child)


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
    assert_ends(child)
    assert "Traceback" not in ended.err


POST = """\
from pathlib import Path

from magnus.domain.capabilities import ExecutorCapabilities, Placement
from magnus.domain.run_log import Status
from magnus.errors import ServiceError
from magnus.plugins import AdapterSpec, hookimpl
from magnus.ports.executor import InteractiveExecutor, OrchestrationExecutor


class Unposted(InteractiveExecutor):
    @classmethod
    def capabilities(cls, options):
        return ExecutorCapabilities(Placement.REMOTE)

    def trigger_job(self, job, run_here):
        return Status.TRIGGERED


class Posted(Unposted):
    @classmethod
    def mailbox(cls, address):
        return Box(Path(address))


class Renders(OrchestrationExecutor):
    capabilities = Unposted.capabilities

    def render(self, graph, file):
        return ""


class Box:
    def __init__(self, path):
        self.path = path

    def read(self):
        if not self.path.exists():
            raise ServiceError(f"there is no letter {self.path}")
        return self.path.read_bytes()

    def answer(self, data):
        if self.path.with_name("closed").exists():
            raise ServiceError("the box is closed")
        self.path.with_name("answer").write_bytes(data)


@hookimpl
def magnus_executors():
    return [AdapterSpec(name.lower(), f"post_of_a_test:{name}", port_api=1) for name in ("Posted", "Unposted", "Renders")]
"""
"""A package with an executor whose jobs find their message in a file."""


class Post:
    """Processes whose message is in a mailbox, and to which nobody speaks."""

    def __init__(self, elsewhere: Elsewhere) -> None:
        """Install the package where those processes look for it."""
        self.elsewhere = elsewhere
        self.folder = elsewhere.folder
        self.letter = self.folder / "a: letter"
        self.answer = self.folder / "answer"
        (self.folder / "post_of_a_test.py").write_text(POST)
        installed = self.folder / "post_of_a_test-1.dist-info"
        installed.mkdir()
        (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: post-of-a-test\nVersion: 1\n")
        (installed / "entry_points.txt").write_text("[magnus]\nexecutor-post = post_of_a_test\n")

    def message(self, command: str | None, *, timeout: float | None = None, **changes: Any) -> Forwarded:
        """Return what an unattended job is told that runs *command* in a shell."""
        message = self.elsewhere.message(command, is_unattended=True, **changes)
        if timeout is None or message.job is None:
            return message
        node = {**message.job.node, "timeout": timeout}
        return message._replace(job=message.job._replace(node=node))

    def start(self, data: bytes | None, source: str = "") -> subprocess.Popen[bytes]:
        """Leave *data* in the mailbox, start a process, and close its stdin."""
        if data is not None:
            self.letter.write_bytes(data)
        process = self.elsewhere.start(b"", f"--job-from={source or f'posted:{self.letter}'}")
        assert process.stdin is not None
        process.stdin.close()
        return process

    def run(self, data: bytes | None, source: str = "") -> Ended:
        """Run a process to its end."""
        return self.elsewhere.ended(self.start(data, source))


@pytest.fixture
def post(elsewhere: Elsewhere) -> Post:
    """Return it."""
    return Post(elsewhere)


class TestMailbox:
    """A job that nobody speaks to: `--job-from=EXECUTOR:ADDRESS`."""

    @pytest.mark.parametrize("padding", [b"", b"\0" * 1000, b"{}"], ids=["none", "zeros", "another"])
    def test_the_message_is_what_is_in_the_mailbox(self, post: Post, padding: bytes) -> None:
        """What follows it there belongs to nobody: the messages of an array lie in places of equal size."""
        ended = post.run(post.message("echo said").encode() + padding)
        assert (ended.code, ended.out, ended.err) == (0, b"said\n", "")
        assert ended.told == [Told(has_begun=True), Told(has_begun=True, is_last=True)]
        assert post.elsewhere.recorded().status is Status.SUCCESS

    def test_a_step_that_fails_is_recorded(self, post: Post) -> None:
        """As one whose process is spoken to."""
        ended = post.run(post.message("exit 3").encode())
        assert ended.code == 1
        assert ended.told[-1].is_last
        assert post.elsewhere.recorded().attempts[0].exit_code == 3

    @pytest.mark.parametrize(
        ("source", "said"),
        [
            ("nobody-has-this:x", "nobody-has-this"),
            ("unposted:s3://b/k", "no mailbox at 's3://b/k'"),
            ("renders:x", "the executor 'renders' starts none"),
        ],
    )
    def test_an_executor_without_mailboxes_is_refused(self, post: Post, source: str, said: str) -> None:
        """In words, whoever calls it."""
        ended = post.run(None, source)
        assert (ended.code, ended.out) == (2, b"")
        assert said in ended.err
        assert "bug" not in ended.err

    @pytest.mark.parametrize(
        "data",
        [b"", b"abc", (5).to_bytes(8) + b"hello", (2).to_bytes(8) + b"{}", (10**12).to_bytes(8) + b"{}"],
        ids=["nothing", "too short", "no JSON", "no fields", "cut off"],
    )
    def test_what_is_no_message_is_refused(self, post: Post, data: bytes) -> None:
        """The mailbox is named."""
        ended = post.run(data)
        assert (ended.code, ended.out, ended.told) == (2, b"", [])
        assert f"--job-from=posted:{post.letter} is for processes that magnus starts: " in ended.err

    def test_a_mailbox_that_cannot_be_read_is_a_failure_of_the_service(self, post: Post) -> None:
        """Nothing was begun."""
        ended = post.run(None)
        assert (ended.code, ended.told) == (3, [])
        assert f"there is no letter {post.letter}" in ended.err

    def test_a_refusal_is_told_as_the_last_word(self, post: Post) -> None:
        """Its reader need not wait for more."""
        ended = post.run(post.message("true", version="0.0.1").encode())
        (told,) = ended.told
        assert (ended.code, told.has_begun, told.is_last) == (2, False, True)
        assert "0.0.1" in told.refusal

    def test_a_rehearsal_needs_no_answer(self, post: Post) -> None:
        """It ends as one that is spoken to."""
        ended = post.run(post.message(None).encode())
        assert (ended.code, ended.told) == (0, [Told(has_begun=True, is_last=True)])


class TestAnswer:
    """What is secret goes back through the mailbox: anybody may read a job's stdout."""

    def asking(self, post: Post, **changes: Any) -> bytes:
        """Return the message of a step that is handed a secret."""
        (post.folder / "secrets.env").write_text("TOKEN=a-long-secret\n")
        secrets = {"type": "dotenv", "config": {"location": str(post.folder / "secrets.env")}}
        (post.folder / "ask.py").write_text(
            "import magnus\ndef ask():\n    print(magnus.get_secret('TOKEN'))\n"
        )
        node = {"type": "task", "command": "ask.ask", "next": "done"}
        configuration = {**post.elsewhere.blocks, "secrets": secrets}
        job = ForwardedJob("run", "", "fit", 1, (), node)
        return post.message(None, configuration=configuration, job=job, **changes).encode()

    def test_secrets_are_left_in_the_mailbox_and_said_nowhere_else(self, post: Post) -> None:
        """That they are there is told, in the last line."""
        process = post.start(self.asking(post))
        assert process.stdout is not None
        everything = process.stdout.read()
        assert process.wait(PATIENCE_SECONDS) == 0
        assert b"a-long-secret" not in everything
        out, told = LineSorter(MARK).feed(everything)
        assert out == b"***\n"
        assert told == [Told(has_begun=True), Told(has_begun=True, has_answer=True, is_last=True)]
        assert read_told(post.answer.read_bytes()) == Told(has_begun=True, secrets=("a-long-secret",))

    def test_what_the_other_side_knows_is_no_answer(self, post: Post) -> None:
        """Nothing is left for nothing."""
        ended = post.run(self.asking(post, secrets=("a-long-secret",)))
        assert (ended.code, ended.told[-1]) == (0, Told(has_begun=True, is_last=True))
        assert not post.answer.exists()

    def test_an_answer_that_cannot_be_left_fails_nothing(self, post: Post) -> None:
        """The step has done its work; the secret is said nowhere else for it."""
        (post.folder / "closed").touch()
        ended = post.run(self.asking(post))
        assert (ended.code, ended.told[-1]) == (0, Told(has_begun=True, is_last=True))
        assert "a-long-secret" not in ended.err
        assert post.elsewhere.recorded().status is Status.SUCCESS


class TestTimeLimit:
    """A job keeps the `timeout` of its step itself, whether it is watched or not."""

    def test_an_attempt_that_takes_too_long_is_ended_with_all_that_it_started(self, post: Post) -> None:
        """What was printed is shown, and the run log says why."""
        command = "echo said; sleep 300 & echo $! > child; wait"
        ended = post.run(post.message(command, timeout=1).encode())
        assert (ended.code, ended.out) == (1, b"said\n")
        assert_ends(int(post.elsewhere.file("child")))
        assert post.elsewhere.recorded().attempts[0].failure == ["timeout"]

    def test_it_may_save_what_it_has_done(self, elsewhere: Elsewhere) -> None:
        """After SIGTERM there is a grace."""
        command = "trap 'sleep 1; echo saved; exit 1' TERM; sleep 300 & wait"
        message = elsewhere.message(command)
        assert message.job is not None
        node = {**message.job.node, "timeout": 1}
        ended = elsewhere.run(message._replace(job=message.job._replace(node=node)))
        assert (ended.code, ended.out) == (1, b"saved\n")
        assert elsewhere.recorded().message == "timed out after 1 s"

    def test_an_attempt_within_its_time_ends_as_it_does(self, post: Post) -> None:
        """It does not wait for the end of the time."""
        ended = post.run(post.message("true", timeout=300).encode())
        assert (ended.code, ended.told[-1]) == (0, Told(has_begun=True, is_last=True))


def test_a_step_that_nobody_watches_does_not_record_that_it_was_asked_to_end(post: Post) -> None:
    """Its host may be taken away, and the attempt begin anew elsewhere; nothing is left of what it started."""
    process = post.start(post.message("sleep 300 & echo $! > child; wait").encode())
    child = int(post.elsewhere.file("child"))
    process.send_signal(signal.SIGTERM)
    ended = post.elsewhere.ended(process)
    assert ended.code == 1
    assert ended.told[-1].is_last
    assert post.elsewhere.recorder.get_step_log("fit") is None
    assert_ends(child)
    assert "Traceback" not in ended.err
