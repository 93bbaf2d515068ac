"""The run log store `file-system`: one append-only journal for each run."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from magnus.domain.capabilities import Reach, ServiceCapabilities
from magnus.domain.records import Record
from magnus.errors import RunLogExistsError, RunLogNotFoundError, ServiceError
from magnus.ports.run_log_store import RunLogStore
from magnus_stores.run_log.journal import JournalReader, JournalWriter, encode

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from magnus.domain.records import RecordKind

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
        self._folder = os.path.abspath(self.options.log_folder)  # noqa: PTH100
        self._writers: dict[str, JournalWriter] = {}
        self._readers: dict[str, JournalReader] = {}

    @classmethod
    def capabilities(cls, options: Any) -> ServiceCapabilities:  # noqa: ARG003 - the same with any
        """See the port."""
        return ServiceCapabilities(reach=Reach.HOST)

    def create_run(self, run_id: str, records: Sequence[Record]) -> None:
        """See the port."""
        path = self._path(run_id)
        try:
            os.makedirs(self._folder, exist_ok=True)
            writer = JournalWriter(path, create=True)
        except FileExistsError as error:
            message = f"the run '{run_id}' exists already in {self._folder}; choose another run id"
            raise RunLogExistsError(message) from error
        except OSError as error:
            message = f"the run log {path} could not be made: {error.strerror}"
            raise ServiceError(message) from error
        self._writers[run_id] = writer
        writer.append(encode(records), durable=True)

    def put(self, run_id: str, records: Sequence[Record], *, durable: bool = True) -> None:
        """See the port."""
        if records:
            self._writer(run_id).append(encode(records), durable=durable)

    def get(self, run_id: str, kind: RecordKind, name: str) -> str | None:
        """See the port."""
        reader = self._reader(run_id)
        span = reader.index().get((kind, name))
        return None if span is None else reader.body(span)

    def scan(self, run_id: str, kinds: Collection[RecordKind] | None = None) -> Iterator[Record]:
        """See the port."""
        reader = self._reader(run_id)
        for (kind, name), span in list(reader.index().items()):
            if kinds is None or kind in kinds:
                yield Record(kind, name, reader.body(span))

    def list_runs(self) -> Iterator[str]:
        """See the port."""
        try:
            names = os.listdir(self._folder)
        except FileNotFoundError:
            return
        yield from (name.removesuffix(_ENDING) for name in names if name.endswith(_ENDING))

    def delete_run(self, run_id: str) -> None:
        """See the port."""
        self._let_go(run_id)
        try:
            os.unlink(self._path(run_id))
        except FileNotFoundError as error:
            raise self._unknown(run_id) from error

    def close(self) -> None:
        """Close every journal."""
        for run_id in {*self._writers, *self._readers}:
            self._let_go(run_id)

    def _let_go(self, run_id: str) -> None:
        for journals in (self._writers, self._readers):
            if journal := journals.pop(run_id, None):
                journal.close()

    def _path(self, run_id: str) -> str:
        return f"{self._folder}/{run_id}{_ENDING}"

    def _writer(self, run_id: str) -> JournalWriter:
        if run_id not in self._writers:
            try:
                self._writers[run_id] = JournalWriter(self._path(run_id))
            except FileNotFoundError as error:
                raise self._unknown(run_id) from error
        return self._writers[run_id]

    def _reader(self, run_id: str) -> JournalReader:
        if run_id not in self._readers:
            try:
                self._readers[run_id] = JournalReader(self._path(run_id))
            except FileNotFoundError as error:
                raise self._unknown(run_id) from error
        return self._readers[run_id]

    def _unknown(self, run_id: str) -> RunLogNotFoundError:
        return RunLogNotFoundError(f"no run '{run_id}' in {self._folder}; `magnus runs list` shows the runs there are")
