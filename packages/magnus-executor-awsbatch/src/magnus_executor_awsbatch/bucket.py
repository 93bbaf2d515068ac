"""The bucket of S3 that jobs find their messages in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magnus_executor_awsbatch.client import connect as connect_to_aws
from magnus_executor_awsbatch.client import translated

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MOST_DELETED = 1000
"""Keys that one call of `DeleteObjects` takes."""


class Bucket:
    """One bucket of S3, below one prefix."""

    def __init__(
        self,
        address: str,
        region: str = "",
        endpoint_url: str = "",
        *,
        connect: Callable[[str, str, str], Any] | None = None,
    ) -> None:
        """Work below *address*, `s3://bucket/prefix`; connects when something is first asked."""
        self.address = address.rstrip("/")
        self._bucket, _, self._prefix = self.address.removeprefix("s3://").partition("/")
        self._connect = connect or connect_to_aws
        self._place = (region, endpoint_url)
        self._client_in_use: Any = None

    @property
    def _client(self) -> Any:
        if self._client_in_use is None:
            self._client_in_use = self._connect("s3", *self._place)
        return self._client_in_use

    def key_address(self, key: str) -> str:
        """Return the address of *key*."""
        return f"{self.address}/{key}"

    def put(self, key: str, data: bytes, *, only_new: bool = False) -> None:
        """Write an object.

        Raises:
            ExistsError: It is there already, and *only_new* was asked for.
        """
        condition = {"IfNoneMatch": "*"} if only_new else {}
        with translated(f"PutObject on {self.address}"):
            self._client.put_object(Bucket=self._bucket, Key=self._key(key), Body=data, **condition)

    def get(self, key: str, start: int = 0, size: int | None = None) -> bytes:
        """Read an object, or *size* bytes of it from *start* on.

        Raises:
            MissingError: There is no such object.
        """
        part = {} if size is None else {"Range": f"bytes={start}-{start + size - 1}"}
        with translated(f"GetObject on {self.address}"):
            answer = self._client.get_object(Bucket=self._bucket, Key=self._key(key), **part)
            body: bytes = answer["Body"].read()
        return body

    def list(self, prefix: str) -> list[str]:
        """Return the keys that begin with *prefix*."""
        start = self._key("")
        with translated(f"ListObjectsV2 on {self.address}"):
            pages = self._client.get_paginator("list_objects_v2")
            return [
                item["Key"].removeprefix(start)
                for page in pages.paginate(Bucket=self._bucket, Prefix=self._key(prefix))
                for item in page.get("Contents", ())
            ]

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects; those that are not there are no mistake."""
        for start in range(0, len(keys), MOST_DELETED):
            objects = [{"Key": self._key(key)} for key in keys[start : start + MOST_DELETED]]
            with translated(f"DeleteObjects on {self.address}"):
                self._client.delete_objects(Bucket=self._bucket, Delete={"Objects": objects, "Quiet": True})

    def _key(self, key: str) -> str:
        return f"{self._prefix}/{key}" if self._prefix else key
