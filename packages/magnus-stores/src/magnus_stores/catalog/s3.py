"""A catalog in S3: contents stored once, and for each run its entries.

```text
<prefix>.objects/ab/abcdef...                  contents by their SHA-256, as in the catalog `file-system`
<prefix>.runs/<run_id>/<number>-<token>.jsonl  the entries that one put has added to a run, the newest first
<prefix>.putting/<token>                       what someone is putting at this moment
<prefix>.collecting/<token>                    someone collects garbage at this moment
```
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

from magnus.domain.capabilities import Reach, ServiceCapabilities
from magnus.domain.names import run_id_problem
from magnus.errors import CatalogError
from magnus.ports.catalog import TEMPORARY_PREFIX, Catalog, EntryChanges, GarbageReport
from magnus_stores.aws.bucket import Bucket
from magnus_stores.aws.options import S3Options, objects_must_be_allowed, require_boto3
from magnus_stores.aws.parallel import in_parallel
from magnus_stores.catalog.entries import (
    OBJECTS,
    RUNS,
    Content,
    check_hash,
    check_name,
    content_of,
    damaged,
    entry_of,
)
from magnus_stores.catalog.failures import reported
from magnus_stores.catalog.object_store import CorruptContentError
from magnus_stores.catalog.places import Places
from magnus_stores.catalog.s3_contents import (
    ChangedFileError,
    MissingContentError,
    S3Contents,
    copy_brought,
)
from magnus_stores.catalog.s3_guard import ABANDONED, Guard
from magnus_stores.catalog.s3_index import S3RunIndex

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from s3transfer.manager import TransferManager

    from magnus.ports.catalog import CatalogEntry

require_boto3()

_NAME = "s3"
_ROUNDS = 5
"""How often a file that changes while it is put is read anew."""

_REMOVED_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class S3CatalogOptions(S3Options):
    """Where in S3 the catalog is, and where steps have their files.

    Attributes:
        compute_data_folder: The folder of a step's files, relative to its working directory.
    """

    compute_data_folder: str = "data"


class S3Catalog(Catalog):
    """Keeps files in a bucket that steps anywhere can reach."""

    Options = S3CatalogOptions

    def __init__(self, options: S3CatalogOptions) -> None:
        """Remember where; boto3 is imported when something is asked."""
        super().__init__(options)
        self._bucket = Bucket(options, "the s3 catalog", CatalogError)
        self._contents = S3Contents(self._bucket)
        self._guard = Guard(self._bucket)
        self._indexes: dict[str, S3RunIndex] = {}
        self._token = os.urandom(8).hex()
        self._counter = count()

    @classmethod
    def capabilities(cls, options: Any) -> ServiceCapabilities:
        """Reach as far as the network."""
        return ServiceCapabilities(reach=Reach.NETWORK, credentials=(objects_must_be_allowed(options),))

    @property
    def compute_data_folder(self) -> str:
        """The folder of a step's files, relative to its working directory."""
        return str(self.options.compute_data_folder)

    def put(self, run_id: str, folder: Path, names: Sequence[str]) -> list[CatalogEntry]:
        """Store the contents that are not there yet, several at the same time, then write the entries in one go."""
        stored = {entry.name: entry for entry in self.put_as(run_id, folder, {name: name for name in names})}
        return [stored[name] for name in names]

    def put_as(self, run_id: str, folder: Path, names: Mapping[str, str]) -> list[CatalogEntry]:
        """Store the contents that are not there yet, several at the same time, then write the entries in one go."""
        index = self._index(run_id)
        for name, path in names.items():
            check_name(name)
            check_name(path)
        if not names:
            return []
        contents: dict[str, Content] = {}
        with ExitStack() as until_listed, self._bucket.uploads() as transfers:
            pending = list(dict.fromkeys(names.values()))
            for _ in range(_ROUNDS):
                with reported(_NAME, "store files of", str(folder)):
                    described = {name: self._contents.describe(f"{folder}/{name}") for name in pending}
                contents |= described
                hashes = {content.data_hash for content in described.values()}
                until_listed.enter_context(self._guard.putting(hashes))
                changed = self._store(folder, described, transfers)
                pending = [name for name in pending if described[name] in changed]
                if not pending:
                    index.append({name: contents[path] for name, path in names.items()})
                    return [entry_of(name, contents[path]) for name, path in names.items()]
        raise CatalogError(
            f"{folder}/{pending[0]} changed each of the {_ROUNDS} times it was read; the step must have finished writing "
            "its files when it ends"
        )

    def get(self, run_id: str, folder: Path, entries: Sequence[CatalogEntry]) -> None:
        """Fetch each content once, several at the same time: beside its target, hashing it on the way."""
        base = str(folder)
        places = Places(_NAME, base)
        wanted: dict[Content, list[_Place]] = {}
        for entry in entries:
            check_name(entry.name)
            check_hash(entry)
            temporary = f"{TEMPORARY_PREFIX}{self._token}-{os.getpid()}-{next(self._counter)}"
            place = _Place(entry, f"{base}/{entry.name}", f"{places.prepare(entry.name)}/{temporary}")
            wanted.setdefault(Content(entry.data_hash, entry.size), []).append(place)
        if not wanted:
            return
        with self._bucket.downloads() as transfers:

            def bring(places: list[_Place]) -> None:
                self._bring(run_id, places, transfers)

            for _ in in_parallel(bring, wanted.values(), stop=partial(transfers.shutdown, cancel=True)):
                pass

    def list_entries(self, run_id: str) -> list[CatalogEntry]:
        """Read what has been put since the last time."""
        contents = self._index(run_id).read()
        return [entry_of(name, contents[name]) for name in sorted(contents)]

    def change_entries(self, run_id: str, entries: Sequence[CatalogEntry], removed: Sequence[str]) -> None:
        """Write one object, which holds all changes."""
        for entry in entries:
            check_name(entry.name)
            check_hash(entry)
        if entries or removed:
            contents = {entry.name: content_of(entry) for entry in entries}
            self._index(run_id).append(contents, removed)

    def read_changes(self, run_id: str, mark: object | None = None) -> EntryChanges:
        """Read what has been put since the last time: one request where that is nothing."""
        changes = self._index(run_id).read_changes(mark)
        changed = [entry_of(name, content) for name, content in changes.contents.items() if content]
        removed = [name for name, content in changes.contents.items() if content is None]
        return EntryChanges(changes.mark, changed, removed, changes.is_complete)

    def sync_between_runs(self, previous_run_id: str, run_id: str) -> int:
        """Add entries; no content is read."""
        index = self._index(run_id)
        previous = self._index(previous_run_id)
        known = index.read()
        missing = {name: content for name, content in previous.read().items() if name not in known}
        if missing:
            with self._guard.putting({content.data_hash for content in missing.values()}):
                # Until it was said that they are needed, someone may have deleted the run and its contents.
                still = previous.read()
                missing = {name: content for name, content in missing.items() if still.get(name) == content}
                if missing:
                    index.append(missing)
        return len(missing)

    def list_runs(self) -> Iterator[str]:
        """Look which runs have entries: a thousand for each request."""
        return self._bucket.list_folders(f"{RUNS}/")

    def delete_run(self, run_id: str) -> None:
        """Delete the entries."""
        self._index(run_id).delete()

    def verify(self, run_id: str) -> list[str]:
        """Fetch and hash every content of the run, each once."""
        entries = self.list_entries(run_id)
        contents = list({Content(entry.data_hash, entry.size) for entry in entries})
        problems = dict(zip(contents, in_parallel(self._contents.problem, contents), strict=True))
        return [
            f"{entry.name}: {problem}"
            for entry in entries
            if (problem := problems[Content(entry.data_hash, entry.size)])
        ]

    def collect_garbage(self, *, dry_run: bool) -> GarbageReport:
        """Keep puts waiting, and spare what those that have begun are putting."""
        if dry_run:
            garbage = self._garbage(lambda: None)
        else:
            with self._guard.collecting() as go_on:
                garbage = self._garbage(go_on)
                keys = list(garbage)
                for start in range(0, len(keys), _REMOVED_AT_ONCE):
                    go_on()
                    self._bucket.delete(keys[start : start + _REMOVED_AT_ONCE])
            self._guard.tidy()
            self._bucket.abort_uploads(f"{OBJECTS}/", ABANDONED)
        return GarbageReport(len(garbage), sum(garbage.values()))

    def close(self) -> None:
        """Close the connections."""
        self._bucket.close()

    def _index(self, run_id: str) -> S3RunIndex:
        index = self._indexes.get(run_id)
        if index is None:
            if problem := run_id_problem(run_id):
                raise CatalogError(problem)
            index = self._indexes[run_id] = S3RunIndex(self._bucket, run_id)
        return index

    def _store(
        self, folder: Path, described: Mapping[str, Content], transfers: TransferManager
    ) -> set[Content]:
        """Store each content once; return those whose files have changed meanwhile."""

        def store(item: tuple[Content, str]) -> Content | None:
            content, name = item
            try:
                with reported(_NAME, "store", f"{folder}/{name}"):
                    self._contents.add(f"{folder}/{name}", content, transfers)
            except ChangedFileError:
                return content
            return None

        one_of_each = {content: name for name, content in described.items()}
        stored = in_parallel(store, one_of_each.items(), stop=partial(transfers.shutdown, cancel=True))
        return {content for content in stored if content}

    def _bring(self, run_id: str, places: list[_Place], transfers: TransferManager) -> None:
        first, *others = places
        try:
            with reported(_NAME, "bring a file to", first.target):
                self._contents.bring(content_of(first.entry), first.target, first.temporary, transfers)
            for other in others:
                with reported(_NAME, "bring a file to", other.target):
                    copy_brought(first.target, content_of(other.entry), other.target, other.temporary)
        except CorruptContentError:
            raise CatalogError(damaged(run_id, first.entry, "does not match its hash")) from None
        except MissingContentError:
            raise CatalogError(damaged(run_id, first.entry, "is missing")) from None

    def _garbage(self, go_on: Callable[[], None]) -> dict[str, int]:
        """Return the key and the bytes of each content that no one needs."""
        # In this order: whoever puts stops being spared only when the entries are there.
        needed = self._guard.spared()
        for hashes in in_parallel(self._hashes_of, self.list_runs()):
            go_on()
            needed |= hashes
        garbage = {}
        for found in self._bucket.list(f"{OBJECTS}/"):
            if found.key.rpartition("/")[2] not in needed:
                garbage[found.key] = found.size
        go_on()
        return garbage

    def _hashes_of(self, run_id: str) -> set[str]:
        return {content.data_hash for content in S3RunIndex(self._bucket, run_id).read(workers=1).values()}


class _Place(NamedTuple):
    """Where an entry is brought to, and by way of which file in the same folder."""

    entry: CatalogEntry
    target: str
    temporary: str
