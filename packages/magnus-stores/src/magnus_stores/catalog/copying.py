"""Reading, hashing and copying large files: in constant memory, hashing beside the reading and writing."""

from __future__ import annotations

import errno
import hashlib
import os
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCK_BYTES = 1 << 20
_BLOCKS_IN_FLIGHT = 4

COPY_MODE = 0o666
"""The mode of a file that a person may change, before the umask."""


def hash_descriptor(source: int) -> tuple[str, int]:
    """Return the SHA-256 in hexadecimal and the size in bytes of what can be read from *source*."""
    return _hash_blocks(source, None)


def copy_descriptor(source: int, target: int) -> tuple[str, int]:
    """Copy what can be read from *source* to *target*; return the SHA-256 of what was copied, and its bytes.

    Args:
        source: The rest of this is read.
        target: An empty file, open for reading and writing.
    """
    size = _copy_block_in_kernel(source, target)
    if not size:
        return _hash_blocks(source, lambda block: write_all(target, block))
    digest = FollowingDigest(target)
    try:
        while size:
            digest.follow(size)
            size = _copy_block_in_kernel(source, target)
    finally:
        digest.finish()
    return digest.result()


def hash_if_equal(source: int, other: int) -> str | None:
    """Return the SHA-256 of *source* if *other* holds the same bytes from here to its end, else None."""
    beside = bytearray(BLOCK_BYTES)
    view = memoryview(beside)

    def compare(block: memoryview) -> None:
        size = len(block)
        if _read_full(other, view[:size]) != size:
            raise _DifferentError
        # Not as views: those are compared element by element, which takes twenty times as long.
        whole = size == BLOCK_BYTES
        if (block.obj if whole else bytes(block)) != (beside if whole else bytes(view[:size])):
            raise _DifferentError

    try:
        digest, _ = _hash_blocks(source, compare)
    except _DifferentError:
        return None
    return None if os.read(other, 1) else digest


def write_all(target: int, data: bytes | memoryview) -> None:
    """Write *data* to *target*, however many calls that takes."""
    written = os.write(target, data)
    while written < len(data):
        data = memoryview(data)[written:]
        written = os.write(target, data)


class _DifferentError(Exception):
    pass


# Not all kernels and file systems can; those that cannot say so at the first block.
_NOT_IN_KERNEL = frozenset(
    {errno.EXDEV, errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.EBADF}
)


def _copy_block_in_kernel(source: int, target: int) -> int:
    """Copy the next block without its passing through this process; return its bytes, 0 if there is none or it cannot."""
    copy = getattr(os, "copy_file_range", None)  # Linux has it
    try:
        return int(copy(source, target, BLOCK_BYTES)) if copy else 0
    except OSError as error:
        # At any later block it is a failure to copy.
        if error.errno in _NOT_IN_KERNEL and not os.lseek(target, 0, os.SEEK_CUR):
            return 0
        raise


class FollowingDigest:
    """Hashes in a thread of its own what is being written to a file, close behind the writer.

    It reads from the copy and not from the source, which someone may be changing: the hash is that of what was stored.
    """

    def __init__(self, target: int) -> None:
        """Begin at the start of *target*."""
        self._target = target
        self._digest = hashlib.sha256()
        self._size = 0
        self._written: SimpleQueue[int] = SimpleQueue()
        self._failure: BaseException | None = None
        self._thread = Thread(target=self._read, name="magnus-hash", daemon=True)
        self._thread.start()

    def follow(self, size: int) -> None:
        """Another *size* bytes have been written."""
        for start in range(0, size, BLOCK_BYTES):
            self._written.put(min(size - start, BLOCK_BYTES))

    def finish(self) -> None:
        """Wait until all has been hashed."""
        self._written.put(0)
        self._thread.join()

    def result(self) -> tuple[str, int]:
        """Return the SHA-256 in hexadecimal and the size in bytes.

        Raises:
            OSError: The file could not be read back.
        """
        if self._failure is not None:
            raise self._failure
        return self._digest.hexdigest(), self._size

    def _read(self) -> None:
        buffer = memoryview(bytearray(BLOCK_BYTES))
        while (written := self._written.get()) and self._failure is None:
            try:
                self._hash(buffer[:written])
            except BaseException as error:  # noqa: BLE001 - whatever ends this thread, the writer has to know
                self._failure = error

    def _hash(self, block: memoryview) -> None:
        while block:
            count = os.preadv(self._target, [block], self._size)
            if not count:
                raise OSError(errno.EIO, "a file was cut off while it was written")
            self._digest.update(block[:count])
            self._size += count
            block = block[count:]


def _hash_blocks(source: int, handle: Callable[[memoryview], None] | None) -> tuple[str, int]:
    digest = hashlib.sha256()
    size = 0
    free: SimpleQueue[memoryview] = SimpleQueue()
    filled: SimpleQueue[tuple[memoryview, int] | None] = SimpleQueue()
    for _ in range(_BLOCKS_IN_FLIGHT):
        free.put(memoryview(bytearray(BLOCK_BYTES)))

    failures: list[BaseException] = []

    def hash_filled() -> None:
        while (item := filled.get()) is not None:
            buffer, count = item
            try:
                digest.update(buffer[:count])
            except BaseException as error:  # noqa: BLE001 - raised below, by the thread that waits for blocks
                failures.append(error)
            free.put(buffer)

    # hashlib lets go of the interpreter while it works, so a second core hashes what the first one moves.
    hasher = Thread(target=hash_filled, name="magnus-hash", daemon=True)
    hasher.start()
    try:
        while True:
            buffer = free.get()
            if failures:
                raise failures[0]
            count = os.readv(source, [buffer])
            if not count:
                break
            filled.put((buffer, count))
            # The hasher only reads the block, and no one but this loop takes it again.
            if handle is not None:
                handle(buffer[:count])
            size += count
    finally:
        filled.put(None)
        hasher.join()
    if failures:
        raise failures[0]
    return digest.hexdigest(), size


def _read_full(source: int, buffer: memoryview) -> int:
    done = 0
    while done < len(buffer) and (count := os.readv(source, [buffer[done:]])):
        done += count
    return done
