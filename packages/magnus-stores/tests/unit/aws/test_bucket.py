from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from magnus.errors import ServiceError
from magnus.testing.processes import join, start
from magnus_stores.aws.bucket import Bucket
from magnus_stores.aws.options import S3Options

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def folder(bucket: str, requests: Any) -> Iterator[Bucket]:
    """Lend a folder in an empty bucket."""
    with closing(Bucket(S3Options(bucket=bucket, prefix="p"), "a test", ServiceError)) as made:
        yield made


def test_a_thousand_objects_are_removed_with_each_request(folder: Bucket, requests: Any) -> None:
    """One that is not there is no error; nothing is asked for none."""
    folder.delete([])
    assert requests.operations == []
    folder.delete(f"{number}" for number in range(2001))
    assert requests.operations == ["DeleteObjects"] * 3


def test_only_what_is_wanted_is_listed(folder: Bucket, requests: Any) -> None:
    """The first few are one request, and so are folders, whatever is in them."""
    for key in ("b", "a/2", "a/1"):
        folder.put(key, b"x")
    requests.sent.clear()
    assert [found.key for found in folder.list("a/")] == ["a/1", "a/2"]
    assert [found.key for found in folder.list("a/", limit=1)] == ["a/1"]
    assert list(folder.list_folders("")) == ["a"]
    assert requests.operations == ["ListObjectsV2"] * 3


def test_an_object_that_did_not_change_is_not_sent_again(folder: Bucket) -> None:
    """And one that is gone is told apart."""
    folder.put("key", b"content")
    fetched = folder.get_changed("key", "")
    assert not isinstance(fetched, bool)
    assert fetched.data == b"content"
    assert folder.get_changed("key", fetched.tag) is True
    folder.delete(["key"])
    assert folder.get_changed("key", fetched.tag) is False


def test_a_forked_process_makes_a_connection_of_its_own(folder: Bucket) -> None:
    """Answers would otherwise go to the wrong one of two; the parent's goes on."""
    folder.put("key", b"parent")
    parents = folder._connected()  # noqa: SLF001 - what must not be shared

    def use() -> None:
        assert folder.get("key") == b"parent"
        assert folder._connected() is not parents  # noqa: SLF001
        folder.put("key", b"child")
        folder.close()

    join([start(use)])
    assert folder.get("key") == b"child"
    assert folder._connected() is parents  # noqa: SLF001


@pytest.mark.parametrize("prefix", ["", "ü ~%", "a/b"])
def test_keys_are_relative_to_the_prefix(bucket: str, aws: str, prefix: str) -> None:
    """Whatever it holds."""
    with closing(Bucket(S3Options(bucket=bucket, prefix=prefix), "a test", ServiceError)) as made:
        assert made.put_new("f/key", b"1")
        assert not made.put_new("f/key", b"2")
        assert [found.key for found in made.list("f/")] == ["f/key"]
        assert list(made.list_folders("")) == ["f"]
        assert made.get("f/key") == b"1"
        assert made.size("f/key") == 1
        assert made.size("f/other") is None
