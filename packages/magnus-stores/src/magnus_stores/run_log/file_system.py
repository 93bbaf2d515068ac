"""The run log store `file-system`: one append-only journal for each run."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from magnus.domain.capabilities import Reach, ServiceCapabilities
from magnus.domain.names import run_id_problem
from magnus.domain.records import Record
from magnus.errors import RunLogExistsError, RunLogNotFoundError
from magnus.ports.run_log_store import RunLogStore
from magnus_stores.run_log.failures import reported
from magnus_stores.run_log.journal import (
    DeletedJournalError,
    JournalReader,
    JournalWriter,
    create,
    encode,
    is_begun,
    sync_folder,
)
from magnus_stores.run_log.open_journals import OpenJournals

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from magnus.domain.records import RecordKind

_J = TypeVar("_J", JournalReader, JournalWriter)
_T = TypeVar("_T")

_ENDING = ".jsonl"


@dataclass(frozen=True, slots=True)
class FileSystemOptions:
    """Options of `file-system`.

    Attributes:
        log_folder: Where the journals are, relative to the working directory of the run.
    """

    log_folder: str = ".run_log_store"


class FileSystemRunLogStore(RunLogStore):
    """Keeps each run in `<log_folder>/<run_id>.jsonl`."""

    Options = FileSystemOptions

    def __init__(self, options: FileSystemOptions | None = None) -> None:
        """Remember where; the folder is made with the first run."""
        super().__init__(options)
        # A task may change the working directory.
        self._folder = os.path.abspath(self.options.log_folder)
        self._writers = OpenJournals(JournalWriter)
        self._readers = OpenJournals(JournalReader)

    @classmethod
    def capabilities(cls, options: Any) -> ServiceCapabilities:
        """Reach this machine: locks and appended lines are its kernel's."""
        return ServiceCapabilities(reach=Reach.HOST)

    def create_run(self, run_id: str, records: Sequence[Record]) -> None:
        """See the port."""
        path = self._path(run_id)
        line = encode(records)
        with reported("made", path):
            if not os.path.isdir(self._folder):
                os.makedirs(self._folder, exist_ok=True)
                sync_folder(os.path.dirname(self._folder))
            try:
                create(path, line)
            except FileExistsError as error:
                raise RunLogExistsError(
                    f"the run {run_id!r} exists already in {self._folder}; choose another run id"
                ) from error

    def put(self, run_id: str, records: Sequence[Record], *, durable: bool = True) -> None:
        """See the port."""
        line = encode(records)
        self._use(self._writers, run_id, lambda writer: writer.append(line, durable=durable))

    def get(self, run_id: str, kind: RecordKind, name: str) -> str | None:
        """See the port."""

        def find(reader: JournalReader) -> str | None:
            span = reader.index().get((kind, name))
            return None if span is None else reader.body(span)

        return self._use(self._readers, run_id, find)

    def scan(self, run_id: str, kinds: Collection[RecordKind] | None = None) -> Iterator[Record]:
        """See the port."""

        def find(reader: JournalReader) -> Iterator[Record]:
            found = [item for item in reader.index().items() if kinds is None or item[0][0] in kinds]
            bodies = reader.bodies([span for _, span in found])
            return (Record(*key, body) for (key, _), body in zip(found, bodies, strict=True))

        return self._use(self._readers, run_id, find)

    def list_runs(self) -> Iterator[str]:
        """See the port."""
        with reported("listed", self._folder):
            try:
                names = os.listdir(self._folder)
            except FileNotFoundError:
                return
        for name in names:
            if name.endswith(_ENDING) and is_begun(f"{self._folder}/{name}"):
                yield name.removesuffix(_ENDING)

    def delete_run(self, run_id: str) -> None:
        """See the port."""
        path = self._path(run_id)
        if not is_begun(path):
            raise self._unknown(run_id)
        self._writers.forget(path)
        self._readers.forget(path)
        with reported("deleted", path):
            try:
                os.unlink(path)
            except FileNotFoundError as error:
                raise self._unknown(run_id) from error
            sync_folder(self._folder)

    def close(self) -> None:
        """Close every journal."""
        self._writers.close()
        self._readers.close()

    def _use(self, journals: OpenJournals[_J], run_id: str, work: Callable[[_J], _T]) -> _T:
        path = self._path(run_id)
        while True:
            with reported("opened", path):
                try:
                    journal = journals.get(path)
                except FileNotFoundError as error:
                    raise self._unknown(run_id) from error
            try:
                return work(journal)
            except DeletedJournalError:
                journals.forget(path)  # to find the run gone, or begun again

    def _path(self, run_id: str) -> str:
        if run_id_problem(run_id):  # it could lead out of the folder
            raise self._unknown(run_id)
        return f"{self._folder}/{run_id}{_ENDING}"

    def _unknown(self, run_id: str) -> RunLogNotFoundError:
        return RunLogNotFoundError(
            f"no run {run_id!r} in {self._folder}; `magnus runs list` shows the runs there are"
        )
