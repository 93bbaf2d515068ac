"""The journals that a store has open: a few at a time, and none that a parent process opened."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable


class _Closable(Protocol):
    def close(self) -> None: ...


_J = TypeVar("_J", bound=_Closable)


class OpenJournals(Generic[_J]):
    """Opens journals by their path and keeps those that were used last open.

    A lock belongs to an open file, and a forked process has the open files of its parent: both would hold it at once. So
    a file is opened anew in a new process.
    """

    def __init__(self, open_journal: Callable[[str], _J], *, limit: int = 16) -> None:
        """Open nothing yet."""
        self._open_journal = open_journal
        self._limit = limit
        self._journals: dict[str, _J] = {}
        self._process = os.getpid()

    def get(self, path: str) -> _J:
        """Return the journal at *path*, opened if need be; whatever opening it raises is passed on."""
        if self._process != os.getpid():
            self.close()
            self._process = os.getpid()
        journal = self._journals.pop(path, None)
        if journal is None:
            journal = self._open_journal(path)
            if len(self._journals) == self._limit:
                self.forget(next(iter(self._journals)))
        # The last one used stands last.
        self._journals[path] = journal
        return journal

    def forget(self, path: str) -> None:
        """Close the journal at *path* if it is open."""
        if journal := self._journals.pop(path, None):
            journal.close()

    def close(self) -> None:
        """Close all."""
        for path in list(self._journals):
            self.forget(path)
