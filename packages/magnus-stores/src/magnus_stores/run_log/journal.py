"""An append-only file of lines, each a batch of records; safe for several processes at once and for killed writers.

A line is `{"records":[[kind,name,length],...],"bodies":[body,...]}`: an index can be made of it by reading its head, and bodies can
be found by their lengths. One `put` is one line, one write: it is there whole or not at all. A line that a killed writer
left unfinished is closed off by the next writer and passed over by readers.
"""

from __future__ import annotations

import fcntl
import json
import os
from typing import TYPE_CHECKING, NamedTuple

from magnus.domain.records import RecordKind
from magnus.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from magnus.domain.records import Record

_TORN = b"~\n"
"""Closes off a line that was left unfinished, and marks it as such."""


class Span(NamedTuple):
    """Where a record's body lies in the file: offset and length in bytes."""

    offset: int
    length: int


_HEAD = b'{"records":['
_BODIES = b'],"bodies":['
_END = b"]}"


def encode(records: Sequence[Record]) -> bytes:
    """Return the line for *records*."""
    bodies = [record.body.encode(errors="surrogatepass") for record in records]
    heads = [
        json.dumps([record.kind, record.name, len(body)], separators=(",", ":")).encode()
        for record, body in zip(records, bodies, strict=True)
    ]
    return b"".join((_HEAD, b",".join(heads), _BODIES, b",".join(bodies), _END, b"\n"))


def decode(line: bytes, offset: int) -> Iterator[tuple[RecordKind, str, Span]]:
    """Yield the records of *line*, which stands at *offset* in its file, without reading their bodies.

    Raises:
        ValueError: It is no such line.
    """
    # Inside a JSON string the quotes would be escaped, so the first occurrence is the real one.
    split = line.find(_BODIES)
    if split < 0 or not line.startswith(_HEAD) or not line.endswith(_END):
        message = "it is not a line of a run log"
        raise ValueError(message)
    position = offset + split + len(_BODIES)
    for kind, name, length in json.loads(line[len(_HEAD) - 1 : split + 1]):
        yield RecordKind(kind), name, Span(position, length)
        position += length + 1


class JournalWriter:
    """Appends lines; keeps the file open."""

    def __init__(self, path: str, *, create: bool = False) -> None:
        """Open *path*; with *create* it must not exist.

        Raises:
            FileExistsError, FileNotFoundError: It does, or does not.
        """
        flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | (os.O_CREAT | os.O_EXCL if create else 0)
        self._descriptor = os.open(path, flags, 0o644)
        self._path = path

    def append(self, line: bytes, *, durable: bool) -> None:
        """Write *line* at the end.

        Raises:
            ServiceError: It could not be written; the file is as before.
        """
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        try:
            end = os.lseek(self._descriptor, 0, os.SEEK_END)
            if end and os.pread(self._descriptor, 1, end - 1) != b"\n":
                os.write(self._descriptor, _TORN)
                end = os.lseek(self._descriptor, 0, os.SEEK_END)
            self._write(line, end)
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        if durable:
            _sync(self._descriptor)

    def _write(self, line: bytes, end: int) -> None:
        view = memoryview(line)
        try:
            while view:
                view = view[os.write(self._descriptor, view) :]
        except OSError as error:
            os.ftruncate(self._descriptor, end)
            message = f"the run log {self._path} could not be written: {error.strerror}"
            raise ServiceError(message) from error

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


class JournalReader:
    """Finds records; looks only at what was added since it last looked."""

    def __init__(self, path: str) -> None:
        """Open *path*.

        Raises:
            FileNotFoundError: It does not exist.
        """
        self._path = path
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._index: dict[tuple[RecordKind, str], Span] = {}
        self._seen = 0
        self._lines = 0

    def index(self) -> dict[tuple[RecordKind, str], Span]:
        """Return where the newest record of each kind and name is, in the order in which they were first written.

        Raises:
            ServiceError: A line that was finished cannot be read.
        """
        rest = b""
        while chunk := os.pread(self._descriptor, _CHUNK, self._seen + len(rest)):
            lines = (rest + chunk).split(b"\n")
            rest = lines.pop()
            for line in lines:
                self._take(line)
        return self._index

    def _take(self, line: bytes) -> None:
        self._lines += 1
        if not line.endswith(_TORN.rstrip()):
            try:
                for kind, name, span in decode(line, self._seen):
                    self._index[kind, name] = span
            except ValueError as error:
                message = f"{self._path}:{self._lines}: the run log is damaged ({error}); restore the file from a copy"
                raise ServiceError(message) from error
        self._seen += len(line) + 1

    def body(self, span: Span) -> str:
        """Return the body that lies at *span*."""
        return os.pread(self._descriptor, span.length, span.offset).decode(errors="surrogatepass")

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


_CHUNK = 1 << 20

_sync = getattr(os, "fdatasync", os.fsync)
