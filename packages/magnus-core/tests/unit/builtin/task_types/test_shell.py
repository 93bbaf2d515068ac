from __future__ import annotations

import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from magnus.builtin.task_types.shell import ShellOptions, ShellTask
from magnus.ports.task_type import TaskFailedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("working_directory")


def run(command: str, context: Any, **options: Any) -> Any:
    """Run *command* and return what it left."""
    ShellTask().run(command, ShellOptions(**options), context)
    return context.outputs


def wait_for(path: Path) -> str:
    """Return the text of a file that another process is about to write."""
    for _ in range(500):
        if path.exists() and (text := path.read_text()).endswith("\n"):
            return text
        time.sleep(0.01)
    raise TimeoutError(path)


def is_gone(pid: int) -> bool:
    """Whether a process ends within moments; one that nobody reaps counts as ended."""
    for _ in range(300):
        try:
            with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123 - no file of ours
                if file.read().rpartition(")")[2].split()[0] == "Z":
                    return True
        except (FileNotFoundError, ProcessLookupError):
            return True
        time.sleep(0.01)
    return False


def test_a_command_finds_parameters_and_sets_others(make_context: Callable[..., Any]) -> None:
    """Plain where that is unambiguous, JSON where not; metrics are left in the same way."""
    context = make_context(
        {"text": "two words", "n": 3, "list": [1, "a"]}, map_variable=(("i", 1), ("j", "b"))
    )
    outputs = run(
        """
        echo "joined=$MAGNUS_PRM_text/$MAGNUS_PRM_n/$MAGNUS_RUN_ID/$MAGNUS_RUN_TAG" >> "$MAGNUS_OUTPUT_PARAMETERS"
        echo "list=$MAGNUS_PRM_list" >> "$MAGNUS_OUTPUT_PARAMETERS"
        echo "map=$MAGNUS_PRM_MAP_VARIABLE" >> "$MAGNUS_OUTPUT_PARAMETERS"
        echo "MAGNUS_TRACK_loss=0.5" >> "$MAGNUS_OUTPUT_PARAMETERS"
        """,
        context,
    )
    assert outputs.parameters == {
        "joined": "two words/3/run-1/my tag",
        "list": [1, "a"],
        "map": {"i": 1, "j": "b"},
    }
    assert [tuple(metric) for metric in outputs.metrics] == [("loss", 0.5, 0)]


def test_a_failure_gives_the_exit_code_and_the_last_lines(
    make_context: Callable[..., Any], capfd: pytest.CaptureFixture[str]
) -> None:
    """All of stderr is passed on; the message has the end of it, without secrets."""
    context = make_context(secrets=["s3cret"])
    with pytest.raises(TaskFailedError) as caught:
        run('for i in 1 2 3 4 5 6 7; do echo "line $i s3cret" >&2; done; exit 4', context)
    assert caught.value.exit_code == 4
    assert str(caught.value).splitlines() == [
        "the command ended with exit code 4: line 3 *****",
        *(f"line {number} *****" for number in (4, 5, 6, 7)),
    ]
    assert capfd.readouterr().err.count("line") == 7
    assert context.outputs is None


def test_a_signal_is_named(make_context: Callable[..., Any]) -> None:
    """The exit code is the one that shells give."""
    with pytest.raises(TaskFailedError, match="ended by the signal SIGKILL") as caught:
        run("kill -9 $$", make_context())
    assert caught.value.exit_code == 137


def test_a_program_that_is_not_there_is_said_so(make_context: Callable[..., Any]) -> None:
    """Both a program in the command and the shell itself."""
    with pytest.raises(TaskFailedError, match=r"exit code 127 \(the shell did not find a program"):
        run("surely-no-such-program", make_context())
    with pytest.raises(TaskFailedError, match="the shell 'no-such-shell' could not be started: No such file"):
        run("true", make_context(), executable="no-such-shell")


def test_another_shell_can_be_asked_for(make_context: Callable[..., Any]) -> None:
    """Named as in a terminal."""
    outputs = run(
        "echo a=$((1+1)) > $MAGNUS_OUTPUT_PARAMETERS; [[ a == a ]]", make_context(), executable="bash"
    )
    assert outputs.parameters == {"a": 2}


def test_a_process_that_is_left_behind_does_not_hold_up_the_step(
    working_directory: Path, make_context: Callable[..., Any]
) -> None:
    """Though it keeps stderr open."""
    started = time.monotonic()
    run("sleep 20 & echo $! > pid", make_context())
    assert time.monotonic() - started < 5
    os.kill(int((working_directory / "pid").read_text()), signal.SIGKILL)


def test_an_interrupt_kills_the_command_and_what_it_started(
    working_directory: Path, make_context: Callable[..., Any]
) -> None:
    """By its process group."""

    def interrupt() -> None:
        wait_for(working_directory / "pid")
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        run("sleep 60 & echo $! > pid; wait", make_context())
    assert is_gone(int((working_directory / "pid").read_text()))


@pytest.mark.parametrize("command", ["", "  ", "a\0b", "x" * 200_000])
def test_a_command_that_cannot_run_is_a_problem(command: str) -> None:
    """It is found before anything runs."""
    assert ShellTask().find_problem(command)
