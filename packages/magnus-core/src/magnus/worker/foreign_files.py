"""Notices files of the data folder that a task opens and has neither got from the catalog nor made.

They are there by chance: on another executor, where steps share no folder, they would be missing.
"""

from __future__ import annotations

import os
import stat
import sys
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from magnus.ports.catalog import TEMPORARY_PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterable

# Bound here, since a task may replace any of these functions.
_stat, _getcwd, _normpath, _fsdecode = os.stat, os.getcwd, os.path.normpath, os.fsdecode
_S_ISREG = stat.S_ISREG

_MOST_NAMES = 1000
"""Names of one task that are kept; more are told by none."""


class OpenedFile(NamedTuple):
    """A file at the moment at which it is opened.

    Attributes:
        name: Path below the data folder.
        flags: Flags of `os.open`.
        exists: True if it is there, as a regular file.
        changed_ns: Time of its last change (`st_ctime_ns`); 0 if it is not there.
    """

    name: str
    flags: int
    exists: bool
    changed_ns: int


class ForeignFiles:
    """The files that one task opens, and those among them that are foreign to it."""

    def __init__(self, got: Iterable[str], started_ns: int) -> None:
        """Know nothing of the task but its files.

        Args:
            got: Names of the files that were brought from the catalog.
            started_ns: The moment at which the task began, on the clock of the file system.
        """
        self._own = set(got)
        self._started_ns = started_ns
        self._foreign: dict[str, None] = {}

    @property
    def names(self) -> list[str]:
        """The names of the foreign files, in the order in which they were opened."""
        return list(self._foreign)

    def add_own(self, name: str) -> None:
        """Note that the task has got or made the file *name*."""
        self._own.add(name)

    def opened(self, file: OpenedFile) -> None:
        """Note that the task opens *file*: it makes it, or the file is its own, or foreign."""
        if file.name in self._own:
            return
        if not file.exists or file.flags & os.O_TRUNC:
            if file.flags & (os.O_CREAT | os.O_TRUNC):
                self._own.add(file.name)
        elif (
            file.changed_ns > self._started_ns
        ):  # made by a child process, or by a library that Python does not see
            self._own.add(file.name)
        elif len(self._foreign) < _MOST_NAMES:
            self._foreign[file.name] = None


class _Observer:
    """The hook of this process; audit hooks stay for good, so there is one, which mostly does nothing."""

    def __init__(self) -> None:
        self._is_installed = False
        self.files: ForeignFiles | None = None
        self._folders: tuple[str, ...] = ()

    def begin(self, files: ForeignFiles, folder: str) -> None:
        """Tell *files* of every file below *folder* that is opened from now on."""
        real = os.path.realpath(folder)
        self._folders = tuple(dict.fromkeys((f"{folder}/", f"{real}/")))
        self.files = files
        if not self._is_installed:
            self._is_installed = True
            sys.addaudithook(self._hook)

    def end(self) -> None:
        """Tell nothing more."""
        self.files = None

    def _hook(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.files is None or (event != "open" and event != "os.rename"):  # noqa: PLR1714 - called for every event
            return
        try:
            if event == "open":
                self._opened(arguments[0], arguments[2])
            else:
                self._renamed(arguments[0], arguments[1])
        except Exception:  # noqa: BLE001 - whatever it is, it must not fail the call of the task
            return

    def _opened(self, path: Any, flags: Any) -> None:
        name = self._name(path)
        files = self.files
        if name is None or files is None or not isinstance(flags, int):
            return
        try:
            found = _stat(path)
        except OSError:
            files.opened(OpenedFile(name, flags, exists=False, changed_ns=0))
            return
        if _S_ISREG(found.st_mode):
            files.opened(OpenedFile(name, flags, exists=True, changed_ns=found.st_ctime_ns))

    def _renamed(self, source: Any, target: Any) -> None:
        name, files = self._name(target), self.files
        if name is None or files is None:
            return
        old = self._name(source)
        if old is None or old in files.names:
            return
        files.add_own(name)

    def _name(self, path: Any) -> str | None:
        """Return the path below the data folder; None for anything else."""
        if isinstance(path, int) or path is None:
            return None
        text = path if isinstance(path, str) else _fsdecode(path)
        if not text.startswith("/"):
            text = f"{_getcwd()}/{text}"
        if "/." in text or "//" in text:
            text = _normpath(text)
        for folder in self._folders:
            if text.startswith(folder):
                name = text[len(folder) :]
                return None if name.startswith(TEMPORARY_PREFIX) else name
        return None


_observer = _Observer()


def observe(folder: str, project: str, got: Iterable[str]) -> ForeignFiles:
    """Begin to notice the files below *folder*; `stop_observing` ends that.

    Where *folder* holds the project, its files cannot be told from those of the catalog, so none is noticed.

    Args:
        folder: Absolute path of the data folder.
        project: Absolute path of the working directory of the task.
        got: Names of the files that were brought from the catalog.
    """
    files = ForeignFiles(got, _now_ns())
    folder = os.path.normpath(folder)
    if not f"{os.path.normpath(project)}/".startswith(f"{folder.rstrip('/')}/"):
        _observer.begin(files, folder)
    return files


def stop_observing() -> None:
    """Notice nothing more."""
    _observer.end()


def _now_ns() -> int:
    """Return the time as the kernel writes it to files: of the last tick, where there is such a clock."""
    clock = getattr(time, "CLOCK_REALTIME_COARSE", None)  # not in every Python
    if clock is None and sys.platform == "linux":
        clock = 5
    try:
        return time.time_ns() if clock is None else time.clock_gettime_ns(clock)
    except OSError:
        return time.time_ns()
