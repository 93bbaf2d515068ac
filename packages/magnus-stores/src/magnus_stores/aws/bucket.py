"""A folder in a bucket of S3: small objects as bytes, large ones as streams."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from magnus_stores.aws.failures import code_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from io import RawIOBase

    from _typeshed import SupportsRead
    from mypy_boto3_s3 import S3Client
    from s3transfer.manager import TransferManager

    from magnus.errors import ServiceError
    from magnus_stores.aws.options import S3Options

_DELETED_AT_ONCE = 1000
_CONFLICTS = 10
_ABSENT = frozenset({"404", "NoSuchKey"})
_UNCHANGED = frozenset({"304", "NotModified"})
_TAKEN = frozenset({"412", "PreconditionFailed"})
_BUSY = frozenset({"409", "ConditionalRequestConflict"})


class Found(NamedTuple):
    """An object as it is listed.

    Attributes:
        key: Below the folder.
        size: Bytes.
        age: Since it was last written, by the clock of S3.
    """

    key: str
    size: int
    age: timedelta


class Fetched(NamedTuple):
    """An object as it was read; *tag* changes with its content."""

    data: bytes
    tag: str


class Bucket:
    """The objects below one prefix; keys are relative to it. May be used by several threads, and by forked processes."""

    def __init__(self, options: S3Options, what: str, error: type[ServiceError]) -> None:
        """Open nothing.

        Args:
            options: Where it is.
            what: How messages call whoever asks, as in `the s3 catalog`.
            error: What failures are raised as.
        """
        self._options = options
        self._what = what
        self._error = error
        self._base = options.base
        self._lock = Lock()
        self._client: S3Client | None = None
        self._process_id = 0

    @property
    def shown(self) -> str:
        """The folder, as people write it."""
        return f"s3://{self._options.bucket}/{self._base}"

    def get(self, key: str) -> bytes | None:
        """Return the content of a small object; None if there is none."""
        fetched = self.get_changed(key, "")
        return fetched.data if isinstance(fetched, Fetched) else None

    def get_changed(self, key: str, tag: str) -> Fetched | bool:
        """Return a small object if its tag is not *tag*, True if it is, and False if there is no object."""
        condition: dict[str, Any] = {"IfNoneMatch": tag} if tag else {}
        with self._talking("read", key) as s3:
            try:
                answer = s3.get_object(**self._named(key), **condition)
            except s3.exceptions.ClientError as error:
                code = code_of(error)
                if code in _UNCHANGED or code in _ABSENT:
                    return code in _UNCHANGED
                raise
            with answer["Body"] as body:
                return Fetched(body.read(), answer["ETag"])

    def get_in_blocks(self, key: str, block_bytes: int) -> Iterator[bytes] | None:
        """Return the content of an object in blocks; None if there is none."""
        with self._talking("read", key) as s3:
            try:
                body = s3.get_object(**self._named(key))["Body"]
            except s3.exceptions.ClientError as error:
                if code_of(error) in _ABSENT:
                    return None
                raise
        return self._blocks(key, body, block_bytes)

    def size(self, key: str) -> int | None:
        """Return how many bytes an object has; None if there is none."""
        with self._talking("look for", key) as s3:
            try:
                return s3.head_object(**self._named(key))["ContentLength"]
            except s3.exceptions.ClientError as error:
                if code_of(error) in _ABSENT:
                    return None
                raise

    def put(self, key: str, data: bytes) -> None:
        """Write a small object, replacing what is there."""
        with self._talking("write", key) as s3:
            s3.put_object(**self._named(key), Body=data)

    def put_new(self, key: str, data: bytes) -> bool:
        """Write a small object unless there is one; say whether it was written. Of several at once one is.

        A request that was answered too late to be heard is made again, and then finds its own object.
        """
        with self._talking("write", key) as s3:
            for attempt in range(_CONFLICTS):
                try:
                    s3.put_object(**self._named(key), Body=data, IfNoneMatch="*")
                except s3.exceptions.ClientError as error:
                    if code_of(error) in _TAKEN:
                        return False
                    if code_of(error) not in _BUSY or attempt == _CONFLICTS - 1:
                        raise
                else:
                    return True
        raise AssertionError  # the loop returns or raises

    def list(self, folder: str, limit: int | None = None) -> Iterator[Found]:
        """Yield the objects whose keys begin with *folder*, ordered by key: a thousand for each request.

        Args:
            folder: What keys begin with.
            limit: Only the first so many.
        """
        settings: dict[str, Any] = {"MaxKeys": limit} if limit else {}
        for page in self._pages(folder, **settings):
            now = _moment(page)
            for item in page.get("Contents", ()):
                yield Found(
                    item["Key"].removeprefix(self._base),
                    item["Size"],
                    max(now - item["LastModified"], timedelta()),
                )
            if limit:
                return

    def list_folders(self, folder: str) -> Iterator[str]:
        """Yield the names of the folders in *folder*, without what is in them."""
        for page in self._pages(folder, Delimiter="/"):
            for item in page.get("CommonPrefixes", ()):
                yield item["Prefix"].removeprefix(self._base + folder).rstrip("/")

    def delete(self, keys: Iterable[str]) -> None:
        """Remove objects, a thousand with each request; one that is not there is no error."""
        remaining = list(keys)
        for start in range(0, len(remaining), _DELETED_AT_ONCE):
            batch = remaining[start : start + _DELETED_AT_ONCE]
            with self._talking("delete", batch[0]) as s3:
                answer = s3.delete_objects(
                    Bucket=self._options.bucket,
                    Delete={"Objects": [{"Key": self._base + key} for key in batch], "Quiet": True},
                )
                for failure in answer.get("Errors", ()):
                    raise s3.exceptions.ClientError({"Error": failure}, "DeleteObjects")

    def upload(self, manager: TransferManager, key: str, source: SupportsRead[bytes], size: int) -> None:
        """Write a large object from *source*, in blocks of which few are in memory; it appears when it is whole.

        *source* is read in order, to its end, by one thread. What it raises comes out unchanged, and then nothing is stored.
        """
        from magnus_stores.aws.client import known_size

        with self._talking("write", key):
            manager.upload(
                cast("Any", source), self._options.bucket, self._base + key, subscribers=[known_size(size)]
            ).result()

    def download(self, manager: TransferManager, key: str, target: RawIOBase) -> bool:
        """Write a large object to *target*, block by block in any order, from one thread; False if there is none."""
        with self._talking("read", key) as s3:
            try:
                manager.download(self._options.bucket, self._base + key, cast("Any", target)).result()
            except s3.exceptions.ClientError as error:
                if code_of(error) in _ABSENT:
                    return False
                raise
        return True

    def uploads(self) -> TransferManager:
        """Return what `upload` needs, for a `with` statement."""
        from magnus_stores.aws.client import uploads

        with self._talking("reach", "") as s3:
            return uploads(s3)

    def downloads(self) -> TransferManager:
        """Return what `download` needs, for a `with` statement."""
        from magnus_stores.aws.client import downloads

        with self._talking("reach", "") as s3:
            return downloads(s3)

    def abort_uploads(self, folder: str, older_than: timedelta) -> None:
        """Have S3 forget the blocks of uploads that were begun long ago and never ended."""
        with self._talking("find unfinished uploads in", folder) as s3:
            for page in s3.get_paginator("list_multipart_uploads").paginate(
                Bucket=self._options.bucket, Prefix=self._base + folder
            ):
                now = _moment(page)
                for upload in page.get("Uploads", ()):
                    if now - upload["Initiated"] > older_than:
                        with suppress(s3.exceptions.NoSuchUpload):  # it has just ended
                            s3.abort_multipart_upload(
                                Bucket=self._options.bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                            )

    def close(self) -> None:
        """Close connections; the next request would make new ones."""
        with self._lock:
            client, self._client = self._client, None
            if client is not None and self._process_id == os.getpid():
                client.close()

    def _named(self, key: str) -> dict[str, Any]:
        return {"Bucket": self._options.bucket, "Key": self._base + key}

    def _pages(self, folder: str, **settings: Any) -> Iterator[Any]:
        request = {"Bucket": self._options.bucket, "Prefix": self._base + folder, **settings}
        while True:
            with self._talking("list", folder) as s3:
                page = s3.list_objects_v2(**request)
            yield page
            if not page.get("IsTruncated"):
                return
            request["ContinuationToken"] = page["NextContinuationToken"]

    def _blocks(self, key: str, body: Any, block_bytes: int) -> Iterator[bytes]:
        with self._talking("read", key), body:
            yield from body.iter_chunks(block_bytes)

    @contextmanager
    def _talking(self, action: str, key: str) -> Iterator[S3Client]:
        from magnus_stores.aws.client import talking

        what = f"{self._what} could not {action} {self.shown}{key}"
        with talking(what, f"{self.shown}*", self._address, self._error):
            yield self._connected()

    def _address(self) -> str:
        client = self._client
        return client.meta.endpoint_url if client is not None else self._options.endpoint_url or "AWS"

    def _connected(self) -> S3Client:
        with self._lock:
            # A forked process must not talk on its parent's connections.
            if self._client is None or self._process_id != os.getpid():
                from magnus_stores.aws.client import connect

                client: S3Client = connect("s3", self._options.region, self._options.endpoint_url)
                self._client, self._process_id = client, os.getpid()
            return self._client


def _moment(page: Mapping[str, Any]) -> datetime:
    """Return when S3 answered, by its own clock."""
    date = page.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date")
    return parsedate_to_datetime(date) if date else datetime.now(UTC)
