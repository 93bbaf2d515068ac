"""What the tests of whole runs share: a folder to work in, the command line, and looking at processes and run logs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

MARK = "WORKED_FOR_TEST"
"""An environment variable that every process of a project's commands inherits; its value is the project's folder.

`HERE` has the same value: in a branch, whose steps work in a folder of their own, it is where a test looks for what they leave.
"""

LOSE_MAGNUS = "pid=$PPID; for _ in worker guard keeper; do pid=$(cut -d' ' -f4 /proc/$pid/stat); done; kill -9 $pid; sleep 60"
"""For a shell step: ends the `magnus` that has begun it, as the loss of a machine does; that must be a `REAL_MAGNUS`."""

REAL_MAGNUS = Path(sys.executable).parent
"""In place of a quick one."""

_EXAMPLES = Path(__file__).parents[1] / "examples"
_LEFT_BY_RUNS = shutil.ignore_patterns(
    ".catalog", ".run_log_store", ".station_requests", "__pycache__", "data", ".reserved", "report_out.ipynb"
)


class Project:
    """A folder with a user's files, in which magnus is called."""

    def __init__(self, folder: Path, *, quick: Path | None = None) -> None:
        """Work in *folder*; *quick* is where the `magnus` is that is called, None for the real one."""
        self.folder = folder
        self.quick = quick
        folder.mkdir(parents=True, exist_ok=True)

    def write(self, name: str, content: str | Mapping[str, Any]) -> Path:
        """Write a user's file: text, whose common indentation is removed, or what YAML is to hold."""
        text = dedent(content) if isinstance(content, str) else yaml.safe_dump(dict(content), sort_keys=False)
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        # Python takes a module for unchanged that was written in the same second, and is as long as before.
        for cached in path.parent.glob(f"__pycache__/{path.stem}.*.pyc"):
            cached.unlink()
        return path

    def configure(self, *, enable_parallel: bool, **blocks: Mapping[str, Any]) -> None:
        """Write `config.yaml`: the local executor, with branches in worker processes or not, and other *blocks*."""
        self.write(
            "config.yaml",
            {"executor": {"type": "local", "config": {"enable_parallel": enable_parallel}}} | blocks,
        )

    def lines(self, name: str) -> list[str]:
        """Return the lines of a file that steps wrote; none if they did not."""
        path = self.folder / name
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    def environment(self, **variables: str) -> dict[str, str]:
        """Return the environment for a command: this one without any of magnus, this Python first, *variables* over it."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("MAGNUS_")}
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        here = str(self.folder)
        return inherited | {"PATH": path, "NO_COLOR": "1", MARK: here, "HERE": here} | variables

    def on_path(self, name: str) -> str:
        """Return a `PYTHONPATH` on which the folder *name* of the project comes first."""
        return os.pathsep.join([str(self.folder / name), *filter(None, [os.environ.get("PYTHONPATH")])])

    def start(
        self,
        *arguments: str,
        streams: tuple[int, int] = (subprocess.PIPE, subprocess.PIPE),
        process_group: int | None = None,
        **variables: str,
    ) -> subprocess.Popen[bytes]:
        """Start the real `magnus` with *arguments*, *streams* as its stdout and stderr; the caller waits for it."""
        return subprocess.Popen(
            [sys.executable, "-m", "magnus", *arguments],
            cwd=self.folder,
            env=self.environment(**variables),
            stdin=subprocess.DEVNULL,
            stdout=streams[0],
            stderr=streams[1],
            process_group=process_group,
        )

    def magnus(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run `magnus` with *arguments* to its end."""
        quick = self._quick_for(variables)
        command = [sys.executable, "-m", "magnus"] if quick is None else [str(quick / "magnus")]
        return subprocess.run(
            [*command, *arguments],
            cwd=self.folder,
            env=self.environment(**variables),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )

    def render(self, *options: str, quick: Path | None = None, expect: int = 0, **variables: str) -> str:
        """Render the project's `pipeline.yaml` as a script; return its text, or why it could not be.

        Args:
            options: For `magnus execute`.
            quick: Where the `magnus` is that is called; None for the one of the project.
            expect: The exit code.
            variables: For the environment.
        """
        done = self.call("magnus", "execute", "-o", "script.sh", *options, quick=quick, **variables)
        assert done.returncode == expect, done.stderr
        return (self.folder / "script.sh").read_text(encoding="utf-8") if expect == 0 else done.stderr

    def run_script(
        self, run_id: str, *, quick: Path | None = None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run what was rendered; *quick* as for `render`."""
        return self.call("bash", "script.sh", run_id, quick=quick, **variables)

    def call(
        self, *arguments: str, quick: Path | None = None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end; *quick* is where the `magnus` is that it calls, None for the one of the project."""
        environment = self.environment(**variables)
        if quick := quick or self._quick_for(variables):
            environment["PATH"] = f"{quick}{os.pathsep}{environment['PATH']}"
        return subprocess.run(
            [shutil.which(arguments[0], path=environment["PATH"]) or arguments[0], *arguments[1:]],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )

    def execute(self, *options: str, expect: int = 0, **variables: str) -> dict[str, Any]:
        """Run the project's `pipeline.yaml`, insist on the exit code, and return the run log."""
        done = self.magnus("execute", "--json", *options, **variables)
        assert done.returncode == expect, f"exit code {done.returncode}\n{done.stderr}{done.stdout}"
        log: dict[str, Any] = json.loads(done.stdout)
        return log

    def run_log(self, run_id: str, *options: str) -> dict[str, Any]:
        """Return the log of an earlier run, as `magnus runs show` gives it."""
        done = self.magnus("runs", "show", run_id, "--json", *options)
        assert done.returncode == 0, done.stderr
        log: dict[str, Any] = json.loads(done.stdout)
        return log

    def _quick_for(self, variables: Mapping[str, str]) -> Path | None:
        """Return where the quick `magnus` is; None if Python is to read some of the *variables* when it starts."""
        return None if any(name.startswith("PYTHON") for name in variables) else self.quick

    def processes(self) -> list[int]:
        """Return the ids of the processes that the project's commands started and that still run."""
        wanted = f"{MARK}={self.folder}".encode()
        found = []
        for entry in Path("/proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                has_mark = wanted in (entry / "environ").read_bytes().split(b"\0")
                is_zombie = (entry / "stat").read_bytes().rpartition(b")")[2].split()[0] == b"Z"
            except OSError:  # it has ended, or is not ours
                continue
            if has_mark and not is_zombie:
                found.append(int(entry.name))
        return found

    def wait_until_nothing_runs(self, seconds: float = 10.0) -> None:
        """Wait until no process of the project is left; fail if that takes longer than *seconds*."""
        wait_for(lambda: not self.processes(), seconds, "the processes of the project to end")

    def kill_what_is_left(self) -> None:
        """End every process of the project, so that a failing test leaves none."""
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


def steps_of(log: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return every step of a run log by its internal name, those inside branches too."""

    def walk(steps: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        for step in steps.values():
            yield step["internal_name"], step
            for branch in step["branches"].values():
                yield from walk(branch["steps"])

    return dict(walk(log["steps"]))


def wait_for(condition: Callable[[], object], seconds: float, what: str) -> None:
    """Wait until *condition* holds; fail if that takes longer than *seconds*."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"waited {seconds} s in vain for {what}"
        time.sleep(0.002)


def copy_example(name: str, folder: Path) -> None:
    """Copy the example *name* to *folder*, without what runs have left in it."""
    shutil.copytree(_EXAMPLES / name, folder, ignore=_LEFT_BY_RUNS, dirs_exist_ok=True)


def chain(steps: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return a graph that runs *steps* one after another; a step without `type` is a python task."""
    names = [*steps, "done"]
    nodes: dict[str, Any] = {
        name: {"type": "task", "next": following} | dict(step)
        for (name, step), following in zip(steps.items(), names[1:], strict=True)
    }
    return {"start_at": names[0], "steps": nodes | {"done": {"type": "success"}, "failed": {"type": "fail"}}}


def shell(command: str, **more: Any) -> dict[str, Any]:
    """Return a shell task."""
    return {"command_type": "shell", "command": command} | more


def python(command: str, **more: Any) -> dict[str, Any]:
    """Return a python task."""
    return {"command_type": "python", "command": command} | more
