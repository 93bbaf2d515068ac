"""Contents by their SHA-256, each stored once as a read-only file."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING

from magnus_stores.catalog.copying import copy_descriptor, hash_descriptor, hash_if_equal, write_all
from magnus_stores.catalog.entries import Content
from magnus_stores.catalog.files import (
    CREATE,
    READ,
    SMALL_BYTES,
    match_executable,
    open_changeable,
    open_regular,
    read_whole,
    remove,
    write_beside,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator

_OBJECT_MODE = 0o444
_EXECUTABLE_MODE = 0o555


class CorruptContentError(Exception):
    """What is stored does not match its hash."""


class ObjectStore:
    """A folder of contents.

    ```text
    ab/abcdef...     a content, in the folder named after the first two digits of its hash
    partial/...      what is being written; moved to its place when it is whole
    sizes/12345678   says that a large content of this many bytes has been stored
    ```
    """

    def __init__(self, root: str) -> None:
        """Open nothing yet."""
        self.root = root
        self._token = os.urandom(8).hex()
        self._counter = count()

    def path_of(self, data_hash: str) -> str:
        """Return where a content lies, or would lie."""
        return f"{self.root}/{data_hash[:2]}/{data_hash}"

    def temporary_path(self) -> str:
        """Return a path that no one else writes to, on the same file system as the contents."""
        # The process id, because a forked process has the token and the counter of its parent.
        return f"{self.root}/partial/{self._token}-{os.getpid()}-{next(self._counter)}"

    def add(self, source: str) -> Content:
        """Store the regular file *source* unless its content is there; that of a large file is read in blocks."""
        descriptor, size, is_executable = open_regular(source)
        try:
            content = self._add(descriptor, size)
        finally:
            os.close(descriptor)
        if not is_executable:
            return content
        self._make_executable(content)
        return content._replace(is_executable=True)

    def bring(self, content: Content, target: str, temporary: str) -> None:
        """Make *target* an ordinary file with the content, by way of *temporary* in the same folder.

        A target that holds the content already is left as it is: then nothing is written, but all is still verified.

        Raises:
            FileNotFoundError: The content is not stored, or the folder of *target* does not exist.
            CorruptContentError: What is stored does not match the hash.
        """
        source = os.open(self.path_of(content.data_hash), READ)
        try:
            if content.size <= SMALL_BYTES:
                _bring_small(source, content, target, temporary)
            else:
                _bring_large(source, content, target, temporary)
        finally:
            os.close(source)

    def copy(self, content: Content, target: str) -> None:
        """Put a read-only copy of a content at *target*, for places that no link can lead to."""
        temporary = self.temporary_path()
        try:
            shutil.copyfile(self.path_of(content.data_hash), temporary)
            os.chmod(temporary, _EXECUTABLE_MODE if content.is_executable else _OBJECT_MODE)
            os.replace(temporary, target)
        except BaseException:
            remove(temporary)
            raise

    def problem(self, content: Content) -> str | None:
        """Return what is wrong with a content as it is stored, or None."""
        try:
            descriptor = os.open(self.path_of(content.data_hash), READ)
        except FileNotFoundError:
            return "its content is missing"
        try:
            found, size = hash_descriptor(descriptor)
        finally:
            os.close(descriptor)
        if found == content.data_hash:
            return None
        return f"its content ({size} bytes) does not match its hash {content.data_hash}; it hashes to {found}"

    def unneeded(self, needed: Container[str]) -> Iterator[tuple[str, int]]:
        """Yield the path and the bytes of every content whose hash is not among the *needed*."""
        for bucket in _scan(self.root):
            if len(bucket.name) == 2:  # noqa: PLR2004 - the digits of a bucket
                for item in _scan(bucket.path):
                    if item.name not in needed:
                        yield item.path, item.stat().st_size

    def tidy(self, sizes: Container[int]) -> None:
        """Remove what killed writes left, and the marks of all but *sizes*; the caller keeps every writer away."""
        for item in _scan(f"{self.root}/partial"):
            if item.is_dir(follow_symlinks=False):
                shutil.rmtree(item.path)
            else:
                os.unlink(item.path)
        for item in _scan(f"{self.root}/sizes"):
            if int(item.name) not in sizes:
                os.unlink(item.path)

    def _add(self, descriptor: int, size: int) -> Content:
        if size <= SMALL_BYTES:
            data = read_whole(descriptor, size)
            if data is not None:
                return self._add_small(data)
            os.lseek(descriptor, 0, os.SEEK_SET)
        return self._add_large(descriptor, size)

    def _make_executable(self, content: Content) -> None:
        """Let the links by which people look at the content be executed; the entry decides what a step gets."""
        path = self.path_of(content.data_hash)
        with suppress(PermissionError):  # another user has stored it
            if not os.stat(path).st_mode & stat.S_IXUSR:
                os.chmod(path, _EXECUTABLE_MODE)

    def _add_small(self, data: bytes) -> Content:
        content = Content(hashlib.sha256(data).hexdigest(), len(data))
        if not self._has(content):
            self._store(content, lambda target: write_all(target, data))
        return content

    def _add_large(self, source: int, size: int) -> Content:
        # Only where a content of this size is known can it be there already: then hashing tells, and no byte is moved.
        # Otherwise one pass both hashes and copies.
        if os.path.exists(self._size_mark(size)):
            content = Content(*hash_descriptor(source))
            if self._has(content):
                return content
            os.lseek(source, 0, os.SEEK_SET)
        path, target = self._create_temporary()
        try:
            try:
                # What counts is what was copied: the file may have changed since it was hashed.
                content = Content(*copy_descriptor(source, target))
            finally:
                os.close(target)
            self._mark_size(content.size)
            if not self._has(content):
                self._move(path, content)
        finally:
            remove(path)
        return content

    def _store(self, content: Content, write: Callable[[int], None]) -> None:
        path, target = self._create_temporary()
        try:
            try:
                write(target)
            finally:
                os.close(target)
            self._move(path, content)
        except BaseException:
            remove(path)
            raise

    def _has(self, content: Content) -> bool:
        # The size is looked at because it is free, and finds what a power failure cut off.
        try:
            return os.stat(self.path_of(content.data_hash)).st_size == content.size
        except FileNotFoundError:
            return False

    def _create_temporary(self) -> tuple[str, int]:
        path = self.temporary_path()
        try:
            return path, os.open(path, CREATE, _OBJECT_MODE)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            return path, os.open(path, CREATE, _OBJECT_MODE)

    def _move(self, temporary: str, content: Content) -> None:
        path = self.path_of(content.data_hash)
        try:
            os.rename(temporary, path)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            os.rename(temporary, path)

    def _size_mark(self, size: int) -> str:
        return f"{self.root}/sizes/{size}"

    def _mark_size(self, size: int) -> None:
        mark = self._size_mark(size)
        os.makedirs(os.path.dirname(mark), exist_ok=True)
        os.close(os.open(mark, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666))


def _bring_small(source: int, content: Content, target: str, temporary: str) -> None:
    data = read_whole(source, content.size)
    if data is None or hashlib.sha256(data).hexdigest() != content.data_hash:
        raise CorruptContentError
    current = open_changeable(target, content.size)
    if current is not None:
        try:
            if read_whole(current, content.size) == data:
                match_executable(current, is_executable=content.is_executable)
                return
        finally:
            os.close(current)
    write_beside(
        target,
        temporary,
        lambda descriptor: write_all(descriptor, data),
        is_executable=content.is_executable,
    )


def _bring_large(source: int, content: Content, target: str, temporary: str) -> None:
    current = open_changeable(target, content.size)
    if current is not None:
        try:
            if hash_if_equal(source, current) == content.data_hash:
                match_executable(current, is_executable=content.is_executable)
                return
        finally:
            os.close(current)
        os.lseek(source, 0, os.SEEK_SET)

    def copy(descriptor: int) -> None:
        found, _ = copy_descriptor(source, descriptor)
        if found != content.data_hash:
            raise CorruptContentError

    write_beside(target, temporary, copy, is_executable=content.is_executable)


def _scan(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as items:
            return list(items)
    except FileNotFoundError:
        return []
