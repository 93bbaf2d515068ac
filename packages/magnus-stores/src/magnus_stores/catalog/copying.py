"""Reading, hashing and copying large files: in constant memory, hashing beside the reading and writing."""

from __future__ import annotations

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
    """Copy what can be read from *source* to *target*; return the SHA-256 of what was copied, and its bytes."""
    return _hash_blocks(source, lambda block: write_all(target, block))


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


def _hash_blocks(source: int, handle: Callable[[memoryview], None] | None) -> tuple[str, int]:
    digest = hashlib.sha256()
    size = 0
    free: SimpleQueue[memoryview] = SimpleQueue()
    filled: SimpleQueue[tuple[memoryview, int] | None] = SimpleQueue()
    for _ in range(_BLOCKS_IN_FLIGHT):
        free.put(memoryview(bytearray(BLOCK_BYTES)))

    def hash_filled() -> None:
        while (item := filled.get()) is not None:
            buffer, count = item
            digest.update(buffer[:count])
            free.put(buffer)

    # hashlib lets go of the interpreter while it works, so a second core hashes what the first one moves.
    hasher = Thread(target=hash_filled, name="magnus-hash", daemon=True)
    hasher.start()
    try:
        while True:
            buffer = free.get()
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
    return digest.hexdigest(), size


def _read_full(source: int, buffer: memoryview) -> int:
    done = 0
    while done < len(buffer) and (count := os.readv(source, [buffer[done:]])):
        done += count
    return done
