"""Locks between processes that the kernel lets go of when their holder dies."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def locked(path: str, *, exclusive: bool) -> Iterator[int]:
    """Hold the lock of the file at *path*, made if need be, and lend its descriptor, open for reading and appending.

    Every call opens the file anew, because a lock belongs to an open file: threads would otherwise share one.
    """
    descriptor = _open_locked(path, fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _open_locked(path: str, mode: int) -> int:
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            continue
        try:
            fcntl.flock(descriptor, mode)
            # Whoever held the lock before may have deleted the file; a lock on a nameless file guards nothing.
            if os.fstat(descriptor).st_nlink:
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
