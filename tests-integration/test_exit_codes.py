"""Exit code 0 is earned: by a run that ended in SUCCESS, or a command that did its work."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from harness import Project, chain, python, shell, wait_for

if TYPE_CHECKING:
    from collections.abc import Sequence

MAGNUS = Path(sys.executable).with_name("magnus")


def check_interrupted(project: Project, command: Sequence[str], seed: int, tries: int) -> None:
    """Interrupt *command* at random moments, once and twice, and check how it ends."""
    chance = random.Random(seed)  # noqa: S311 - moments
    for _ in range(tries):
        first = chance.uniform(0, 0.3)
        second = chance.choice([None, chance.uniform(0, 0.05), 0.0])
        process = subprocess.Popen(
            [*command, "execute"],
            cwd=project.folder,
            env=project.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            process_group=0,
        )
        time.sleep(first)
        process.send_signal(signal.SIGINT)
        if second is not None:
            time.sleep(second)
            process.send_signal(signal.SIGINT)
        try:
            out, err = process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        moment = f"SIGINT after {first:.4f} s, again after {second}: {process.returncode}\n{err.decode()}"
        if process.returncode != 130:
            # Python itself was starting: it dies by the signal, or gives up with 1 while it imports `site`.
            assert process.returncode in {-signal.SIGINT, 1}, moment
            assert "/magnus/" not in err.decode(), moment
        else:
            assert "Traceback" not in err.decode(), moment
            assert "Exception ignored" not in err.decode(), moment
        assert not out or b"started" in out, moment


@pytest.mark.parametrize("way", ["command", "module"])
def test_an_interruption_at_any_moment_ends_with_130(project: Project, way: str) -> None:
    """Also while modules are imported, and with a second one that follows closely."""
    project.write("pipeline.yaml", {"dag": chain({"one": shell("echo started; sleep 30")})})
    command = [str(MAGNUS)] if way == "command" else [sys.executable, "-m", "magnus"]
    check_interrupted(project, command, 1, 15)
    project.wait_until_nothing_runs()


@pytest.mark.slow
def test_an_interruption_at_one_hundred_moments_ends_with_130(project: Project) -> None:
    """The same with more moments."""
    project.write("pipeline.yaml", {"dag": chain({"one": shell("echo started; sleep 30")})})
    check_interrupted(project, [str(MAGNUS)], 2, 100)
    project.wait_until_nothing_runs()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals_before_the_first_step_end_with_130(project: Project, number: signal.Signals) -> None:
    """They mean the same as Ctrl-C."""
    project.write("pipeline.yaml", {"dag": chain({"one": shell("sleep 30")})})
    os.mkfifo(project.folder / "config.yaml")  # the command waits for somebody to write it
    running = project.start("execute", "-c", "config.yaml")
    time.sleep(0.5)
    running.send_signal(number)
    _, err = running.communicate(timeout=20)
    assert running.returncode == 130, err
    assert b"Traceback" not in err


@pytest.mark.parametrize("code", ["raise SystemExit(0)", "raise SystemExit"])
def test_odd_code_that_exits_is_no_success(project: Project, code: str) -> None:
    """Something that leaves by `sys.exit(0)` while a run is prepared has not run it."""
    project.write(
        "broken_exit.py",
        f"""
        import magnus.usecases.request_check as target

        def leave(*_):
            {code}

        target.read_parameters = leave
        import magnus.usecases.execute as user
        user.read_parameters = leave
        """,
    )
    project.write("pipeline.yaml", {"dag": chain({"one": shell("true")})})
    program = "import broken_exit, sys; from magnus.cli.entry import run; sys.argv[1:] = ['execute']; run()"
    done = project.call(sys.executable, "-c", program)
    assert done.returncode == 3, done.stderr
    assert "SystemExit" in done.stderr


def test_exit_handlers_do_not_change_the_exit_code(project: Project) -> None:
    """They may raise, and may be interrupted."""
    project.write("pipeline.yaml", {"dag": chain({"one": shell("exit 1")})})
    program = (
        "import atexit, sys\n"
        "from magnus.cli.entry import run\n"
        "def register(*_):\n"
        "    atexit.register(sys.exit, 0)\n"
        "    @atexit.register\n"
        "    def last():\n"
        "        raise KeyboardInterrupt\n"
        "import magnus.cli.app as app\n"
        "before = app.main\n"
        "app.main = lambda: (register(), before())[1]\n"
        "sys.argv[1:] = ['execute']\n"
        "run()\n"
    )
    done = project.call(sys.executable, "-c", program)
    assert done.returncode == 1, done.stderr


def test_a_signal_while_exit_handlers_run_is_an_interruption(project: Project) -> None:
    """A thread or a handler may keep the process; Ctrl-C then ends it at once and in silence."""
    program = (
        "import sys, threading, time\n"
        "from magnus.cli.entry import run\n"
        "import magnus.cli.app as app\n"
        "def main():\n"
        "    threading.Thread(target=time.sleep, args=(30,)).start()\n"
        "    open('waits', 'w').close()\n"
        "    return 0\n"
        "app.main = main\n"
        "run()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=project.folder,
        env=project.environment(),
        stderr=subprocess.PIPE,
    )
    wait_for((project.folder / "waits").exists, 20, "the command to end")
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err == b"magnus: interrupted\n"


def shell_line(project: Project, line: str) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in the project; its exit code is that of magnus."""
    return subprocess.run(
        ["bash", "-c", f"{line}; exit ${{PIPESTATUS[0]}}"],
        cwd=project.folder,
        env=project.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(("command", "code"), [("true", 0), ("false", 1)])
def test_a_reader_that_goes_does_not_change_the_outcome_of_a_run(
    project: Project, command: str, code: int
) -> None:
    """As in `magnus execute --json | head -1`."""
    project.write("pipeline.yaml", {"dag": chain({"one": shell(command)})})
    done = shell_line(project, "magnus execute --json | true")
    assert done.returncode == code, done.stderr
    assert shell_line(project, "magnus runs list | true").returncode == 0


@pytest.mark.parametrize(("command", "code"), [("true", 3), ("false", 1)])
def test_a_full_disk_behind_stdout_is_named(project: Project, command: str, code: int) -> None:
    """It is no bug in magnus."""
    project.write("pipeline.yaml", {"dag": chain({"one": shell(command)})})
    done = shell_line(project, "magnus execute --run-id one --json > /dev/full")
    assert done.returncode == code, done.stderr
    assert "cannot write the run log to stdout: No space left on device" in done.stderr
    assert "bug" not in done.stderr
    done = shell_line(project, "magnus runs show one > /dev/full")
    assert done.returncode == 3
    assert "cannot write to stdout: No space left on device" in done.stderr


def test_a_task_that_closes_descriptors_does_not_make_a_success(project: Project) -> None:
    """The descriptors of the engine are out of its reach."""
    project.write("steps.py", "import os\n\ndef close():\n    os.closerange(3, 256)\n    raise ValueError\n")
    project.write("pipeline.yaml", {"dag": chain({"one": python("steps.close")})})
    assert project.execute("--run-id", "one", expect=1)["status"] == "FAIL"
