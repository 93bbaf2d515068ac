from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

from magnus.engine.masking import Masker
from magnus.engine.output import OutputCapture

if TYPE_CHECKING:
    from pathlib import Path


class Shown:
    """Stands for the terminal: keeps what is shown on stdout (1) and stderr (2)."""

    def __init__(self) -> None:
        """Nothing has been shown."""
        self.on = {1: b"", 2: b""}

    def write_task_output(self, data: bytes, number: int) -> None:
        """Keep it."""
        self.on[number] += data


class Stage:
    """A capture with its terminal, and a log file for each step."""

    def __init__(self, folder: Path, masker: Masker) -> None:
        """Capture nothing yet."""
        self.folder = folder
        self.shown = Shown()
        terminal: Any = self.shown
        self.capture = OutputCapture(terminal, masker)

    def begin(self, step: str) -> None:
        """Begin *step*."""
        self.capture.begin(step, self.folder / f"{step}.log")

    def end(self) -> bytes | None:
        """End the step and return its log."""
        path = self.capture.end()
        return None if path is None else path.read_bytes()


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """Return a stage; a test opens it itself, because pytest moves descriptors between a fixture and its test."""
    return Stage(tmp_path, Masker(["hunter2"]))


def child(code: str) -> None:
    """Run *code* in another process, which inherits the descriptors."""
    subprocess.run([sys.executable, "-S", "-c", code], check=True)


def test_what_any_code_of_the_process_prints_is_captured(stage: Stage) -> None:
    """Python, native code that knows only descriptors, and child processes."""
    with stage.capture:
        stage.begin("fit")
        print("python")  # noqa: T201 - what is tested
        os.write(1, b"native\n")
        child("print('child')")
        assert stage.end() == b"python\nnative\nchild\n"
        assert stage.shown.on == {1: b"fit | python\nfit | native\nfit | child\n", 2: b""}


def test_both_streams_are_kept_together_and_shown_apart(stage: Stage) -> None:
    """The log has them in the order in which they came."""
    with stage.capture:
        stage.begin("fit")
        os.write(2, b"careful\n")
        os.write(1, b"fine\n")
        log = stage.end() or b""
        assert sorted(log.splitlines()) == [b"careful", b"fine"]
        assert stage.shown.on == {1: b"fit | fine\n", 2: b"fit | careful\n"}


def test_the_last_line_needs_no_end(stage: Stage) -> None:
    """It is shown as a line of its own, and kept as it was printed."""
    with stage.capture:
        stage.begin("fit")
        sys.stdout.write("50 %\n100 %")
        assert stage.end() == b"50 %\n100 %"
        assert stage.shown.on[1] == b"fit | 50 %\nfit | 100 %\n"


def test_a_line_that_comes_in_pieces_is_shown_as_one(stage: Stage) -> None:
    """Even between pieces of a character."""
    with stage.capture:
        stage.begin("fit")
        for piece in ("gr", "ö".encode()[:1], "ö".encode()[1:], "ße\n"):
            os.write(1, piece if isinstance(piece, bytes) else piece.encode())
        assert stage.end() == "größe\n".encode()
        assert stage.shown.on[1] == "fit | größe\n".encode()


def test_a_line_without_end_is_shown_in_pieces_and_kept_whole(stage: Stage) -> None:
    """A progress bar of a gigabyte must not be gathered in memory."""
    with stage.capture:
        stage.begin("fit")
        line = b"." * 300_000
        os.write(1, line[:150_000])
        os.write(1, line[150_000:])
        assert stage.end() == line
        shown = stage.shown.on[1].splitlines()
        assert len(shown) > 1
        assert b"".join(part.removeprefix(b"fit | ") for part in shown) == line


def test_a_step_that_prints_nothing_leaves_no_file(stage: Stage) -> None:
    """A map of ten thousand silent items leaves none."""
    with stage.capture:
        stage.begin("fit")
        assert stage.end() is None
        assert list(stage.folder.iterdir()) == []


