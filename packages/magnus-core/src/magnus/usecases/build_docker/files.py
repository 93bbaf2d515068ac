"""Chooses the files of the project that go into the image."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from magnus.errors import ConfigurationError
from magnus.usecases.build_docker.dockerignore import DockerIgnore
from magnus.usecases.build_docker.git import tracked_paths

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

OWN_FOLDER = ".magnus-build"
"""Where the build's own files are in the context: the Dockerfile, wheels, certificates."""

_NEVER = frozenset({".git", ".venv", "__pycache__", ".run_log_store", ".catalog", OWN_FOLDER})
"""Names of files and folders that no image needs, wherever they are."""

_HARMLESS_ENDINGS = (".example", ".sample", ".template", ".dist")


@dataclass(frozen=True, slots=True)
class ProjectFile:
    """A file or symbolic link of the project.

    Attributes:
        path: Relative to the project, with `/`.
        size: In bytes.
        mode: As `lstat` gave it.
        modified: In whole seconds.
        link: Where a symbolic link leads; empty for a file.
    """

    path: str
    size: int
    mode: int
    modified: int
    link: str = ""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What goes in, and what people should know of the rest.

    Attributes:
        files: Ordered by path.
        remarks: One sentence for each file that one would expect in the image and that was left out.
    """

    files: Sequence[ProjectFile]
    remarks: Sequence[str]

    @property
    def size(self) -> int:
        """All bytes together."""
        return sum(file.size for file in self.files)

    def has(self, path: str) -> bool:
        """Whether the file at *path* goes in."""
        return any(file.path == path for file in self.files)


def choose_files(folder: Path, *, every: bool) -> Chosen:
    """Choose what git tracks, as it is in the working tree, or with *every* all that is not excluded.

    Raises:
        ConfigurationError: The files cannot be listed, or there are none.
    """
    paths = sorted(_every_path(folder) if every else tracked_paths(folder))
    chooser = _Chooser(folder)
    for path in paths:
        chooser.consider(path)
    if not chooser.files:
        raise ConfigurationError(
            f"no file of '{folder}' goes into the image: change to the folder of the project"
        )
    return Chosen(chooser.files, chooser.remarks)


class _Chooser:
    """Judges paths one by one."""

    def __init__(self, folder: Path) -> None:
        self.files: list[ProjectFile] = []
        self.remarks: list[str] = []
        self._folder = os.path.realpath(folder)
        self._is_real: dict[str, bool] = {}

    def consider(self, path: str) -> None:
        """Take the file at *path*, or say why not; one that is gone needs no word."""
        full = os.path.join(self._folder, path)
        try:
            found = os.lstat(full)
        except FileNotFoundError:
            return
        except NotADirectoryError:
            return
        except OSError as error:
            raise ConfigurationError(f"'{full}' cannot be read: {error.strerror}; mend that first") from error
        reason = self._reason_against(path, full, found)
        if reason:
            self.remarks.append(f"left out: {path!r} {reason}")
            return
        link = os.readlink(full) if stat.S_ISLNK(found.st_mode) else ""
        size = 0 if link else found.st_size
        self.files.append(ProjectFile(path, size, found.st_mode, int(found.st_mtime), link))

    def _reason_against(self, path: str, full: str, found: os.stat_result) -> str:
        if path.split("/", 1)[0] == OWN_FOLDER:
            return "has the place of the build's own files"
        if _may_hold_secrets(path.rpartition("/")[2]):
            return "may hold secrets, which whoever has an image can read; give them to the steps by a secrets manager"
        if not self._is_below(os.path.dirname(full)):
            return "is behind a link that leads out of its folder"
        if stat.S_ISDIR(found.st_mode):
            return "is a submodule that is not checked out; 'git submodule update --init' brings its files"
        if stat.S_ISLNK(found.st_mode):
            return self._reason_against_link(full)
        if not stat.S_ISREG(found.st_mode):
            return "is neither a file nor a link"
        return ""

    def _reason_against_link(self, full: str) -> str:
        target = os.readlink(full)
        if os.path.isabs(target):
            return f"is a link to '{target}', which is another place in an image; make it relative"
        inside = (self._folder, self._folder + os.sep)
        reached = os.path.realpath(full)
        if reached != inside[0] and not reached.startswith(inside[1]):
            return f"is a link to '{target}', outside the project; copy what it leads to"
        return ""

    def _is_below(self, parent: str) -> bool:
        """Whether no folder on the way to *parent* is a link."""
        if parent not in self._is_real:
            self._is_real[parent] = os.path.realpath(parent) == parent
        return self._is_real[parent]


def _may_hold_secrets(name: str) -> bool:
    return name == ".env" or (name.startswith(".env.") and not name.endswith(_HARMLESS_ENDINGS))


def _every_path(folder: Path) -> Iterator[str]:
    """Yield every file below *folder* that is not excluded."""
    ignore = _dockerignore(folder)
    for current, folders, names in os.walk(folder, onerror=_refuse_unreadable):
        relative = os.path.relpath(current, folder)
        prefix = "" if relative == "." else f"{relative}/"
        links = [name for name in folders if os.path.islink(f"{current}/{name}")]
        folders[:] = [
            name
            for name in folders
            if name not in _NEVER and name not in links and not ignore.excludes_all_below(prefix + name)
        ]
        yield from (
            prefix + name
            for name in (*names, *links)
            if name not in _NEVER and not ignore.excludes(prefix + name)
        )


def _dockerignore(folder: Path) -> DockerIgnore:
    path = folder / ".dockerignore"
    try:
        text = path.read_text(encoding="utf-8-sig", errors="surrogateescape")
    except FileNotFoundError:
        text = ""
    except OSError as error:
        raise ConfigurationError(f"'{path}' cannot be read: {error.strerror}; mend that first") from error
    return DockerIgnore(text.splitlines())


def _refuse_unreadable(error: OSError) -> None:
    raise ConfigurationError(
        f"the folder '{error.filename}' cannot be read: {error.strerror}; name it in .dockerignore, or mend that"
    ) from error
