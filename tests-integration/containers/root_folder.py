"""Programs of this machine, with the libraries they load, as the files of an image."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import tarfile
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_LIBRARY = re.compile(r"^\t(?:\S+ => )?(/\S+) \(0x", re.MULTILINE)
MERGED = ("bin", "sbin", "lib", "lib64")
"""Folders that are links into `/usr` in an image, as they are on today's distributions."""


class RootFolder:
    """What an image will hold from `/` on: absolute paths, and a file of this machine, a content or a link for each."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._files: dict[str, Path] = {}
        self._contents: dict[str, tuple[bytes, int]] = {}
        self._links: dict[str, str] = {}
        self._folders: dict[str, int] = {}

    def add_content(self, path: str, content: str | bytes, *, mode: int = 0o644) -> None:
        """Add a file that holds *content*."""
        self._contents[path] = (content.encode() if isinstance(content, str) else content, mode)

    def add_link(self, path: str, target: str) -> None:
        """Add a symbolic link."""
        self._links[path] = target

    def add_folder(self, path: str, *, mode: int = 0o755) -> None:
        """Add a folder; those of files need not be named."""
        self._folders[path] = mode

    def add_tree(self, source: Path, path: str, *, without: Iterable[str] = ()) -> None:
        """Add the files below the folder *source* as *path*, except what matches a pattern of *without* anywhere."""
        ignored = shutil.ignore_patterns("__pycache__", *without)
        for folder, folders, names in os.walk(source, followlinks=True):
            left_out = ignored(folder, [*folders, *names])
            folders[:] = [name for name in folders if name not in left_out]
            within = Path(path, Path(folder).relative_to(source))
            for name in names:
                if name not in left_out and Path(folder, name).is_file():
                    self._files[str(within / name)] = Path(folder, name)

    def add_program(self, source: Path, path: str | None = None) -> None:
        """Add a program with its libraries, where it lies here or as *path*."""
        self._files[path or _in_usr(source)] = source
        self.add_libraries_of([source])

    def add_libraries_of(self, binaries: Iterable[Path]) -> None:
        """Add the libraries that programs and extension modules load, all into the folder of the C library.

        The loader, which is copied too, looks there without being told; a library that is missing here stays missing.
        """
        binaries = list(binaries)
        if not binaries:
            return
        listed = subprocess.run(["ldd", *binaries], capture_output=True, text=True, check=False).stdout
        for library in map(Path, sorted(set(_LIBRARY.findall(listed)))):
            self.add_library(library)

    def add_library(self, library: Path) -> None:
        """Add a library; the loader itself keeps its place, which every program names."""
        if library.name.startswith("ld-"):
            self._files[_in_usr(library)] = library
        else:
            self._files.setdefault(f"{_in_usr(library_folder())}/{library.name}", library)

    def write(self, archive: Path) -> None:
        """Write everything as a tar archive, owned by root."""
        with tarfile.open(archive, "w") as tar:
            for path, mode in self._folders.items():
                entry = _entry(path, tarfile.DIRTYPE, mode)
                tar.addfile(entry)
            for path, target in self._links.items():
                entry = _entry(path, tarfile.SYMTYPE)
                entry.linkname = target
                tar.addfile(entry)
            for path, (content, mode) in self._contents.items():
                entry = _entry(path, tarfile.REGTYPE, mode)
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
            for path, source in self._files.items():
                status = source.stat()
                entry = _entry(path, tarfile.REGTYPE, status.st_mode & 0o755)
                entry.size, entry.mtime = status.st_size, status.st_mtime
                with source.open("rb") as opened:
                    tar.addfile(entry, opened)


def _entry(path: str, kind: bytes, mode: int = 0o777) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path.lstrip("/"))
    entry.type, entry.mode = kind, mode
    return entry


@cache
def library_folder() -> Path:
    """Return the folder of this machine's C library."""
    listed = subprocess.run(["ldd", "/bin/sh"], capture_output=True, text=True, check=True).stdout
    return next(Path(found).parent for found in _LIBRARY.findall(listed) if Path(found).name == "libc.so.6")


def _in_usr(path: Path) -> str:
    """Return where a file lies in an image, in which `/bin`, `/lib` and the like are links into `/usr`."""
    return f"/usr{path}" if path.parts[1] in MERGED else str(path)