def test_nothing_is_lost_of_megabytes(stage: Stage) -> None:
    """Printed by this process and by a child, far more than a pipe holds."""
    with stage.capture:
        stage.begin("fit")
        lines = "".join(f"line {number:07}\n" for number in range(400_000))
        sys.stdout.write(lines)
        child("import sys; sys.stdout.write('0123456789abcdef' * 65536)")
        log = stage.end() or b""
        assert len(lines) > 5_000_000
        assert log == lines.encode() + b"0123456789abcdef" * 65536


def test_what_one_step_prints_is_never_given_to_the_next(stage: Stage) -> None:
    """However quickly they follow each other, on both streams, with and without the end of a line."""
    with stage.capture:
        for number in range(300):
            stage.begin(f"s{number}")
            os.write(1, f"out {number}\n".encode())
            sys.stderr.write(f"err {number}")
            log = stage.end() or b""
            assert log.replace(f"out {number}\n".encode(), b"", 1) == f"err {number}".encode()
        expected = "".join(f"s{number} | out {number}\n" for number in range(300))
        assert stage.shown.on[1].decode() == expected


def test_secrets_are_hidden_in_what_is_shown_and_kept(stage: Stage) -> None:
    """Also when they are printed in pieces."""
    with stage.capture:
        stage.begin("fit")
        os.write(1, b"the password is hun")
        os.write(1, b"ter2.\n")
        assert stage.end() == b"the password is ***.\n"
        assert stage.shown.on[1] == b"fit | the password is ***.\n"


def test_what_is_printed_between_steps_is_shown_without_a_name(stage: Stage) -> None:
    """By a process that a step left behind, for instance; it belongs to no step, and secrets are hidden all the same."""
    with stage.capture:
        stage.begin("one")
        stage.end()
        os.write(1, b"late hunter2\n")
    assert stage.shown.on[1] == b"late ***\n"
    assert list(stage.folder.iterdir()) == []


def test_what_must_come_first_is_called_before_anything_is_shown(stage: Stage) -> None:
    """Secrets that a child has fetched are learnt before its output appears."""
    with stage.capture:
        seen: list[bytes] = []
        stage.capture.begin("fit", stage.folder / "fit.log", lambda: seen.append(stage.shown.on[1]))
        os.write(1, b"text\n")
        stage.end()
        assert seen[0] == b""


@pytest.mark.parametrize("how", ["replaces", "closes", "detaches"])
def test_what_a_task_does_to_its_streams_does_not_reach_the_next(stage: Stage, how: str) -> None:
    """The next step prints as if nothing had happened."""
    with stage.capture:
        stage.begin("one")
        if how == "replaces":
            sys.stdout = io.StringIO()
        elif how == "closes":
            sys.stdout.close()
        else:
            sys.stdout.detach()  # type: ignore[union-attr]
        stage.end()
        stage.begin("two")
        print("still here")  # noqa: T201 - what is tested
        assert stage.end() == b"still here\n"


def test_the_streams_of_the_caller_are_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that it had replaced itself, too, as a notebook does; and descriptors lead where they led."""
    mine = io.StringIO()
    monkeypatch.setattr(sys, "stdout", mine)
    before = [os.fstat(number) for number in (1, 2)]
    stage = Stage(tmp_path, Masker())
    with stage.capture:
        stage.begin("fit")
        print("captured")  # noqa: T201 - what is tested
        assert stage.end() == b"captured\n"
    assert sys.stdout is mine
    print("mine again")  # noqa: T201 - what is tested
    assert mine.getvalue() == "mine again\n"
    assert [(item.st_dev, item.st_ino) for item in before] == [
        (os.fstat(number).st_dev, os.fstat(number).st_ino) for number in (1, 2)
    ]


def open_descriptors() -> set[int]:
    """Return the descriptors of this process that are open, of those that a test can reach."""
    found = set()
    for number in range(256):
        with suppress(OSError):
            os.fstat(number)
            found.add(number)
    return found


def test_a_capture_leaves_no_descriptor_open(tmp_path: Path) -> None:
    """A process may run many pipelines."""
    before = open_descriptors()
    for _ in range(3):
        with Stage(tmp_path, Masker()).capture:
            os.write(1, b"x\n")
    assert open_descriptors() == before
