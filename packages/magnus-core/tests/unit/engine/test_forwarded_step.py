from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from magnus.builtin.do_nothing import DoNothingCatalog
from magnus.domain.capabilities import Isolation
from magnus.domain.jobs import Job
from magnus.domain.nodes import Node
from magnus.engine.forwarded_step import ForwardedStep
from magnus.engine.forwarding import Forwarded, ForwardedJob, Told, decode, own_version
from magnus.engine.interrupt import Interrupts
from magnus.engine.masking import Masker
from magnus.engine.reporting import SilentReporter
from magnus.engine.workspaces import Workspaces
from magnus.ports.executor import ComputeNeeds
from magnus.testing.fakes import FakeTerminal

if TYPE_CHECKING:
    from collections.abc import Iterator

DEFINITION = {"type": "task", "command": "m.f"}
JOB = Job(
    "run", "each.x.fit", Node("fit", "task", DEFINITION, next="done"), 3, map_variable=(("item", "é x"),)
)
CONFIGURATION = {"executor": {"type": "local", "config": {"password": "in here"}}}


class Stage:
    """A run, as far as a forwarded step uses it."""

    def __init__(self, folder: Path) -> None:
        """Know one secret."""
        self.log = folder / "step.log"
        self.shown = FakeTerminal()
        self.masker = Masker(["hunter2"])
        self.steps: list[ForwardedStep] = []

    def step(
        self, job: Job | None = JOB, *needs: ComputeNeeds, inside_compute: bool = True, **more: str
    ) -> ForwardedStep:
        """Forward *job*."""
        context: Any = SimpleNamespace(
            run_id="run",
            tag="night",
            masker=self.masker,
            terminal=self.shown,
            configuration=CONFIGURATION,
            reporter=SilentReporter(),
            services=SimpleNamespace(catalog=DoNothingCatalog()),
            interrupts=Interrupts(),
            workspaces=Workspaces(Isolation.NONE, str(Path.cwd())),
            is_strict=False,
        )
        path = None if job is None else self.log
        step = ForwardedStep(context, job, needs, path, inside_compute=inside_compute, **more)
        self.steps.append(step)
        return step


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """Return it; its steps are closed in the end."""
    stage = Stage(tmp_path)
    yield stage
    for step in stage.steps:
        step.close()


def read(step: ForwardedStep) -> Forwarded:
    """Return what the process of *step* reads."""
    return decode(step.message[8:])


def told(step: ForwardedStep, **fields: Any) -> bytes:
    """Return a line that the process of *step* tells."""
    return Told(**fields).line(read(step).mark)


def test_the_command_names_the_step_as_a_person_would(stage: Stage) -> None:
    """So that a list of processes tells which is which; the items of maps, which may be long, are in the message."""
    assert stage.step().command == (
        "magnus",
        "execute_single_node",
        "--step-name",
        "each.x.fit",
        "--run-id",
        "run",
        "--job-from-stdin",
    )
    plain = stage.step(JOB._replace(map_variable=()))
    assert "--map-variable" not in plain.command


def test_the_command_of_a_rehearsal_names_no_step_of_the_run(stage: Stage) -> None:
    """It runs none."""
    command = (
        "magnus",
        "execute_single_node",
        "--step-name",
        "rehearsal",
        "--run-id",
        "run",
        "--job-from-stdin",
    )
    assert stage.step(None).command == command


def test_stdin_holds_all_that_the_process_needs(stage: Stage) -> None:
    """What several services need is put together."""
    needs = (
        ComputeNeeds(private_files={"/p/a": b"\0"}, endpoints=[("db", 1)]),
        ComputeNeeds(private_files={"/p/b": b""}, private_environment={"N": "v"}, endpoints=[("track", 2)]),
    )
    step = stage.step(JOB, *needs)
    message = read(step)
    assert message == Forwarded(
        version=own_version(),
        mark=message.mark,
        configuration=CONFIGURATION,
        inside_compute=True,
        secrets=("hunter2",),
        private_files={"/p/a": b"\0", "/p/b": b""},
        private_environment={"N": "v"},
        endpoints=(("db", 1), ("track", 2)),
        job=ForwardedJob("run", "night", "each.x.fit", 3, (("item", "é x"),), DEFINITION),
    )
    assert read(stage.step(None)).job is None


def test_nothing_secret_is_in_the_command(stage: Stage) -> None:
    """A list of processes or containers shows it."""
    needs = ComputeNeeds(private_environment={"N": "canary"}, private_files={"/f": b"canary"})
    said = " ".join(stage.step(JOB, needs).command)
    assert "canary" not in said
    assert "in here" not in said
    assert "hunter2" not in said


def test_a_step_with_a_mailbox_is_told_where_it_is(stage: Stage) -> None:
    """By the executor that knows how to look there; no stdin is waited for."""
    step = stage.step(address="s3://b/a key")
    assert step.command[-1] == "--job-from=local:s3://b/a key"
    assert "--job-from-stdin" not in step.command
    assert read(step).is_unattended
    assert not read(stage.step()).is_unattended


def test_the_jobs_of_an_array_share_a_command(stage: Stage) -> None:
    """Under the name that the executor shows; each finds its own step in its message."""
    jobs = [JOB._replace(step_name=f"each.{item}.fit") for item in "xy"]
    steps = [stage.step(job, address="s3://b/k", shown_as="each.*.fit") for job in jobs]
    (command,) = {step.command for step in steps}
    assert command[command.index("--step-name") + 1] == "each.*.fit"
    names = [message.job.step_name for step in steps if (message := read(step)).job]
    assert names == ["each.x.fit", "each.y.fit"]


