from __future__ import annotations

import io
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from magnus.engine.terminal import Terminal

if TYPE_CHECKING:
    import pytest


def test_the_stream_that_a_caller_has_put_in_place_is_written_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a notebook or a test nothing leads to the descriptors of the process."""
    out, err = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    with Terminal() as terminal:
        terminal.write_task_output("grüße\n".encode(), 1)
        terminal.write_task_output(b"\xff", 2)
        terminal.write_error("careful\n")
        assert terminal.stderr is err
    assert out.getvalue() == "grüße\n"
    assert err.getvalue() == "\ufffdcareful\n"


def test_what_tasks_print_can_be_led_to_stderr(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where stdout is for the result, as with `--json`: here and for child processes."""
    out, err = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    with Terminal(out_to_err=True) as terminal:
        terminal.write_task_output(b"printed\n", 1)
    assert (out.getvalue(), err.getvalue()) == ("", "printed\n")


SCRIPT = """
import os, sys
from magnus.engine.terminal import Terminal
with Terminal() as terminal:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what a task does to descriptor 1 does not matter
    for number in range(20000):
        terminal.write_task_output(b"line %d\\n" % number, 1)
    terminal.write_error("done\\n")
"""


def run_script() -> subprocess.Popen[bytes]:
    """Start the script with its stdout and stderr in pipes."""
    return subprocess.Popen([sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_the_terminal_stays_that_of_the_process() -> None:
    """Nothing is lost, in order, whatever becomes of descriptor 1."""
    out, err = run_script().communicate()
    assert out == b"".join(b"line %d\n" % number for number in range(20_000))
    assert err == b"done\n"


def test_a_reader_that_goes_away_ends_nothing() -> None:
    """`magnus execute | head` must not lose the pipeline."""
    process = run_script()
    assert process.stdout is not None
    assert process.stderr is not None
    with process:
        assert os.read(process.stdout.fileno(), 6) == b"line 0"
        process.stdout.close()
        assert process.stderr.read() == b"done\n"
    assert process.returncode == 0
