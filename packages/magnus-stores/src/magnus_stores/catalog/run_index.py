"""The entries of one run: a journal to which every put appends its lines, whatever the length it has reached."""

from __future__ import annotations

import json
import os
from threading import Lock
from typing import TYPE_CHECKING

from magnus_stores.catalog.copying import write_all
from magnus_stores.catalog.entries import Content
from magnus_stores.catalog.locking import locked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from contextlib import AbstractContextManager

_IDENTITY_BYTES = 32


class RunIndex:
    """The journal of one run, read from where the last reading ended.

    Its first line is random, so that a run that was deleted and begun again is not taken for the same. Each batch of
    lines begins with a line feed, which ends the half line that a killed process may have left; a line that is no JSON
    is skipped. The last line of a name counts.
    """

    def __init__(self, path: str) -> None:
        """Open nothing yet."""
        self.path = path
        self._lock = Lock()
        self._identity = b""
        self._offset = 0
        self._contents: dict[str, Content] = {}

    def locked(self) -> AbstractContextManager[int]:
        """Keep other writers of the run away, and lend the journal's descriptor."""
        return locked(self.path, exclusive=True)

    def read(self) -> Mapping[str, Content]:
        """Return what the run holds, by name, in no order; the mapping is a snapshot only until the next call."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            with self._lock:
                self._forget()
                return self._contents
        try:
            return self.read_from(descriptor)
        finally:
            os.close(descriptor)

    def read_from(self, descriptor: int) -> Mapping[str, Content]:
        """Do the same through an open descriptor."""
        with self._lock:
            identity = os.pread(descriptor, _IDENTITY_BYTES, 0)
            if identity != self._identity:
                self._forget()
                self._identity = identity
            for line in self._new_lines(descriptor):
                try:
                    name, data_hash, size = json.loads(line)
                except ValueError:
                    continue
                self._contents[name] = Content(data_hash, size)
            return self._contents

    def append(self, descriptor: int, contents: Mapping[str, Content]) -> None:
        """Add *contents* in one write; the caller holds the lock whose *descriptor* it gives."""
        identity = "" if os.fstat(descriptor).st_size else os.urandom(_IDENTITY_BYTES // 2).hex()
        lines = [json.dumps((name, content.data_hash, content.size)) for name, content in contents.items()]
        write_all(descriptor, "\n".join([identity, *lines, ""]).encode("ascii"))

    def _forget(self) -> None:
        self._identity = b""
        self._offset = 0
        self._contents = {}

    def _new_lines(self, descriptor: int) -> Iterator[bytes]:
        while block := os.pread(descriptor, 1 << 20, self._offset):
            end = block.rfind(b"\n") + 1
            if not end:
                return
            self._offset += end
            yield from block[:end].split(b"\n")
