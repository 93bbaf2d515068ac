"""The build context as a tar archive that is made while it is sent, so that it is never whole in memory or on disk."""

from __future__ import annotations

import os
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from magnus.errors import ConfigurationError
from magnus.usecases.build_docker.files import OWN_FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from magnus.usecases.build_docker.files import ProjectFile

DOCKERFILE = f"{OWN_FOLDER}/Dockerfile"
WHEELS = f"{OWN_FOLDER}/wheels"
CA_BUNDLE = f"{OWN_FOLDER}/ca-bundle.crt"

_CHUNK = 1 << 18
# Steps run as the user who started the run, whom the image does not know.
_FILE_MODE = 0o666
_FOLDER_MODE = 0o777
_READ_ONLY = 0o644
_EXECUTABLE = 0o111


@dataclass(frozen=True, slots=True)
class Context:
    """What the engine is sent.

    Attributes:
        folder: The project.
        files: Those of the project; they keep their paths.
        dockerfile: Its text.
        additions: Files from elsewhere, by their paths in the context.
    """

    folder: Path
    files: Sequence[ProjectFile]
    dockerfile: str
    additions: Mapping[str, Path]

    def archive(self) -> Iterator[bytes]:
        """Yield the archive in pieces.

        Raises:
            ConfigurationError: A file cannot be read, or changes meanwhile.
        """
        folders: set[str] = set()
        for file in self.files:
            yield from _new_folders(file.path, folders)
            yield from _project_file(self.folder, file)
        for path, source in self.additions.items():
            yield from _new_folders(path, folders)
            yield from _added_file(path, source)
        text = self.dockerfile.encode()
        yield from _new_folders(DOCKERFILE, folders)
        yield _header(_member(DOCKERFILE, len(text)))
        yield text + _padding(len(text))
        yield bytes(2 * tarfile.BLOCKSIZE)


def _new_folders(path: str, known: set[str]) -> Iterator[bytes]:
    parts = path.split("/")[:-1]
    for depth in range(1, len(parts) + 1):
        folder = "/".join(parts[:depth])
        if folder not in known:
            known.add(folder)
            member = tarfile.TarInfo(folder)
            member.type, member.mode = tarfile.DIRTYPE, _FOLDER_MODE
            yield _header(member)


def _project_file(folder: Path, file: ProjectFile) -> Iterator[bytes]:
    member = _member(file.path, file.size, file.modified)
    if file.link:
        member.type, member.linkname, member.mode = tarfile.SYMTYPE, file.link, _FOLDER_MODE
        yield _header(member)
        return
    if file.mode & _EXECUTABLE:
        member.mode = _FILE_MODE | _EXECUTABLE
    yield _header(member)
    yield from _content(os.path.join(folder, file.path), file.size)


def _added_file(path: str, source: Path) -> Iterator[bytes]:
    try:
        size = source.stat().st_size
    except OSError as error:
        raise _unreadable(str(source), error) from error
    member = _member(path, size)
    member.mode = _READ_ONLY  # nobody may change what the image trusts
    yield _header(member)
    yield from _content(str(source), size)


def _content(path: str, size: int) -> Iterator[bytes]:
    """Yield exactly *size* bytes and the padding: the header has promised them."""
    left = size
    try:
        # A file that has become a link since it was chosen may lead anywhere.
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb", buffering=0) as source:
            while left and (piece := source.read(min(left, _CHUNK))):
                left -= len(piece)
                yield piece
    except OSError as error:
        raise _unreadable(path, error) from error
    if left:
        raise ConfigurationError(f"'{path}' became shorter while it was read; build again when it is at rest")
    yield _padding(size)


def _member(path: str, size: int, modified: int = 0) -> tarfile.TarInfo:
    member = tarfile.TarInfo(path)
    member.size, member.mode, member.mtime = size, _FILE_MODE, modified
    return member


def _header(member: tarfile.TarInfo) -> bytes:
    # This format takes paths of any length and in any encoding.
    return member.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def _padding(size: int) -> bytes:
    return bytes(-size % tarfile.BLOCKSIZE)


def _unreadable(path: str, error: OSError) -> ConfigurationError:
    return ConfigurationError(f"'{path}' cannot be read: {error.strerror}; mend that, and build again")
