"""The run log store `chunked-fs`: a folder for each run, a file for each record.

It needs no locks, so it also serves on file systems that have none: a file appears, or takes the place of another, by
being renamed. Files written here are never changed afterwards.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from magnus.domain.capabilities import Reach, ServiceCapabilities
from magnus.domain.names import run_id_problem
from magnus.domain.records import RecordKind
from magnus.errors import RunLogExistsError, RunLogNotFoundError, ServiceError
from magnus.ports.run_log_store import RunLogStore
from magnus_stores.run_log.failures import reported
from magnus_stores.run_log.record_file import encode, file_name, is_record_file, read_head, read_record

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from typing import BinaryIO

    from magnus.domain.records import Record

_T = TypeVar("_T")

_FORMAT_FILE = "format.json"
"""In every run's folder from the start: makes it a run, and no empty folder that another could take the place of."""

_VERSION = 1


@dataclass(frozen=True, slots=True)
class ChunkedFileSystemOptions:
    """Options of `chunked-fs`.

    Attributes:
        log_folder: Where the folders of the runs are, relative to the working directory of the run.
    """

    log_folder: str = ".run_log_store"


class ChunkedFileSystemRunLogStore(RunLogStore):
    """Keeps each record in `<log_folder>/<run_id>/<kind>-<name>.json`."""

    Options = ChunkedFileSystemOptions

    def __init__(self, options: ChunkedFileSystemOptions | None = None) -> None:
        """Remember where; the folder is made with the first run."""
        super().__init__(options)
        # A task may change the working directory.
        self._folder = os.path.abspath(self.options.log_folder)
        self._known_runs: set[str] = set()
        self._last_moment = 0

    @classmethod
    def capabilities(cls, options: Any) -> ServiceCapabilities:
        """Reach this machine, whatever the folder is mounted from."""
        return ServiceCapabilities(reach=Reach.HOST)

    def create_run(self, run_id: str, records: Sequence[Record]) -> None:
        """See the port: the folder is filled under another name, so it is there whole or not at all."""
        path = self._path(run_id)
        temporary = f"{self._folder}/{_temporary_name()}"
        with reported("made", path):
            os.makedirs(temporary)
            try:
                _write(f"{temporary}/{_FORMAT_FILE}", _format(run_id), durable=True)
                for record in records:
                    self._put_one(temporary, record, durable=True)
                _sync(temporary)
                _rename_to_new(temporary, path)
            except FileExistsError as error:
                raise RunLogExistsError(
                    f"the run {run_id!r} exists already in {self._folder}; choose another run id"
                ) from error
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
            _sync(self._folder)
        self._known_runs.add(run_id)

    def put(self, run_id: str, records: Sequence[Record], *, durable: bool = True) -> None:
        """See the port."""
        path = self._known(run_id)
        try:
            with reported("written", path):
                for record in records:
                    self._put_one(path, record, durable=durable)
                if durable and records:
                    _sync(path)
        except ServiceError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                raise self._unknown(run_id) from error
            raise

    def get(self, run_id: str, kind: RecordKind, name: str) -> str | None:
        """See the port."""
        path = self._known(run_id)
        record = _read(f"{path}/{file_name(kind, name)}", read_record)
        if record is None and not os.path.exists(path):
            raise self._unknown(run_id)
        return None if record is None else record.body

    def scan(self, run_id: str, kinds: Collection[RecordKind] | None = None) -> Iterator[Record]:
        """See the port."""
        path = self._known(run_id)
        with reported("read", path):
            try:
                names = [name for name in os.listdir(path) if is_record_file(name, kinds)]
            except FileNotFoundError as error:
                raise self._unknown(run_id) from error
        return self._read_in_order(path, names)

    def list_runs(self) -> Iterator[str]:
        """See the port."""
        with reported("listed", self._folder):
            try:
                names = os.listdir(self._folder)
            except FileNotFoundError:
                return
        for name in names:
            if not name.startswith(".") and os.path.exists(f"{self._folder}/{name}/{_FORMAT_FILE}"):
                yield name

    def delete_run(self, run_id: str) -> None:
        """See the port: renamed first, so it is whole or gone; what a kill leaves of the rest is no run."""
        path = self._known(run_id)
        self._known_runs.discard(run_id)
        condemned = f"{self._folder}/{_temporary_name()}"
        with reported("deleted", path):
            try:
                os.rename(path, condemned)
            except FileNotFoundError as error:
                raise self._unknown(run_id) from error
            _sync(self._folder)
            shutil.rmtree(condemned)

    def _put_one(self, folder: str, record: Record, *, durable: bool) -> None:
        path = f"{folder}/{file_name(record.kind, record.name)}"
        present = _read(path, read_head)
        if present is not None and record.kind == RecordKind.VALUE:
            if durable:  # whoever wrote it may not have asked for that
                _sync(path)
            return
        temporary = f"{folder}/{_temporary_name()}"
        content = encode(record, self._moment() if present is None else present.first_written)
        try:
            # What is replaced may have been durable: a power cut must not leave an empty file in its place.
            _write(temporary, content, durable=durable or present is not None)
            os.replace(temporary, path)
        except BaseException:
            _remove(temporary)
            raise

    def _read_in_order(self, folder: str, names: list[str]) -> Iterator[Record]:
        # Heads first: the bodies of a long run need not fit into memory.
        heads = [
            (head.first_written, name) for name in names if (head := _read(f"{folder}/{name}", read_head))
        ]
        for _, name in sorted(heads):
            if record := _read(f"{folder}/{name}", read_record):
                yield record

    def _path(self, run_id: str) -> str:
        return f"{self._folder}/{run_id}"

    def _known(self, run_id: str) -> str:
        """Return the folder of a run, sure that it is one and of this very run: case may not matter here."""
        if run_id_problem(run_id):  # it could lead out of the folder
            raise self._unknown(run_id)
        path = self._path(run_id)
        if run_id not in self._known_runs:
            stated = _read(f"{path}/{_FORMAT_FILE}", json.load)
            if stated is None or stated["run_id"] != run_id:
                raise self._unknown(run_id)
            if stated["version"] != _VERSION:
                raise ServiceError(
                    f"the run log {path} has format {stated['version']}, and this version of magnus-stores knows "
                    f"{_VERSION}; upgrade magnus-stores"
                )
            self._known_runs.add(run_id)
        return path

    def _unknown(self, run_id: str) -> RunLogNotFoundError:
        self._known_runs.discard(run_id)
        return RunLogNotFoundError(
            f"no run {run_id!r} in {self._folder}; `magnus runs list` shows the runs there are"
        )

    def _moment(self) -> int:
        self._last_moment = max(self._last_moment + 1, time.time_ns())
        return self._last_moment


def _temporary_name() -> str:
    # Unique among instances, processes and, where the folder is shared, machines.
    return f".{os.urandom(8).hex()}.tmp"


def _format(run_id: str) -> bytes:
    return json.dumps({"version": _VERSION, "run_id": run_id}).encode()


def _write(path: str, content: bytes, *, durable: bool) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
        if durable:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(path: str, read: Callable[[BinaryIO], _T]) -> _T | None:
    """Return what *read* makes of the file at *path*, None if there is none."""
    try:
        with reported("read", path), open(path, "rb") as file:
            return read(file)
    except ValueError as error:
        raise ServiceError(
            f"the run log {path} is damaged ({error}); restore the file from a copy"
        ) from error
    except ServiceError as error:
        if isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
            return None
        raise


def _rename_to_new(source: str, target: str) -> None:
    """Rename a folder; the target must not exist, or else be empty.

    Raises:
        FileExistsError: It does.
    """
    try:
        os.rename(source, target)
    except OSError as error:
        if error.errno == errno.ENOTEMPTY:
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target) from error
        raise


def _sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: str) -> None:
    with suppress(OSError):  # it may not have been made, or is no longer there
        os.unlink(path)
