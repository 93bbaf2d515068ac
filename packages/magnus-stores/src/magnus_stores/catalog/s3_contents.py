"""Contents in S3 by their SHA-256: from files, and to files, in bounded memory."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from magnus_stores.catalog.copying import BLOCK_BYTES, copy_descriptor, hash_descriptor, write_all
from magnus_stores.catalog.entries import Content, location_of
from magnus_stores.catalog.files import (
    READ,
    SMALL_BYTES,
    match_executable,
    open_changeable,
    open_regular,
    read_whole,
    write_beside,
)
from magnus_stores.catalog.hashed_file import HashedFile
from magnus_stores.catalog.object_store import CorruptContentError

if TYPE_CHECKING:
    from s3transfer.manager import TransferManager

    from magnus_stores.aws.bucket import Bucket


class ChangedFileError(Exception):
    """A file is not what it was when it was hashed."""


class MissingContentError(Exception):
    """A content is not stored."""


class S3Contents:
    """The contents of one catalog."""

    def __init__(self, bucket: Bucket) -> None:
        """Ask nothing yet."""
        self._bucket = bucket

    def describe(self, source: str) -> Content:
        """Return the hash and the size of the regular file *source*."""
        descriptor, size, is_executable = open_regular(source)
        try:
            if size <= SMALL_BYTES and (data := read_whole(descriptor, size)) is not None:
                return Content(hashlib.sha256(data).hexdigest(), len(data), is_executable)
            os.lseek(descriptor, 0, os.SEEK_SET)
            return Content(*hash_descriptor(descriptor), is_executable)
        finally:
            os.close(descriptor)

    def add(self, source: str, content: Content, transfers: TransferManager) -> None:
        """Store *content*, which *source* holds, unless it is there; then no byte of it is moved.

        Raises:
            ChangedFileError: The file holds something else by now; nothing was stored.
        """
        key = location_of(content.data_hash)
        # The size is looked at because it is free.
        if self._bucket.size(key) == content.size:
            return
        descriptor, _, _ = open_regular(source)
        try:
            if content.size <= SMALL_BYTES:
                data = read_whole(descriptor, content.size)
                if data is None or hashlib.sha256(data).hexdigest() != content.data_hash:
                    raise ChangedFileError
                self._bucket.put(key, data)
            else:
                self._bucket.upload(transfers, key, _CheckedSource(descriptor, content), content.size)
        finally:
            os.close(descriptor)

    def bring(self, content: Content, target: str, temporary: str, transfers: TransferManager) -> None:
        """Make *target* an ordinary file with the content, by way of *temporary* in the same folder.

        A target that holds the content already is left as it is, and nothing is fetched.

        Raises:
            MissingContentError: It is not stored.
            CorruptContentError: What is stored does not match the hash.
        """
        if _holds(target, content):
            return
        key = location_of(content.data_hash)
        if content.size <= SMALL_BYTES:
            data = self._bucket.get(key)
            if data is None:
                raise MissingContentError
            if hashlib.sha256(data).hexdigest() != content.data_hash:
                raise CorruptContentError
            write_beside(
                target,
                temporary,
                lambda descriptor: write_all(descriptor, data),
                is_executable=content.is_executable,
            )
            return

        def fetch(descriptor: int) -> None:
            with HashedFile(descriptor) as file:
                if not self._bucket.download(transfers, key, file):
                    raise MissingContentError
                if file.finish() != content.data_hash:
                    raise CorruptContentError

        write_beside(target, temporary, fetch, is_executable=content.is_executable)

    def problem(self, content: Content) -> str | None:
        """Return what is wrong with a content as it is stored, or None."""
        blocks = self._bucket.get_in_blocks(location_of(content.data_hash), BLOCK_BYTES)
        if blocks is None:
            return "its content is missing"
        digest = hashlib.sha256()
        size = 0
        for block in blocks:
            digest.update(block)
            size += len(block)
        if digest.hexdigest() == content.data_hash:
            return None
        return f"its content ({size} bytes) does not match its hash {content.data_hash}; it hashes to {digest.hexdigest()}"


def copy_brought(source: str, content: Content, target: str, temporary: str) -> None:
    """Make *target* an ordinary file with the content that was just brought to *source*.

    Raises:
        CorruptContentError: Someone has changed *source* meanwhile.
    """
    if _holds(target, content):
        return
    reading = os.open(source, READ)

    def copy(descriptor: int) -> None:
        if copy_descriptor(reading, descriptor)[0] != content.data_hash:
            raise CorruptContentError

    try:
        write_beside(target, temporary, copy, is_executable=content.is_executable)
    finally:
        os.close(reading)


class _CheckedSource:
    """A file that is read from its beginning to its end, and must be what it was when it was hashed.

    It fails before the last of it is handed out, so that S3 never completes what is stored under the wrong hash.
    """

    def __init__(self, descriptor: int, content: Content) -> None:
        self._descriptor = descriptor
        self._content = content
        self._digest = hashlib.sha256()
        self._left = content.size

    def read(self, size: int = -1, /) -> bytes:
        # One byte more than there should be, to see one that has been added.
        wanted = self._left + 1 if size < 0 else min(size, self._left + 1)
        data = os.read(self._descriptor, wanted)
        self._digest.update(data)
        self._left -= len(data)
        is_short = self._left > 0 and (size < 0 or len(data) < wanted)
        is_different = self._left == 0 and self._digest.hexdigest() != self._content.data_hash
        if self._left < 0 or is_short or is_different:
            raise ChangedFileError
        return data


def _holds(path: str, content: Content) -> bool:
    """Return whether *path* is an ordinary file with that content, which a step may change; its mode is then right as well."""
    descriptor = open_changeable(path, content.size)
    if descriptor is None:
        return False
    try:
        if hash_descriptor(descriptor) != (content.data_hash, content.size):
            return False
        match_executable(descriptor, is_executable=content.is_executable)
        return True
    finally:
        os.close(descriptor)
