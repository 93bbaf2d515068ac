"""What `Bucket` promises, against the fake of S3 that other tests use, and against moto."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from fake_s3 import FakeS3

from magnus_executor_awsbatch.bucket import Bucket
from magnus_executor_awsbatch.errors import ExistsError, MissingError

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=["fake", "moto"])
def bucket(request: pytest.FixtureRequest) -> Iterator[Bucket]:
    """Return an empty one."""
    if request.param == "fake":
        s3 = FakeS3()
        yield Bucket("s3://bucket/at/some/place", connect=lambda *_: s3)
        return
    if find_spec("moto") is None:
        pytest.skip("needs moto")
    from moto import mock_aws

    with mock_aws():
        client: Any = boto3.client(
            "s3", region_name="us-east-1", aws_access_key_id="canary", aws_secret_access_key="canary"
        )
        client.create_bucket(Bucket="bucket")
        yield Bucket("s3://bucket/at/some/place", connect=lambda *_: client)
        client.close()


def test_what_was_written_is_read(bucket: Bucket) -> None:
    """Whole, or a part of it, also where the object ends before that."""
    bucket.put("a", b"0123456789")
    assert bucket.get("a") == b"0123456789"
    assert bucket.get("a", 2, 3) == b"234"
    assert bucket.get("a", 8, 5) == b"89"
    bucket.put("a", b"new")
    assert bucket.get("a") == b"new"


def test_what_is_to_be_new_must_not_be_there(bucket: Bucket) -> None:
    """And stays as it was."""
    bucket.put("a", b"1", only_new=True)
    with pytest.raises(ExistsError, match=r"^PutObject on s3://bucket/at/some/place: it is there already$"):
        bucket.put("a", b"2", only_new=True)
    assert bucket.get("a") == b"1"


def test_what_is_not_there_is_told(bucket: Bucket) -> None:
    """By an error of its own."""
    with pytest.raises(MissingError, match=r"^GetObject on s3://bucket/at/some/place: "):
        bucket.get("a")


def test_lists_are_complete_and_below_the_prefix(bucket: Bucket) -> None:
    """Over several pages."""
    for number in range(1001):
        bucket.put(f"many/{number:04}", b"")
    bucket.put("other", b"")
    assert bucket.list("many/") == [f"many/{number:04}" for number in range(1001)]
    assert bucket.list("none/") == []


def test_any_number_of_objects_is_removed(bucket: Bucket) -> None:
    """Some of them are not there; none at all needs no call."""
    for number in range(1001):
        bucket.put(f"many/{number:04}", b"")
    bucket.put("other", b"")
    bucket.delete([f"many/{number:04}" for number in range(1002)])
    bucket.delete([])
    assert bucket.list("") == ["other"]


def test_a_bucket_may_be_used_without_a_prefix() -> None:
    """Keys begin at its top."""
    s3 = FakeS3()
    top = Bucket("s3://bucket/", connect=lambda *_: s3)
    top.put("a", b"1")
    assert (s3.keys, top.list(""), top.key_address("a")) == (["a"], ["a"], "s3://bucket/a")
