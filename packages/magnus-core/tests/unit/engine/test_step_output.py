from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from magnus.engine.masking import Masker
from magnus.engine.step_output import LONGEST_LINE, StepOutput
from magnus.testing.fakes import FakeTerminal

if TYPE_CHECKING:
    from pathlib import Path


class Stage:
    """The output of one step called `fit`, and what becomes of it."""

    def __init__(self, folder: Path, name: str | None = "fit") -> None:
        """Nothing was printed."""
        self.path = folder / "gone" / "fit.log"
        self.path.parent.mkdir()
        self.shown = FakeTerminal()
        self.warnings: list[str] = []
        terminal: Any = self.shown
        self.output = StepOutput(name, self.path, terminal, Masker(["hunter2"]), self.warnings.append)

    def end(self) -> bytes | None:
        """End the step and return its log."""
        path = self.output.close()
        return None if path is None else path.read_bytes()


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """Return a step that has just begun."""
    return Stage(tmp_path)


def test_both_streams_are_kept_together_and_shown_apart(stage: Stage) -> None:
    """The log has them in the order in which they came."""
    stage.output.write(b"careful\n", 2)
    stage.output.write(b"fine\n", 1)
    assert stage.end() == b"careful\nfine\n"
    assert stage.shown.on == {1: b"fit | fine\n", 2: b"fit | careful\n"}


def test_lines_are_shown_without_a_name_where_the_reader_adds_it(tmp_path: Path) -> None:
    """As in a container, whose output is shown behind the step's name by the process outside."""
    stage = Stage(tmp_path, None)
    stage.output.write(b"fine\n", 1)
    assert stage.end() == b"fine\n"
    assert stage.shown.on[1] == b"fine\n"


def test_the_last_line_needs_no_end(stage: Stage) -> None:
    """It is shown as a line of its own, and kept as it was printed."""
    stage.output.write(b"50 %\n100 %", 1)
    assert stage.end() == b"50 %\n100 %"
    assert stage.shown.on[1] == b"fit | 50 %\nfit | 100 %\n"


def test_a_line_that_comes_in_pieces_is_shown_as_one(stage: Stage) -> None:
    """Even between pieces of a character."""
    for piece in (b"gr", "ö".encode()[:1], "ö".encode()[1:], "ße\n".encode()):
        stage.output.write(piece, 1)
    assert stage.end() == "größe\n".encode()
    assert stage.shown.on[1] == "fit | größe\n".encode()


def test_a_line_without_end_is_shown_in_pieces_and_kept_whole(stage: Stage) -> None:
    """A progress bar of a gigabyte must not be gathered in memory."""
    line = b"." * (4 * LONGEST_LINE)
    for start in range(0, len(line), LONGEST_LINE):
        stage.output.write(line[start : start + LONGEST_LINE], 1)
    assert stage.end() == line
    shown = stage.shown.on[1].splitlines()
    assert len(shown) > 1
    assert b"".join(part.removeprefix(b"fit | ") for part in shown) == line


def test_a_step_that_prints_nothing_leaves_no_file(stage: Stage) -> None:
    """A map of ten thousand silent items leaves none."""
    assert stage.end() is None
    assert not stage.path.exists()


def test_secrets_are_hidden_in_what_is_shown_and_kept(stage: Stage) -> None:
    """Also when they are printed in pieces."""
    stage.output.write(b"the password is hun", 1)
    stage.output.write(b"ter2.\n", 1)
    assert stage.end() == b"the password is ***.\n"
    assert stage.shown.on[1] == b"fit | the password is ***.\n"


def test_a_log_is_kept_though_its_folder_was_removed(stage: Stage) -> None:
    """By a step that has cleaned up the temporary folder."""
    stage.path.parent.rmdir()
    stage.output.write(b"fine\n", 1)
    assert stage.end() == b"fine\n"


def test_a_log_that_cannot_be_kept_is_given_up_with_one_warning(stage: Stage) -> None:
    """What is printed is shown all the same."""
    stage.path.mkdir()
    stage.output.write(b"one\n", 1)
    stage.output.write(b"two\n", 1)
    assert stage.end() is None
    assert stage.shown.on[1] == b"fit | one\nfit | two\n"
    (warning,) = stage.warnings
    assert warning.startswith("the log of step 'fit' is given up: ")
