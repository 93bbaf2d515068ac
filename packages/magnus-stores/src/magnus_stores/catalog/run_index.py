"""The entries of one run: a journal to which every put appends its lines, whatever the length it has reached."""

from __future__ import annotations

import json
import os
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from magnus_stores.catalog.copying import write_all
from magnus_stores.catalog.entries import Content
from magnus_stores.catalog.locking import locked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

_IDENTITY_BYTES = 32


class IndexChanges(NamedTuple):
    """Changes since an earlier reading: for each name its content, None where it was removed."""

    mark: object
    contents: Mapping[str, Content | None]
    is_complete: bool


class RunIndex:
    """The journal of one run, read from where the last reading ended.

    Its first line is random, so that a run that was deleted and begun again is not taken for the same. Each batch of
    lines begins with a line feed, which ends the half line that a killed process may have left; a line that is no JSON
    is skipped. The last line of a name counts: name, hash and size of a file, with a 1 behind them if it may be executed,
    or the name alone of an entry that was removed.
    """

    def __init__(self, path: str) -> None:
        """Open nothing yet."""
        self.path = path
        self._lock = Lock()
        self._identity = b""
        self._offset = 0
        self._contents: dict[str, Content] = {}
        self._changed: list[str] = []
        """The names in the lines read so far, for readers that come back."""

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
                    name, *rest = json.loads(line)
                    content = Content(rest[0], rest[1], len(rest) > 2) if rest else None  # noqa: PLR2004
                except (ValueError, TypeError, IndexError):
                    continue
                self._changed.append(name)
                if content is None:
                    self._contents.pop(name, None)
                else:
                    self._contents[name] = content
            return self._contents

    def read_changes(self, mark: object | None) -> IndexChanges:
        """Return what was read since the call that returned *mark*, after reading what is new."""
        self.read()
        with self._lock:
            is_known = isinstance(mark, tuple) and mark[0] == self._identity
            names = self._changed[mark[1] :] if isinstance(mark, tuple) and is_known else list(self._contents)
            new_mark = (self._identity, len(self._changed))
            found = {name: self._contents.get(name) for name in dict.fromkeys(names)}
            return IndexChanges(new_mark, found, is_complete=not is_known)

    def append(self, descriptor: int, contents: Mapping[str, Content], removed: Sequence[str] = ()) -> None:
        """Add *contents*, and remove names, in one write; the caller holds the lock whose *descriptor* it gives."""
        identity = "" if os.fstat(descriptor).st_size else os.urandom(_IDENTITY_BYTES // 2).hex()
        lines = [json.dumps(_line(name, content)) for name, content in contents.items()]
        lines += [json.dumps([name]) for name in removed]
        write_all(descriptor, "\n".join([identity, *lines, ""]).encode("ascii"))

    def _forget(self) -> None:
        self._identity = b""
        self._offset = 0
        self._contents = {}
        self._changed = []

    def _new_lines(self, descriptor: int) -> Iterator[bytes]:
        while block := os.pread(descriptor, 1 << 20, self._offset):
            end = block.rfind(b"\n") + 1
            if not end:
                return
            self._offset += end
            yield from block[:end].split(b"\n")


def _line(name: str, content: Content) -> tuple[object, ...]:
    line = (name, content.data_hash, content.size)
    return (*line, 1) if content.is_executable else line
