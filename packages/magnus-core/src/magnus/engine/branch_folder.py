"""One folder for steps to work in: links to the entries of the project folder, and data folders of its own."""

from __future__ import annotations

import os
import shutil
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from magnus.errors import ExecutionError
from magnus.ports.catalog import TEMPORARY_PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from collections.abc import Set as AbstractSet

_UNTOUCHED_NS = 1_000_000_000
"""Modification time of a folder to which nothing was added and from which nothing was removed since `prepare`."""

_CACHES = frozenset({"__pycache__", ".ipynb_checkpoints"})


class BranchFolder:
    """A folder in place of the project folder.

    Attributes:
        path: Its absolute path.
        is_clean: False once something in it could not be removed, so that it cannot serve another branch.
    """

    def __init__(self, path: str, project: str, data_folders: Iterable[str] = ()) -> None:
        """Describe the folder; `prepare` makes it.

        Args:
            path: Absolute path.
            project: Absolute path of the project folder.
            data_folders: Data folders, relative to the project.
        """
        self.path = path
        self.is_clean = True
        self._project = project
        self._data: set[str] = set()
        """Data folders, by their paths below the folder; `""` is the folder itself."""
        self._real: list[str] = [""]
        """Paths below the folder that are real folders and no links, each one behind those around it."""
        self._seen: dict[str, int] = {}
        """Modification times of the folders of the project whose entries are linked."""
        for name in data_folders:
            self._add_data_folder(name)

    def prepare(self) -> None:
        """Make the folder, and the links to the entries of the project folder as they are now.

        Raises:
            ExecutionError: It cannot be made.
        """
        try:
            for real in self._real:
                absolute = self._absolute(real)
                if not os.path.isdir(absolute):
                    os.makedirs(absolute, mode=0o700, exist_ok=True)
                self._link_entries(real)
        except OSError as error:
            message = (
                f"cannot make the folder of a branch: {error}; set TMPDIR to a folder on a file system that has room and "
                "supports symbolic links"
            )
            raise ExecutionError(message) from error

    def private(self, name: str) -> str:
        """Return the absolute path of the data folder *name*, which is real and belongs to this folder alone."""
        path = _normal(name)
        if path not in self._data:
            self._add_data_folder(path)
            self.prepare()
        absolute = self._absolute(path)
        if not os.path.isdir(absolute):  # a task may have removed it
            os.makedirs(absolute, exist_ok=True)
        return absolute

    def clear(self, stored: AbstractSet[str] = frozenset()) -> list[str]:
        """Remove all that steps have left, and restore the links that they removed or replaced.

        Args:
            stored: Names of files in the data folder that are in the catalog.

        Returns:
            Names of the files that are not in the catalog, relative to the data folder, or to the folder.
        """
        left: list[str] = []
        for real in reversed(self._real):
            try:
                left += self._clear(real)
            except OSError:
                self.is_clean = False
        return [name for name in left if name not in stored]

    def _clear(self, real: str) -> list[str]:
        absolute = self._absolute(real)
        try:
            found = os.lstat(absolute)
        except FileNotFoundError:
            self._seen.pop(real, None)
            return []
        if not stat.S_ISDIR(found.st_mode):  # a task has put a link or a file in its place
            os.unlink(absolute)
            self._seen.pop(real, None)
            return []
        if found.st_mtime_ns == _UNTOUCHED_NS:
            return []
        if found.st_mode & 0o700 != 0o700:  # noqa: PLR2004 - the owner's permissions
            os.chmod(absolute, 0o700)
        left = []
        for entry in _entries(absolute):
            path = f"{real}/{entry.name}" if real else entry.name
            if path in self._real or self._is_link_of_ours(entry, path):
                continue
            if not entry.name.startswith(TEMPORARY_PREFIX):
                base = real if real in self._data else ""
                left += [name[len(base) + 1 :] if base else name for name in _files(entry.path, path)]
            self._remove(entry)
        self._seen.pop(real, None)
        return left

    def _remove(self, entry: os.DirEntry[str]) -> None:
        if entry.is_dir(follow_symlinks=False):
            remove_folder(entry.path)
            self.is_clean &= not os.path.lexists(entry.path)
        else:
            os.unlink(entry.path)

    def _is_link_of_ours(self, entry: os.DirEntry[str], path: str) -> bool:
        if not entry.is_symlink():
            return False
        try:
            return os.readlink(entry.path) == f"{self._project}/{path}"
        except OSError:
            return False

    def _add_data_folder(self, name: str) -> None:
        path = _normal(name)
        self._data.add(path)
        parts = path.split("/") if path else []
        for depth in range(1, len(parts) + 1):
            real = "/".join(parts[:depth])
            if real not in self._real:
                self._real.append(real)
        self._real.sort(key=lambda each: each.count("/") + bool(each))
        self._seen.clear()

    def _link_entries(self, real: str) -> None:
        """Let the links in *real* be those to the entries of the project; a data folder has none."""
        if real in self._data and real:
            return
        source = f"{self._project}/{real}" if real else self._project
        try:
            changed = os.stat(source).st_mtime_ns
            if changed == self._seen.get(real):
                return
            wanted = set(os.listdir(source))
        except (FileNotFoundError, NotADirectoryError):
            wanted, changed = set(), -1
        absolute = self._absolute(real)
        present, has_others = self._remove_old_links(real, wanted)
        for name in wanted - present:
            path = f"{real}/{name}" if real else name
            if path not in self._real:
                with suppress(FileExistsError):  # another process of the run makes them, too
                    os.symlink(f"{source}/{name}", f"{absolute}/{name}")
        for path in self._real:
            if path and path.rpartition("/")[0] == real:
                os.makedirs(self._absolute(path), mode=0o700, exist_ok=True)
        self._seen[real] = changed
        if not has_others:
            os.utime(absolute, ns=(_UNTOUCHED_NS, _UNTOUCHED_NS))

    def _remove_old_links(self, real: str, wanted: AbstractSet[str]) -> tuple[set[str], bool]:
        """Remove the links in *real* to entries that are not in *wanted*.

        Returns:
            The names that are there now, and True if some of them are neither links nor folders of ours.
        """
        present = set()
        has_others = False
        for entry in _entries(self._absolute(real)):
            path = f"{real}/{entry.name}" if real else entry.name
            is_link = self._is_link_of_ours(entry, path)
            if is_link and (entry.name not in wanted or path in self._real):
                os.unlink(entry.path)
                continue
            present.add(entry.name)
            has_others |= not is_link and path not in self._real
        return present, has_others

    def _absolute(self, path: str) -> str:
        return f"{self.path}/{path}" if path else self.path


def remove_folder(path: str) -> None:
    """Remove a folder with everything in it, as far as that is possible."""
    shutil.rmtree(path, ignore_errors=True)
    if os.path.lexists(path):
        _make_removable(path)
        shutil.rmtree(path, ignore_errors=True)


def _make_removable(folder: str) -> None:
    """Let a folder be removed in which a task has taken away permissions."""
    for root, _, _ in os.walk(folder, topdown=True):
        with suppress(OSError):
            os.chmod(root, 0o700)


def _normal(name: str) -> str:
    path = os.path.normpath(name)
    return "" if path == "." else path


def _entries(folder: str) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return list(entries)


def _files(absolute: str, path: str) -> Iterator[str]:
    """Yield the files at or below a path, but for caches; a link is one."""
    if os.path.basename(path) in _CACHES:
        return
    if os.path.islink(absolute) or not os.path.isdir(absolute):
        yield path
        return
    with suppress(OSError), os.scandir(absolute) as entries:
        for entry in entries:
            yield from _files(entry.path, f"{path}/{entry.name}")
