"""A file that is written in pieces, in any order, and hashed meanwhile."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

from magnus_stores.catalog.copying import FollowingDigest, hash_descriptor, write_all

if TYPE_CHECKING:
    from typing_extensions import Buffer


class HashedFile(io.RawIOBase):
    """Hashes what is there without a gap from the beginning, close behind whoever writes.

    So several pieces can be fetched at the same time without any being held in memory until it is its turn.
    """

    def __init__(self, descriptor: int) -> None:
        """Take an empty file, open for reading and writing, which stays open at the end."""
        super().__init__()
        self._descriptor = descriptor
        self._digest = FollowingDigest(descriptor)
        self._hashed = 0
        self._waiting: dict[int, int] = {}
        self._is_rewritten = False
        self._is_finished = False

    def finish(self) -> str:
        """Return the SHA-256 of the whole file in hexadecimal.

        Raises:
            OSError: It could not be read back.
        """
        self._follow(os.fstat(self._descriptor).st_size)
        self._stop()
        if self._is_rewritten:
            os.lseek(self._descriptor, 0, os.SEEK_SET)
            return hash_descriptor(self._descriptor)[0]
        return self._digest.result()[0]

    def close(self) -> None:
        """Stop hashing; the file itself stays open."""
        self._stop()
        super().close()

    def readable(self) -> bool:
        """It is only written."""
        return False

    def writable(self) -> bool:
        """It is written."""
        return True

    def seekable(self) -> bool:
        """In any order."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        """Go to where the next piece belongs."""
        return os.lseek(self._descriptor, offset, whence)

    def write(self, data: Buffer, /) -> int:
        """Write all of *data* here."""
        piece = memoryview(data).cast("B")
        start = self.seek(0, os.SEEK_CUR)
        # A piece that comes once more, because its connection broke, may have been hashed already.
        self._is_rewritten = self._is_rewritten or start < self._hashed
        write_all(self._descriptor, piece)
        self._waiting[start] = start + len(piece)
        while (end := self._waiting.pop(self._hashed, 0)) > self._hashed:
            self._follow(end)
        return len(piece)

    def _follow(self, end: int) -> None:
        self._digest.follow(end - self._hashed)
        self._hashed = end

    def _stop(self) -> None:
        if not self._is_finished:
            self._is_finished = True
            self._digest.finish()
