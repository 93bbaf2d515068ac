"""Runs whole processes and measures them: wall-clock time, and the most memory that was resident."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import TypeAlias

    Command: TypeAlias = Sequence[str | Path]

_KIB_IN_MIB = 1024
_MIB = 1 << 20
_LINES_OF_A_FAILURE = 20


class Measured(NamedTuple):
    """What one process took.

    Attributes:
        seconds: From just before it was started until it had been waited for.
        resident_mib: The most that it, or any of its children, had resident.
        processor_seconds: What it and its children computed, on all cores together.
    """

    seconds: float
    resident_mib: float
    processor_seconds: float


class ProcessFailedError(Exception):
    """A process that was to be measured did not succeed, so there is nothing to report."""


class Contender(NamedTuple):
    """One of the commands that are compared.

    Attributes:
        command: The argument vector.
        folder: Its working directory.
        prepare: Called before each of its runs, outside the measured time.
    """

    command: Command
    folder: Path
    prepare: Callable[[], object] = lambda: None


def alternate(
    contenders: Mapping[str, Contender], rounds: int, *, warm_up: bool = True
) -> dict[str, list[Measured]]:
    """Run the contenders in turn, *rounds* times, so that a drift of the machine meets all of them alike.

    Args:
        contenders: What to run, by name.
        rounds: How often each is measured.
        warm_up: Run each once before, unmeasured: files come into the page cache, and modules are compiled.

    Returns:
        For each name what its runs took, in order.

    Raises:
        ProcessFailedError: One of them failed.
    """
    results: dict[str, list[Measured]] = {name: [] for name in contenders}
    for number in range(-1 if warm_up else 0, rounds):
        for name, contender in contenders.items():
            contender.prepare()
            measured = run(contender.command, contender.folder)
            if number >= 0:
                results[name].append(measured)
    return results


def run(command: Command, folder: Path) -> Measured:
    """Run *command* in *folder* to its end; what it prints is kept for the case that it fails.

    Raises:
        ProcessFailedError: It ended with another exit code than 0.
    """
    printed = folder / ".printed"
    with printed.open("wb") as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment()
        )
        # Not `Popen.wait`: only this tells how much memory that process alone has used.
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        last = printed.read_text(errors="replace").splitlines()[-_LINES_OF_A_FAILURE:]
        words = " ".join(str(word) for word in command)
        message = "\n".join([f"`{words}` ended with exit code {process.returncode}:", *last])
        raise ProcessFailedError(message)
    return Measured(seconds, usage.ru_maxrss / _KIB_IN_MIB, usage.ru_utime + usage.ru_stime)


def environment() -> dict[str, str]:
    """Return the environment of measured processes: Python compiles and buffers as it does for users."""
    ours = ("PYTHON", "MAGNUS_", "VIRTUAL_ENV")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def seconds(runs: Sequence[Measured]) -> float:
    """Return the median time of *runs*."""
    return median(measured.seconds for measured in runs)


def resident_mib(runs: Sequence[Measured]) -> float:
    """Return the median of the most memory that was resident."""
    return median(measured.resident_mib for measured in runs)


def processor_seconds(runs: Sequence[Measured]) -> float:
    """Return the median of what was computed."""
    return median(measured.processor_seconds for measured in runs)


def write_random(path: Path, size: int) -> None:
    """Write a file of *size* bytes that nothing can make smaller."""
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        while size > 0:
            file.write(os.urandom(min(size, _MIB)))
            size -= _MIB


def set_aside(*paths: Path) -> None:
    """Move files and folders where they are in no one's way, and have the disk finish what it still has to write.

    Many small files are not removed between runs: ext4 passes by every inode that was freed in the last minutes, one
    by one, when it makes a file, and so what was removed before one run would slow the next.
    """
    for path in paths:
        if path.exists():
            path.rename(Path(tempfile.mkdtemp(prefix=".aside-", dir=path.parent), path.name))
    os.sync()


def remove(*paths: Path) -> None:
    """Remove files and folders where they exist, and have the disk finish what it still has to write."""
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    os.sync()
