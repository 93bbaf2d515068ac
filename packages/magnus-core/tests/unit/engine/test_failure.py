from __future__ import annotations

import linecache
from typing import TYPE_CHECKING

import pytest

from magnus.engine.failure import describe_failure
from magnus.engine.interrupt import StopRun
from magnus.engine.masking import Masker
from magnus.errors import ParameterNotFoundError
from magnus.ports.task_type import TaskFailedError

if TYPE_CHECKING:
    from magnus.engine.failure import Failure

SECRET = "hunter2-and-more"


class OwnError(ConnectionError):
    """An exception of a user's own."""


def described(error: BaseException) -> Failure:
    """Describe *error* as it comes out of user code."""

    def user_code() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        user_code()
    return describe_failure(caught.value, Masker([SECRET]).mask)


def test_an_exception_is_told_with_its_class_and_its_place() -> None:
    """The line is the user's."""
    failure = described(ValueError("bad value"))
    assert failure.message.startswith("ValueError: bad value (")
    assert __file__ in failure.message
    assert failure.exit_code is None
    assert failure.names == ["ValueError"]


def test_an_exception_is_known_by_its_bases_too() -> None:
    """Plain and with their module, so that `retry_on: [OSError]` fits; what every exception is says nothing."""
    names = described(OwnError("gone")).names
    assert {"OwnError", f"{__name__}.OwnError", "ConnectionError", "OSError"} == set(names)


def test_an_exception_of_no_other_kind_is_known_as_exception() -> None:
    """Something has to be listed for it."""
    assert described(Exception("x")).names == ["Exception"]


def test_an_exception_without_text_is_told_by_its_class() -> None:
    """Without a colon that nothing follows."""
    assert described(KeyboardInterrupt()).message.startswith("KeyboardInterrupt (")


def test_the_traceback_of_user_code_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """It is the step's log; our own frames above it are left out."""
    code = compile("def user():\n    raise KeyError('k')\n\nuser()\n", "their_code.py", "exec")
    linecache.cache.pop("their_code.py", None)
    with pytest.raises(KeyError) as caught:
        exec(code, {"__name__": "their_code"})  # noqa: S102 - frames of another module
    failure = describe_failure(caught.value, Masker().mask)
    printed = capsys.readouterr().err
    assert 'File "their_code.py", line 2, in user' in printed
    assert printed.rstrip().endswith("KeyError: 'k'")
    assert failure.message == "KeyError: 'k' (their_code.py:2)"


def test_our_own_frames_at_the_top_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    """They say nothing about the user's mistake."""
    inner = compile("def user():\n    raise KeyError('k')\n", "their_code.py", "exec")
    outer = compile("def run(call):\n    call()\n", "our_code.py", "exec")
    theirs: dict[str, object] = {"__name__": "their_code"}
    ours: dict[str, object] = {"__name__": "magnus.engine.anything"}
    exec(inner, theirs)  # noqa: S102 - frames of another module
    exec(outer, ours)  # noqa: S102 - frames of one of our modules
    try:
        ours["run"](theirs["user"])  # type: ignore[operator]
    except KeyError as error:
        frames = error.__traceback__
        assert frames is not None
        describe_failure(error.with_traceback(frames.tb_next), Masker().mask)
    printed = capsys.readouterr().err
    assert "their_code.py" in printed
    assert "our_code.py" not in printed


@pytest.mark.parametrize(
    ("code", "message", "exit_code"),
    [
        (3, "the task called sys.exit(3)", 3),
        ("no input", "the task called sys.exit: no input", 1),
    ],
)
def test_an_exit_of_the_task_keeps_its_code(
    code: int | str, message: str, exit_code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a process would have it: a text goes to stderr, with code 1."""
    failure = described(SystemExit(code))
    assert (failure.message, failure.exit_code) == (message, exit_code)
    assert f"exit:{exit_code}" in failure.names
    assert ("no input" in capsys.readouterr().err) == isinstance(code, str)


def test_a_command_that_failed_keeps_its_code() -> None:
    """And is known by it; without one it has no name."""
    failure = described(TaskFailedError("the command ended with 7", 7))
    assert failure == ("the command ended with 7", 7, ["exit:7"], None)
    assert described(TaskFailedError("it could not be started")).names == []


def test_an_error_of_ours_needs_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    """Its text is complete."""
    failure = described(ParameterNotFoundError("no parameter 'x'"))
    assert failure.message == "no parameter 'x'"
    assert "magnus.errors.ParameterNotFoundError" in failure.names
    assert capsys.readouterr().err == "no parameter 'x'\n"


def test_the_end_of_the_run_goes_on_after_the_attempt_is_recorded() -> None:
    """It is handed back, so that it is raised again."""
    stop = StopRun("interrupted by SIGTERM", interrupted=True)
    failure = described(stop)
    assert failure == ("interrupted by SIGTERM", None, ["interrupted"], stop)


@pytest.mark.parametrize(
    "error",
    [
        ValueError(f"bad {SECRET}"),
        SystemExit(SECRET),
        TaskFailedError(SECRET),
        ParameterNotFoundError(f"no {SECRET}"),
    ],
)
def test_secrets_are_hidden_in_every_message(error: BaseException) -> None:
    """Whatever raised them."""
    message = described(error).message
    assert SECRET not in message
    assert "***" in message
