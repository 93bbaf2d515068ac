"""A record as a file of its own: a line that says what it is, then the body."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, NamedTuple

from magnus.domain.records import Record, RecordKind

if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import BinaryIO

_ENDING = ".json"
_ALL_KINDS = frozenset(RecordKind)
# Without capitals, because some file systems take `A` for `a`; without unicode, because some normalise it.
_PLAIN = re.compile(r"[a-z0-9_.-]{0,120}")
_NOT_PLAIN = re.compile(r"[^a-z0-9_.-]")
_READABLE_CHARACTERS = 60


class Head(NamedTuple):
    """What the first line of a file says of its record.

    Attributes:
        first_written: When a record of this kind and name was first written, in nanoseconds since 1970; orders records.
    """

    kind: RecordKind
    name: str
    first_written: int


def file_name(kind: RecordKind, name: str) -> str:
    """Return the file name for a record, different for every kind and name on every file system.

    A plain name is kept; any other is made readable, and told apart by its hash behind a `~`, which no plain one holds.
    """
    if _PLAIN.fullmatch(name):
        return f"{kind}-{name}{_ENDING}"
    readable = _NOT_PLAIN.sub("_", name[:_READABLE_CHARACTERS].lower())
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:32]
    return f"{kind}-{readable}~{digest}{_ENDING}"


def is_record_file(name: str, kinds: Collection[RecordKind] | None) -> bool:
    """Say whether *name* is the file name of a record, of one of *kinds* unless that is None."""
    kind, dash, _ = name.partition("-")
    return bool(dash) and name.endswith(_ENDING) and kind in (_ALL_KINDS if kinds is None else kinds)


def encode(record: Record, first_written: int) -> bytes:
    """Return the content of a record's file."""
    head = json.dumps([record.kind, record.name, first_written], separators=(",", ":"))
    return b"%s\n%s" % (head.encode(), record.body.encode(errors="surrogatepass"))


def read_head(file: BinaryIO) -> Head | None:
    """Read the first line of *file*; None if the file is empty, as a power cut may leave one that was not yet durable.

    Raises:
        ValueError: It is no such file.
    """
    line = file.readline()
    if not line:
        return None
    kind, name, first_written = json.loads(line)
    return Head(RecordKind(kind), name, first_written)


def read_record(file: BinaryIO) -> Record | None:
    """Read the whole of *file*; None as for `read_head`.

    Raises:
        ValueError: It is no such file.
    """
    head = read_head(file)
    return None if head is None else Record(head.kind, head.name, file.read().decode(errors="surrogatepass"))
