"""Files of steps: opened only if they are what they should be, and replaced in one go."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

from magnus_stores.catalog.copying import COPY_MODE

if TYPE_CHECKING:
    from collections.abc import Callable

SMALL_BYTES = 1 << 20
"""A content of at most this size is read whole; more would be worth a second thread and constant memory."""

READ = os.O_RDONLY | os.O_CLOEXEC
CREATE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


def open_regular(path: str) -> tuple[int, int, bool]:
    """Open the regular file at *path*; return its descriptor, its size in bytes, and if its owner may execute it."""
    # Without O_NONBLOCK a named pipe would keep us here for ever.
    descriptor = os.open(path, READ | os.O_NONBLOCK)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise OSError(None, "not a regular file", path)
    return descriptor, status.st_size, bool(status.st_mode & stat.S_IXUSR)


def open_changeable(path: str, size: int) -> int | None:
    """Open *path* if it is an ordinary file of that size that a step may change without changing any other."""
    try:
        descriptor = os.open(path, READ | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return None
    status = os.fstat(descriptor)
    if (
        stat.S_ISREG(status.st_mode)
        and status.st_size == size
        and status.st_nlink == 1
        and status.st_mode & stat.S_IWUSR
    ):
        return descriptor
    os.close(descriptor)
    return None


def match_executable(descriptor: int, *, is_executable: bool) -> None:
    """Give the open file the executable bit, or take it away: for whoever may read the file."""
    mode = os.fstat(descriptor).st_mode
    if bool(mode & stat.S_IXUSR) != is_executable:
        readable = (mode & 0o444) >> 2
        os.fchmod(descriptor, (mode & 0o666) | (readable if is_executable else 0))


def write_beside(
    target: str, temporary: str, write: Callable[[int], None], *, is_executable: bool = False
) -> None:
    """Make *target* of what *write* puts into *temporary*, in the same folder; nothing is left of what fails."""
    descriptor = os.open(temporary, CREATE, COPY_MODE | 0o111 if is_executable else COPY_MODE)
    try:
        try:
            write(descriptor)
        finally:
            os.close(descriptor)
        os.rename(temporary, target)
    except BaseException:
        remove(temporary)
        raise


def read_whole(descriptor: int, size: int) -> bytes | None:
    """Return all that can be read, or None if that is more than *size* bytes."""
    # No larger buffer than needed: making one of a megabyte takes four times as long as reading a small file.
    data = os.read(descriptor, size + 1)
    return data if len(data) <= size else None


def remove(path: str) -> None:
    """Remove a file that may not be there."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return
