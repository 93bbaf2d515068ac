"""The entries of one run in S3: an object for each put, which no two writers have in common.

Every entry carries its order: a number one above the highest that its writer found, so that a later put counts whatever the
clocks of the machines say, and something random, so that of two at the same time either one does. Entries are therefore
the same whichever objects they are read from, in whatever order, and several objects can be replaced by one at any time.
"""

from __future__ import annotations

import json
import os
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from magnus.errors import CatalogError
from magnus_stores.aws.parallel import WORKERS, in_parallel
from magnus_stores.catalog.entries import RUNS, Content

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from magnus_stores.aws.bucket import Bucket

MERGED_AT = 64
"""After so many puts their objects are replaced by one, so that a reader never has many more to fetch."""

_VERSION = 1
_LAST_NUMBER = 9_999_999_999
_TRIES = 20


class _Placed(NamedTuple):
    """An entry, or with no content the removal of one."""

    order: str
    content: Content | None


class IndexChanges(NamedTuple):
    """Changes since an earlier reading: for each name its content, None where it was removed."""

    mark: object
    contents: Mapping[str, Content | None]
    is_complete: bool


class S3RunIndex:
    """What one run holds; remembers what it has read."""

    def __init__(self, bucket: Bucket, run_id: str) -> None:
        """Ask nothing yet."""
        self._bucket = bucket
        self._folder = f"{RUNS}/{run_id}/"
        self._lock = Lock()
        self._objects: dict[str, Mapping[str, _Placed]] = {}
        self._latest: dict[str, _Placed] = {}
        """What the objects read so far say together."""
        self._changed: list[str] = []
        """The names in the order in which they were read, for readers that come back."""
        self._epoch = object()
        """Another one as soon as entries have vanished, so that all is to be read anew."""

    def read(self, workers: int = WORKERS) -> Mapping[str, Content]:
        """Return what the run holds, by name, in no order: one request, and one for each put that was not known yet.

        Args:
            workers: How many requests may be made at the same time.
        """
        with self._lock:
            return {
                name: placed.content
                for name, placed in self._read(workers).items()
                if placed.content is not None
            }

    def read_changes(self, mark: object | None) -> IndexChanges:
        """Return what was read since the call that returned *mark*, after reading what is new."""
        with self._lock:
            latest = self._read(WORKERS)
            is_known = isinstance(mark, tuple) and mark[0] is self._epoch
            names = self._changed[mark[1] :] if isinstance(mark, tuple) and is_known else list(latest)
            found = {name: latest[name].content for name in dict.fromkeys(names)}
            return IndexChanges((self._epoch, len(self._changed)), found, is_complete=not is_known)

    def append(self, contents: Mapping[str, Content], removed: Iterable[str] = ()) -> None:
        """Add entries, in place of those of the same names, and remove others."""
        with self._lock:
            # Newer ones are listed first.
            newest = next(self._bucket.list(self._folder, limit=1), None)
            number = 1 + (_number_of(newest.key) if newest else 0)
            key, order = self._new_object(number)
            placed = {name: _Placed(order, None) for name in removed}
            placed |= {name: _Placed(order, content) for name, content in contents.items()}
            self._bucket.put(key, _encode(placed))
            self._take(key, placed)
            if number % MERGED_AT == 0:
                self._merge()

    def delete(self) -> None:
        """Remove all entries."""
        with self._lock:
            self._bucket.delete(found.key for found in self._bucket.list(self._folder))

    def _read(self, workers: int) -> dict[str, _Placed]:
        for _ in range(_TRIES):
            keys = [found.key for found in self._bucket.list(self._folder)]
            new = [key for key in keys if key not in self._objects]
            fetched = dict(zip(new, in_parallel(self._fetch, new, workers), strict=True))
            for key, placed in fetched.items():
                if placed is not None:
                    self._take(key, placed)
            present = set(keys)
            vanished = [key for key in self._objects if key not in present]
            for key in vanished:
                del self._objects[key]
            # Merged objects say together what they said before; those of a deleted run are missing.
            if vanished and (latest := _latest(self._objects.values())) != self._latest:
                self._latest = latest
                self._changed = []
                self._epoch = object()
            # Otherwise someone has merged objects between the listing and the reading.
            if len(self._objects) == len(keys):
                return self._latest
        raise CatalogError(
            f"{self._bucket.shown}{self._folder} changed each of the {_TRIES} times it was read; try again",
            retriable=True,
        )

    def _take(self, key: str, placed: Mapping[str, _Placed]) -> None:
        self._objects[key] = placed
        for name, each in placed.items():
            known = self._latest.get(name)
            if known is None or known.order < each.order:
                self._latest[name] = each
                self._changed.append(name)

    def _merge(self) -> None:
        merged = dict(self._read(WORKERS))
        replaced = list(self._objects)
        if len(replaced) < MERGED_AT:
            return  # someone else was quicker
        key, _ = self._new_object(max(_number_of(key) for key in replaced))
        self._bucket.put(key, _encode(merged))
        self._bucket.delete(replaced)
        self._objects = {key: merged}

    def _new_object(self, number: int) -> tuple[str, str]:
        """Return a key that no one else has, and the order of entries put there."""
        token = os.urandom(8).hex()
        return f"{self._folder}{_LAST_NUMBER - number:010d}-{token}.jsonl", f"{number:010d}-{token}"

    def _fetch(self, key: str) -> dict[str, _Placed] | None:
        data = self._bucket.get(key)
        if data is None:
            return None
        try:
            return _decode(data)
        except (ValueError, TypeError, KeyError) as error:
            raise CatalogError(
                f"{self._bucket.shown}{key} is not what this version of magnus-stores writes ({error}); upgrade it, or "
                "remove the object"
            ) from error


def _latest(objects: Iterable[Mapping[str, _Placed]]) -> dict[str, _Placed]:
    latest: dict[str, _Placed] = {}
    for held in objects:
        for name, placed in held.items():
            if name not in latest or latest[name].order < placed.order:
                latest[name] = placed
    return latest


def _number_of(key: str) -> int:
    return _LAST_NUMBER - int(key.rpartition("/")[2].partition("-")[0])


def _encode(entries: Mapping[str, _Placed]) -> bytes:
    lines: list[object] = [{"version": _VERSION}]
    lines += [_row(name, placed) for name, placed in entries.items()]
    return "".join(f"{json.dumps(line)}\n" for line in lines).encode("ascii")


def _decode(data: bytes) -> dict[str, _Placed]:
    head, *lines = data.splitlines()
    version = json.loads(head)["version"]
    if version != _VERSION:
        message = f"it has format {version}"
        raise ValueError(message)
    rows = [json.loads(line) for line in lines]
    return dict(_placed(*row) for row in rows)


def _row(name: str, placed: _Placed) -> list[object]:
    order, content = placed
    if content is None:
        return [name, order]
    row: list[object] = [name, content.data_hash, content.size, order]
    return [*row, 1] if content.is_executable else row


def _placed(name: str, *values: Any) -> tuple[str, _Placed]:
    if len(values) == 1:
        return name, _Placed(values[0], None)
    data_hash, size, order, *is_executable = values
    return name, _Placed(order, Content(data_hash, size, bool(is_executable)))
