"""One folder for steps to work in: links to the entries of the project folder, and data folders of its own."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet


class BranchFolder:
    """A folder that stands in for the project folder.

    Attributes:
        path: Its absolute path.
    """

    def __init__(self, path: str, project: str) -> None:
        """Describe the folder; `prepare` makes it."""
        self.path = path
        self._project = project
        self._links: dict[str, str] = {}
        """By path below the folder: the target of the link."""
        self._private: dict[str, str] = {}
        """By name as written: the absolute path of a data folder."""
        self._real: set[str] = {""}
        """Paths below the folder that are folders of ours, the folder itself among them."""
        self._seen_at = -1

    def prepare(self) -> None:
        """Make the folder, and the links to what is in the project folder now."""
        os.makedirs(self.path, mode=0o700, exist_ok=True)
        changed = os.stat(self._project).st_mtime_ns
        if changed != self._seen_at:
            self._seen_at = changed
            for real in self._real:
                self._link_entries(real)

    def private(self, name: str) -> str:
        """Return the absolute path of the data folder *name*, which is real and belongs to this folder alone."""
        known = self._private.get(name)
        if known is not None:
            os.makedirs(known, exist_ok=True)
            return known
        parts = [part for part in os.path.normpath(name).split(os.sep) if part != "."]
        for depth in range(1, len(parts) + 1):
            self._make_real("/".join(parts[:depth]), is_empty=depth == len(parts))
        path = "/".join(parts)
        self._private[name] = found = f"{self.path}/{path}" if path else self.path
        return found

    def clear(self, stored: AbstractSet[str]) -> list[str]:
        """Empty the data folders, remove what steps have left elsewhere, and put links back that they removed.

        Args:
            stored: Names of files in the data folder that are in the catalog.

        Returns:
            The names of the files that were left and are not in the catalog, relative to the data folder or the folder.
        """
        left: list[str] = []
        data = {path.removeprefix(self.path).lstrip("/") for path in self._private.values()}
        for real in sorted(self._real, key=len, reverse=True):
            if os.path.lexists(self._absolute(real)):
                left += self._clear(real, is_data=real in data)
        for path, target in self._links.items():
            absolute = self._absolute(path)
            if not os.path.lexists(absolute):
                with suppress(OSError):
                    os.makedirs(os.path.dirname(absolute), exist_ok=True)
                    os.symlink(target, absolute)
        return [name for name in left if name not in stored]

    def _clear(self, real: str, *, is_data: bool) -> Iterator[str]:
        left = []
        with os.scandir(self._absolute(real)) as entries:
            for entry in list(entries):
                path = f"{real}/{entry.name}" if real else entry.name
                if path in self._real or (path in self._links and self._is_link_of_ours(path)):
                    continue
                base = real if is_data else ""
                left += [_relative(name, base) for name in _files(self._absolute(path), path)]
                _remove(entry)
        return iter(left)

    def _is_link_of_ours(self, path: str) -> bool:
        try:
            return os.readlink(self._absolute(path)) == self._links[path]
        except OSError:
            return False

    def _make_real(self, path: str, *, is_empty: bool) -> None:
        """Make *path* a folder of ours, with links to what the project has in it unless it is to be empty."""
        if path in self._real:
            if is_empty:
                self._remove_links_below(path)
            return
        absolute = self._absolute(path)
        if self._links.pop(path, None) is not None:
            with suppress(OSError):
                os.unlink(absolute)
        os.makedirs(absolute, exist_ok=True)
        self._real.add(path)
        if not is_empty:
            self._link_entries(path)

    def _link_entries(self, real: str) -> None:
        if any(self._absolute(real) == path for path in self._private.values()):
            return  # a data folder is empty
        source = f"{self._project}/{real}" if real else self._project
        try:
            names = os.listdir(source)
        except OSError:
            return
        for name in names:
            path = f"{real}/{name}" if real else name
            if path in self._real or path in self._links:
                continue
            with suppress(FileExistsError):
                os.symlink(f"{source}/{name}", self._absolute(path))
                self._links[path] = f"{source}/{name}"

    def _remove_links_below(self, path: str) -> None:
        for known in [each for each in self._links if each.startswith(f"{path}/")]:
            del self._links[known]
            with suppress(OSError):
                os.unlink(self._absolute(known))

    def _absolute(self, path: str) -> str:
        return f"{self.path}/{path}" if path else self.path


def _files(absolute: str, path: str) -> Iterator[str]:
    """Yield the files at or below a path; a link is one."""
    if os.path.islink(absolute) or not os.path.isdir(absolute):
        yield path
        return
    with suppress(OSError), os.scandir(absolute) as entries:
        for entry in entries:
            yield from _files(entry.path, f"{path}/{entry.name}")


def _relative(path: str, base: str) -> str:
    return path[len(base) + 1 :] if base and path.startswith(f"{base}/") else path


def _remove(entry: os.DirEntry[str]) -> None:
    if entry.is_dir(follow_symlinks=False):
        shutil.rmtree(entry.path, ignore_errors=True)
    else:
        with suppress(OSError):
            os.unlink(entry.path)