def test_a_process_that_was_told_before_is_understood_by_its_mark(stage: Stage) -> None:
    """Another traversal takes over from the one that had told it."""
    before = stage.step()
    again = stage.step(mark=before.mark)
    assert again.write(told(before, has_begun=True), 1)
    assert read(again).mark == before.mark


def test_each_step_has_a_mark_of_its_own(stage: Stage) -> None:
    """What one prints is never taken for what another tells."""
    assert len({read(stage.step()).mark for _ in range(20)}) == 20


def test_only_a_process_of_this_machine_imports_what_this_one_imports(stage: Stage) -> None:
    """Inside another place these folders are others."""
    assert read(stage.step(inside_compute=True)).search_path == ()
    assert read(stage.step(inside_compute=False)).search_path == tuple(sys.path)


def test_output_is_shown_behind_the_steps_name_and_kept_without(stage: Stage) -> None:
    """Both streams; what was told is in neither."""
    step = stage.step()
    step.write(b"one\n" + told(step, has_begun=True) + b"tw", 1)
    step.write(b"careful\n", 2)
    step.write(b"o", 1)
    step.close()
    assert stage.shown.on == {1: b"each.x.fit | one\neach.x.fit | two\n", 2: b"each.x.fit | careful\n"}
    assert stage.log.read_bytes() == b"one\ntwcareful\no"


def test_a_step_that_prints_nothing_leaves_no_log(stage: Stage) -> None:
    """What it tells is no output."""
    step = stage.step()
    step.write(told(step, has_begun=True), 1)
    step.close()
    assert not stage.log.exists()
    assert stage.shown.on == {1: b"", 2: b""}


def test_the_begin_of_the_attempt_is_known_from_then_on(stage: Stage) -> None:
    """Output before it comes from what starts the process, and stderr tells nothing."""
    step = stage.step()
    assert not step.write(b"starting\n", 1)
    assert not step.write(told(step, has_begun=True), 2)
    assert step.write(told(step, has_begun=True), 1)
    assert step.write(b"working\n", 1)
    assert step.write(told(step, has_begun=False), 1)
    assert step.has_begun


def test_a_refusal_is_kept(stage: Stage) -> None:
    """The attempt has not begun."""
    step = stage.step()
    assert not step.write(told(step, refusal="another version"), 1)
    assert step.refusal == "another version"
    step.write(told(step), 1)
    assert step.refusal == "another version"


def test_the_end_is_known_as_it_was_told(stage: Stage) -> None:
    """Whether an answer was left, and that nothing more comes; each by itself."""
    step = stage.step()
    step.write(told(step, has_begun=True), 1)
    assert (step.has_answer, step.has_told_all) == (False, False)
    step.write(told(step, has_answer=True), 1)
    assert (step.has_answer, step.has_told_all) == (True, False)
    step.write(told(step, is_last=True), 1)
    assert (step.has_answer, step.has_told_all) == (True, True)


def test_secrets_in_the_answer_are_hidden_from_then_on(stage: Stage) -> None:
    """It was left where only this side reads it."""
    step = stage.step()
    step.take_answer(Told(has_begun=True, secrets=("password-of-theirs",)).encode())
    step.write(b"say password-of-theirs\n", 1)
    assert stage.shown.on[1] == b"each.x.fit | say ***\n"
    assert stage.masker.mask("password-of-theirs") == "***"
    assert not step.has_told_all


def test_secrets_that_were_handed_out_there_are_hidden_from_then_on(stage: Stage) -> None:
    """In what this step prints and in all that this process shows."""
    step = stage.step()
    step.write(b"say hunter2\n", 1)
    step.write(told(step, secrets=("password-of-theirs",)) + b"say password-of-theirs\n", 1)
    step.close()
    assert stage.shown.on[1] == b"each.x.fit | say ***\neach.x.fit | say ***\n"
    assert stage.log.read_bytes() == b"say ***\nsay ***\n"
    assert stage.masker.mask("password-of-theirs") == "***"


def test_last_words_are_the_last_lines_of_both_streams_without_secrets(stage: Stage) -> None:
    """Five lines at most, and no empty ones."""
    step = stage.step()
    assert step.last_words == ""
    step.write(b"".join(b"line %d\n\n" % number for number in range(9)), 1)
    step.write(b"  \xff is hunter2", 2)
    assert step.last_words == "line 5\nline 6\nline 7\nline 8\n\ufffd is ***"


@pytest.mark.parametrize("size", [1, 1000, 100_000])
def test_last_words_show_no_part_of_a_secret(stage: Stage, size: int) -> None:
    """Only the end of a long line is kept; it may begin within one, and come in pieces of any size."""
    for length in range(4090, 4110):
        step = stage.step(None)
        line = b"x" * 9000 + b"hunter2" + b"x" * length
        for start in range(0, len(line), size):
            step.write(line[start : start + size], 1)
        assert step.last_words.strip("x") in ("", "*", "**", "***")


def test_nothing_of_a_rehearsal_is_shown(stage: Stage) -> None:
    """Its last words are kept for a message."""
    step = stage.step(None)
    step.write(b"starting hunter2\n", 1)
    step.close()
    assert stage.shown.on == {1: b"", 2: b""}
    assert step.last_words == "starting ***"
