"""An append-only file of lines, each a batch of records; safe for several processes at once and for killed writers.

A line is `{"records":[[kind,name,length],...],"bodies":[body,...]}`, the lengths in bytes: an index is made of the heads
alone, and a body is read from where it lies. What is put at once is one line: it is there whole or not at all. A line
that a killed writer left unfinished is passed over by readers and closed off by the next writer. A run is there once its
first line is whole.

Writers hold the file's lock while they write, readers share it while they look for new lines: what a writer takes
back, because the disk is full, no one has read.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from typing import TYPE_CHECKING, NamedTuple

from magnus.domain.records import RecordKind
from magnus.errors import ServiceError
from magnus_stores.run_log.failures import failure, reported

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from magnus.domain.records import Record

_HEAD = b'{"records":['
_BODIES = b'],"bodies":['
_END = b"]}"
_TORN = b"~"
"""Ends a line that a killed writer left unfinished; a whole one ends in `]}`."""

_CHUNK_BYTES = 1 << 18
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP})

# Made once: `json.dumps` with separators makes an encoder for every call.
_to_json = json.JSONEncoder(separators=(",", ":")).encode
# macOS has no fdatasync.
_sync = getattr(os, "fdatasync", os.fsync)


class Span(NamedTuple):
    """Where the body of a record lies in the file: offset and length in bytes."""

    offset: int
    length: int


class DeletedJournalError(Exception):
    """The file was deleted while it was open; the run may be gone, or begun again in another file."""


def encode(records: Sequence[Record]) -> bytes:
    """Return the line for *records*.

    Raises:
        ValueError: A body holds a line break.
    """
    bodies = [record.body.encode(errors="surrogatepass") for record in records]
    heads = [
        _to_json([record.kind, record.name, len(body)]).encode()
        for record, body in zip(records, bodies, strict=True)
    ]
    line = b"".join((_HEAD, b",".join(heads), _BODIES, b",".join(bodies), _END))
    if b"\n" in line:
        raise ValueError("the body of a record holds a line break; it must be JSON text on one line")
    return line + b"\n"


def decode(line: bytes, offset: int) -> list[tuple[RecordKind, str, Span]]:
    """Return the records of *line*, which stands at *offset* in its file, without reading their bodies.

    Raises:
        ValueError: It is no such line.
    """
    # Inside a JSON string the quotes would be escaped, so the first occurrence is the real one.
    split = line.find(_BODIES)
    if split < 0 or not line.startswith(_HEAD) or not line.endswith(_END):
        raise ValueError("it is not a line of a run log")
    found = []
    position = split + len(_BODIES)
    for kind, name, length in json.loads(line[len(_HEAD) - 1 : split + 1]):
        found.append((RecordKind(kind), name, Span(offset + position, length)))
        position += length + 1
    if found and position - 1 + len(_END) != len(line):
        raise ValueError("its bodies are not as long as it says")
    return found


def is_begun(path: str) -> bool:
    """Say whether there is a journal at *path* whose first line is whole."""
    try:
        with reported("read", path):
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except ServiceError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return False
        raise
    try:
        return _has_line(descriptor)
    finally:
        os.close(descriptor)


class JournalWriter:
    """Appends lines; keeps the file open."""

    def __init__(self, path: str) -> None:
        """Open the journal at *path*.

        Raises:
            FileNotFoundError: There is none, or its first line is not whole.
        """
        self._path = path
        self._whole_bytes = -1
        self._descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        if not _has_line(self._descriptor):
            os.close(self._descriptor)
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)

    def append(self, line: bytes, *, durable: bool) -> None:
        """Write *line* at the end.

        Raises:
            DeletedJournalError: The file has no name any more; nothing was written.
            ServiceError: It could not be written, and the file is as before; or it could not be made durable.
        """
        try:
            _lock(self._descriptor, fcntl.LOCK_EX, self._path)
            try:
                self._append(line)
            finally:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            # Others may write meanwhile.
            if durable:
                _sync(self._descriptor)
        except OSError as error:
            raise failure("written", self._path, error) from error

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _append(self, line: bytes) -> None:
        state = os.fstat(self._descriptor)
        if not state.st_nlink:
            raise DeletedJournalError(self._path)
        end = state.st_size
        if end != self._whole_bytes and os.pread(self._descriptor, 1, end - 1) != b"\n":
            end = _write(self._descriptor, _TORN + b"\n", end)
        self._whole_bytes = _write(self._descriptor, line, end)


class JournalReader:
    """Finds records; looks only at what was added since it last looked."""

    def __init__(self, path: str) -> None:
        """Open the journal at *path*.

        Raises:
            FileNotFoundError: There is none, or its first line is not whole.
        """
        self._path = path
        self._index: dict[tuple[RecordKind, str], Span] = {}
        self._seen_bytes = 0
        self._seen_lines = 0
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        if not _has_line(self._descriptor):
            os.close(self._descriptor)
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)

    def index(self) -> dict[tuple[RecordKind, str], Span]:
        """Return where the newest record of each kind and name is, in the order in which they were first written.

        Raises:
            DeletedJournalError: The file has no name any more.
            ServiceError: A line that was finished cannot be read.
        """
        with reported("read", self._path):
            state = os.fstat(self._descriptor)
            if not state.st_nlink:
                raise DeletedJournalError(self._path)
            if state.st_size != self._seen_bytes:
                _lock(self._descriptor, fcntl.LOCK_SH, self._path)
                try:
                    for line in _lines(self._descriptor, self._seen_bytes):
                        self._take(line)
                finally:
                    fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        return self._index

    def body(self, span: Span) -> str:
        """Return the body that lies at *span*."""
        with reported("read", self._path):
            return _read_body(self._descriptor, span)

    def bodies(self, spans: Sequence[Span]) -> Iterator[str]:
        """Yield the bodies that lie at *spans*, even if this reader is closed meanwhile."""
        with reported("read", self._path):
            descriptor = os.dup(self._descriptor)
        try:
            for span in spans:
                with reported("read", self._path):
                    body = _read_body(descriptor, span)
                yield body
        finally:
            os.close(descriptor)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _take(self, line: bytes) -> None:
        if not line.endswith(_TORN):
            try:
                found = decode(line, self._seen_bytes)
            except (ValueError, TypeError) as error:
                raise ServiceError(
                    f"{self._path}:{self._seen_lines + 1}: the run log is damaged ({error}); restore the file from a copy"
                ) from error
            for kind, name, span in found:
                self._index[kind, name] = span
        self._seen_lines += 1
        self._seen_bytes += len(line) + 1


def create(path: str, line: bytes) -> None:
    """Begin the journal at *path* with *line*, durably; a file whose creator was killed is begun anew.

    Raises:
        FileExistsError: There is one already. Of two callers at the same time exactly one succeeds.
        OSError, ServiceError: It could not be made; there is none.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            _lock(descriptor, fcntl.LOCK_EX, path)
            # Whoever held the lock before may have removed the file.
            if os.fstat(descriptor).st_nlink:
                _begin(descriptor, line, path)
                return
        finally:
            os.close(descriptor)  # lets go of the lock too


