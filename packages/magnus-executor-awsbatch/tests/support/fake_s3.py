"""A fake of the client of S3, as far as handing jobs over needs it: one bucket for all, in memory."""

from __future__ import annotations

import io
from collections import Counter, deque
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_PAGE = 1000


class FakeS3:
    """Stands for the vendor's client; the suite of `client.Bucket` runs against it and against moto.

    Attributes:
        objects: What is kept, by bucket and key.
        calls: How often each operation was called.
    """

    def __init__(self) -> None:
        """Keep nothing."""
        self.objects: dict[tuple[str, str], bytes] = {}
        self.calls: Counter[str] = Counter()
        self.before_each: Callable[[], None] = lambda: None
        """Is called before each call; what it raises comes out of the call, as a signal would."""
        self._faults: dict[str, deque[BaseException]] = {}

    @property
    def keys(self) -> list[str]:
        """The keys of all objects, in order."""
        return sorted(key for _, key in self.objects)

    def fail(self, operation: str, error: BaseException, calls: int = 1) -> None:
        """Let the next calls of an operation end with *error*, without effect."""
        self._faults.setdefault(operation, deque()).extend([error] * calls)

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, IfNoneMatch: str = "") -> dict[str, Any]:  # noqa: N803 - the service's names
        """Write an object."""
        self._count("PutObject")
        if IfNoneMatch == "*" and (Bucket, Key) in self.objects:
            raise refusal("PutObject", "PreconditionFailed", 412)
        self.objects[Bucket, Key] = Body
        return {}

    def get_object(self, *, Bucket: str, Key: str, Range: str = "") -> dict[str, Any]:  # noqa: N803 - as above
        """Read an object, or a part of it."""
        self._count("GetObject")
        if (Bucket, Key) not in self.objects:
            raise refusal("GetObject", "NoSuchKey", 404)
        body = self.objects[Bucket, Key]
        if Range:
            first, _, last = Range.removeprefix("bytes=").partition("-")
            body = body[int(first) : int(last) + 1]
        return {"Body": io.BytesIO(body)}

    def delete_objects(self, *, Bucket: str, Delete: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N803 - as above
        """Remove objects."""
        self._count("DeleteObjects")
        asked: Sequence[Mapping[str, str]] = Delete["Objects"]
        if not 0 < len(asked) <= _PAGE:
            raise refusal("DeleteObjects", "MalformedXML", 400)
        for each in asked:
            self.objects.pop((Bucket, each["Key"]), None)
        return {}

    def get_paginator(self, name: str) -> _Pages:
        """Return what lists objects."""
        assert name == "list_objects_v2"
        return _Pages(self)

    def pages(self, bucket: str, prefix: str) -> Iterator[dict[str, Any]]:
        """Yield pages of a list."""
        found = sorted(key for name, key in self.objects if name == bucket and key.startswith(prefix))
        for start in range(0, len(found) or 1, _PAGE):
            self._count("ListObjectsV2")
            part = found[start : start + _PAGE]
            yield {"Contents": [{"Key": key} for key in part]} if part else {}

    def _count(self, operation: str) -> None:
        self.before_each()
        self.calls[operation] += 1
        if faults := self._faults.get(operation):
            raise faults.popleft()


class _Pages:
    def __init__(self, s3: FakeS3) -> None:
        self._s3 = s3

    def paginate(self, *, Bucket: str, Prefix: str) -> Iterator[dict[str, Any]]:  # noqa: N803 - as above
        """Yield pages."""
        return self._s3.pages(Bucket, Prefix)


def refusal(operation: str, code: str, status: int) -> ClientError:
    """Return the error that the vendor's library makes of an answer."""
    answer: Any = {
        "Error": {"Code": code, "Message": "Asked for by a test"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, operation)
