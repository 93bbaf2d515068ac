"""What the objects of the run log store `s3` are called, and what is in them."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, unquote_to_bytes

from magnus.domain.records import Record, RecordKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

BEGUN = "runs/"
"""Below it, the object with which each run begins."""

_ENDING = ".json"
_VERSION = 1
_PLAIN_LENGTH = 250
_READABLE_LENGTH = 100


class UnknownFormatError(Exception):
    """A run was written by another version, or by something else."""


class Beginning(NamedTuple):
    """What a run begins with, written in one go.

    Attributes:
        generation: Tells the run from one of the same id that was deleted: no late writer of that one gets into this one.
        records: The first records, until they are replaced: their bodies by kind and name.
    """

    generation: str
    records: Mapping[tuple[RecordKind, str], str]


def beginning_key(run_id: str) -> str:
    """Return the key of the object with which a run begins."""
    return f"{BEGUN}{run_id}{_ENDING}"


def run_id_of(key: str) -> str:
    """Return the run that begins with the object *key*."""
    return key.removeprefix(BEGUN).removesuffix(_ENDING)


def records_folder(run_id: str, generation: str) -> str:
    """Return what the keys of all records of a run begin with."""
    return f"records/{run_id}/{generation}/"


def record_key(folder: str, kind: RecordKind, name: str) -> str:
    """Return the key of a record, different for every kind and name, in ASCII and short enough for S3.

    A name that is too long is made readable, and told apart by its hash behind a `~`, which no other key holds.
    """
    raw = name.encode(errors="surrogatepass")
    plain = quote(raw, safe="").replace("~", "%7E")
    if len(plain) > _PLAIN_LENGTH:
        plain = f"{plain[:_READABLE_LENGTH]}~{hashlib.sha256(raw).hexdigest()}"
    return f"{folder}{kind}/{plain}{_ENDING}"


def name_in(key: str) -> str | None:
    """Return the name of the record under *key*; None if only its content tells."""
    plain = key.rpartition("/")[2].removesuffix(_ENDING)
    return None if "~" in plain else unquote_to_bytes(plain).decode(errors="surrogatepass")


def encode_beginning(generation: str, records: Iterable[Record]) -> bytes:
    """Return the content of the object with which a run begins."""
    whole = {"version": _VERSION, "generation": generation, "records": list(records)}
    return json.dumps(whole, separators=(",", ":")).encode("ascii")


def decode_beginning(data: bytes) -> Beginning:
    """Read what `encode_beginning` wrote; of two records of one kind and name the last one counts.

    Raises:
        UnknownFormatError: It is of another version.
    """
    try:
        whole = json.loads(data)
        if whole["version"] != _VERSION:
            message = f"has format {whole['version']}, and this version of magnus-stores knows {_VERSION}"
            raise UnknownFormatError(message)
        records = {(RecordKind(kind), name): body for kind, name, body in whole["records"]}
        return Beginning(whole["generation"], records)
    except (ValueError, KeyError, TypeError):
        message = "is no beginning of a run"
        raise UnknownFormatError(message) from None


def encode_record(record: Record) -> bytes:
    """Return the content of a record's object: a line that names it, then the body."""
    head = json.dumps([record.kind, record.name], separators=(",", ":"))
    return b"%s\n%s" % (head.encode("ascii"), record.body.encode(errors="surrogatepass"))


def decode_record(data: bytes) -> Record:
    """Read what `encode_record` wrote."""
    head, _, body = data.partition(b"\n")
    kind, name = json.loads(head)
    return Record(RecordKind(kind), name, body.decode(errors="surrogatepass"))