def sync_folder(path: str) -> None:
    """Make the names in a folder survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _begin(descriptor: int, line: bytes, path: str) -> None:
    if _has_line(descriptor):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
    try:
        os.ftruncate(descriptor, 0)
        _write(descriptor, line, 0)
        _sync(descriptor)
        sync_folder(os.path.dirname(path))
    except BaseException:
        os.unlink(path)
        raise


def _write(descriptor: int, data: bytes, end: int) -> int:
    """Append *data* to the file of *end* bytes, whole or not at all; return how long the file is then."""
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(descriptor, view) :]
    except BaseException:  # an interrupt too, between two parts of a long line
        os.ftruncate(descriptor, end)
        raise
    return end + len(data)


def _read_body(descriptor: int, span: Span) -> str:
    return os.pread(descriptor, span.length, span.offset).decode(errors="surrogatepass")


def _has_line(descriptor: int) -> bool:
    return next(_lines(descriptor, 0), None) is not None


def _lines(descriptor: int, position: int) -> Iterator[bytes]:
    """Yield the finished lines from *position* on, without their line feeds."""
    parts: list[bytes] = []
    while chunk := os.pread(descriptor, _CHUNK_BYTES, position):
        position += len(chunk)
        *lines, rest = chunk.split(b"\n")
        if lines:
            lines[0] = b"".join((*parts, lines[0]))
            parts = []
            yield from lines
        parts.append(rest)


def _lock(descriptor: int, mode: int, path: str) -> None:
    """Wait for the lock of an open file; the kernel lets go of it when its holder dies."""
    try:
        fcntl.flock(descriptor, mode)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        raise ServiceError(
            f"the run log {path} is on a file system without locks; choose the run_log_store 'chunked-fs', which needs none"
        ) from error
