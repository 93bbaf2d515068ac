"""The run log store `s3`: an object for each record, so that no writer waits for another.

```text
<prefix>runs/<run_id>.json                                    the first records of a run: written once, on the condition
                                                              that it is not there, which decides who begins the run
<prefix>records/<run_id>/<generation>/<kind>/<name>.json      a record that was written later
```
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from magnus.domain.capabilities import Reach, ServiceCapabilities
from magnus.domain.names import run_id_problem
from magnus.domain.records import Record, RecordKind
from magnus.errors import RunLogExistsError, RunLogNotFoundError, ServiceError
from magnus.ports.run_log_store import RunLogStore
from magnus_stores.aws.bucket import Bucket, Fetched
from magnus_stores.aws.options import S3Options, objects_must_be_allowed, require_boto3
from magnus_stores.aws.parallel import in_parallel
from magnus_stores.run_log import s3_keys as keys

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

require_boto3()

_REMEMBERED_RUNS = 16


@dataclass(frozen=True, slots=True)
class S3RunLogOptions(S3Options):
    """Options of `s3`: where in S3 the run logs are."""


class S3RunLogStore(RunLogStore):
    """Keeps each record in an object; all records of a `create_run` in one.

    A `put` asks whether the run is still the one that it knows, which costs one small request, and writes the records
    one after the other. A `scan` yields the records of each kind ordered by name.
    """

    Options = S3RunLogOptions

    def __init__(self, options: S3RunLogOptions) -> None:
        """Remember where; boto3 is imported when something is asked."""
        super().__init__(options)
        self._bucket = Bucket(options, "the run log store s3", ServiceError)
        self._known: dict[str, _Known] = {}

    @classmethod
    def capabilities(cls, options: Any) -> ServiceCapabilities:
        """Reach as far as the network."""
        return ServiceCapabilities(
            reach=Reach.NETWORK,
            credentials=(objects_must_be_allowed(options),),
        )

    def create_run(self, run_id: str, records: Sequence[Record]) -> None:
        """See the port: one conditional write."""
        generation = os.urandom(8).hex()
        key = keys.beginning_key(run_id)
        if not self._bucket.put_new(key, keys.encode_beginning(generation, records)):
            # It is our own if S3 wrote it, the answer was lost, and the request was made again.
            found = self._find(run_id)
            if found is None or found.beginning.generation != generation:
                raise RunLogExistsError(
                    f"the run {run_id!r} exists already in {self._bucket.shown}; choose another run id"
                )

    def put(self, run_id: str, records: Sequence[Record], *, durable: bool = True) -> None:
        """See the port; in S3 everything is durable."""
        folder = self._existing(run_id).folder
        for record in records:
            self._bucket.put(keys.record_key(folder, record.kind, record.name), keys.encode_record(record))

    def put_in_any_order(self, run_id: str, records: Sequence[Record]) -> None:
        """See the port: at the same time."""
        folder = self._existing(run_id).folder

        def write(record: Record) -> None:
            self._bucket.put(keys.record_key(folder, record.kind, record.name), keys.encode_record(record))

        for _ in in_parallel(write, records):
            pass

    def get_many(self, run_id: str, kind: RecordKind, names: Sequence[str]) -> dict[str, str]:
        """See the port: at the same time."""
        known = self._existing(run_id)
        found = in_parallel(self._read, [keys.record_key(known.folder, kind, name) for name in names])
        first = known.beginning.records
        bodies = {
            name: first.get((kind, name)) if record is None else record.body
            for name, record in zip(names, found, strict=True)
        }
        return {name: body for name, body in bodies.items() if body is not None}

    def get(self, run_id: str, kind: RecordKind, name: str) -> str | None:
        """See the port."""
        known = self._existing(run_id)
        record = self._read(keys.record_key(known.folder, kind, name))
        return known.beginning.records.get((kind, name)) if record is None else record.body

    def scan(self, run_id: str, kinds: Collection[RecordKind] | None = None) -> Iterator[Record]:
        """See the port; several records are read at the same time."""
        known = self._existing(run_id)
        wanted = [kind for kind in RecordKind if kinds is None or kind in kinds]
        return (record for kind in wanted for record in self._scan_kind(known, kind))

    def list_runs(self) -> Iterator[str]:
        """See the port."""
        return (keys.run_id_of(found.key) for found in self._bucket.list(keys.BEGUN))

    def delete_run(self, run_id: str) -> None:
        """See the port: the beginning goes last, so that what a kill leaves can still be deleted."""
        known = self._existing(run_id)
        self._bucket.delete(found.key for found in self._bucket.list(known.folder))
        # Someone else may have deleted the run meanwhile, and begun it again.
        if self._find(run_id) == known:
            self._bucket.delete([keys.beginning_key(run_id)])

    def close(self) -> None:
        """Close the connections."""
        self._bucket.close()

    def _scan_kind(self, known: _Known, kind: RecordKind) -> Iterator[Record]:
        first = {name: body for (of, name), body in known.beginning.records.items() if of == kind}
        listed = [found.key for found in self._bucket.list(f"{known.folder}{kind}/")]
        # Only the content tells the name of some; they are read twice, because all bodies may not fit into memory.
        hidden = [key for key in listed if keys.name_in(key) is None]
        names = {
            record.name: key
            for key, record in zip(hidden, in_parallel(self._read, hidden), strict=True)
            if record
        }
        names |= {name: key for key in listed if (name := keys.name_in(key)) is not None}
        order = sorted(names.keys() | first.keys())

        def read(name: str) -> Record | None:
            key = names.get(name)
            return Record(kind, name, first[name]) if key is None else self._read(key)

        yield from (record for record in in_parallel(read, order) if record is not None)

    def _read(self, key: str) -> Record | None:
        data = self._bucket.get(key)
        if data is None:
            return None
        try:
            return keys.decode_record(data)
        except ValueError as error:
            raise ServiceError(
                f"the object {self._bucket.shown}{key} is no record of a run log ({error}); remove it, or restore it"
            ) from error

    def _existing(self, run_id: str) -> _Known:
        found = None if run_id_problem(run_id) else self._find(run_id)
        if found is None:
            raise RunLogNotFoundError(
                f"no run {run_id!r} in {self._bucket.shown}; `magnus runs list` shows the runs there are"
            )
        return found

    def _find(self, run_id: str) -> _Known | None:
        """Return how the run begins, asking S3 whether that is still so; None if there is no such run."""
        known = self._known.pop(run_id, None)
        key = keys.beginning_key(run_id)
        answer = self._bucket.get_changed(key, known.tag if known else "")
        if isinstance(answer, Fetched):
            try:
                beginning = keys.decode_beginning(answer.data)
            except keys.UnknownFormatError as error:
                raise ServiceError(
                    f"the run log {self._bucket.shown}{key} {error}; upgrade magnus-stores"
                ) from error
            known = _Known(beginning, answer.tag, keys.records_folder(run_id, beginning.generation))
        elif not answer:
            return None
        if known is not None:
            self._known[run_id] = known  # last, as the one that was used last
            if len(self._known) > _REMEMBERED_RUNS:
                del self._known[next(iter(self._known))]
        return known


class _Known(NamedTuple):
    """A run as it was found.

    Attributes:
        beginning: Its first records.
        tag: That of the object that holds them.
        folder: What the keys of its other records begin with.
    """

    beginning: keys.Beginning
    tag: str
    folder: str
