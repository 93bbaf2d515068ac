"""What the run log store `s3` does beyond the port: keys, requests, and objects that others have written."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from magnus.domain.records import Record, RecordKind
from magnus.errors import RunLogExistsError, ServiceError
from magnus_stores.run_log import s3_keys
from magnus_stores.run_log.s3 import S3RunLogOptions, S3RunLogStore

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD = Record(RecordKind.RUN, "", "{}")
KEY_BYTES = 1024


@pytest.fixture
def store(bucket: str, requests: Any) -> Iterator[S3RunLogStore]:
    """Lend a store whose requests are counted."""
    with closing(S3RunLogStore(S3RunLogOptions(bucket=bucket, prefix="p"))) as made:
        yield made


def step(name: str) -> Record:
    """Return a record of a step."""
    return Record(RecordKind.STEP, name, "{}")


@pytest.mark.parametrize(
    "name", ["", "a.b", "~", "..", "a/b", "数" * 1000, "🔑" * 1000, "/" * 1000, "\udc80"]
)
def test_a_key_is_plain_and_fits(name: str) -> None:
    """ASCII without control characters, with room for the longest prefix and run id; a short name can be read back."""
    folder = "p" * 513 + s3_keys.records_folder("r" * 128, "0" * 16)
    key = s3_keys.record_key(folder, RecordKind.PARAMETERS, name)
    assert key.isascii()
    assert key.isprintable()
    assert len(key) <= KEY_BYTES
    assert s3_keys.name_in(key) in (name, None)
    assert len(name) > 100 or s3_keys.name_in(key) == name


def test_a_step_costs_the_same_at_the_two_thousandth(store: S3RunLogStore, requests: Any) -> None:
    """One request to see that the run is there, and one for each record or answer; by a process that begins anew, too."""

    def cost(number: int) -> list[str]:
        with closing(S3RunLogStore(store.options)) as own:
            own.get("run", RecordKind.RUN, "")
            requests.sent.clear()
            own.put("run", [step(f"branch.{number}"), Record(RecordKind.PARAMETERS, "branch", "{}")])
            own.get("run", RecordKind.STEP, f"branch.{number}")
            return list(requests.operations)

    store.create_run("run", [HEAD])
    store.put("run", [step(f"branch.{number}") for number in range(10)])
    first = cost(10)
    store.put("run", [step(f"branch.{number}") for number in range(11, 2000)])
    assert cost(2000) == first == ["GetObject", "PutObject", "PutObject", "GetObject", "GetObject"]


def test_beginning_a_run_is_one_request_whatever_it_begins_with(store: S3RunLogStore, requests: Any) -> None:
    """So it is there whole or not at all."""
    store.create_run("run", [step(str(number)) for number in range(500)])
    assert requests.operations == ["PutObject"]


def test_a_thousand_runs_are_listed_with_one_request(
    store: S3RunLogStore, s3: Any, bucket: str, requests: Any
) -> None:
    """However many records they have; the next thousand cost another one."""
    for number in range(1001):
        s3.put_object(Bucket=bucket, Key=f"p/runs/run-{number}.json", Body=b"")
    store.create_run("with-records", [])
    store.put("with-records", [step(str(number)) for number in range(20)])
    requests.sent.clear()
    assert len(list(store.list_runs())) == 1002
    assert requests.operations == ["ListObjectsV2"] * 2


def test_an_answer_that_was_lost_does_not_lose_the_run(
    store: S3RunLogStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The request that boto3 repeats is refused because of the first; the run is ours all the same."""
    put_new = store._bucket.put_new  # noqa: SLF001 - no answer is ever lost by the server that stands in
    monkeypatch.setattr(store._bucket, "put_new", lambda key, data: put_new(key, data) and False)  # noqa: SLF001
    store.create_run("run", [HEAD])
    with pytest.raises(RunLogExistsError):
        store.create_run("run", [HEAD])


def test_a_late_writer_of_a_deleted_run_does_not_get_into_the_next(
    store: S3RunLogStore, s3: Any, bucket: str
) -> None:
    """A job that was not stopped may write whenever it likes."""
    store.create_run("run", [HEAD])
    store.put("run", [step("late")])
    (late,) = (item["Key"] for item in s3.list_objects_v2(Bucket=bucket, Prefix="p/records/")["Contents"])
    store.delete_run("run")
    store.create_run("run", [HEAD])
    s3.put_object(Bucket=bucket, Key=late, Body=s3_keys.encode_record(step("late")))
    assert list(store.scan("run")) == [HEAD]


def test_nothing_of_a_deleted_run_stays(store: S3RunLogStore, s3: Any, bucket: str) -> None:
    """Neither its beginning nor its records."""
    store.create_run("run", [HEAD])
    store.put("run", [step(f"{number}") for number in range(5)])
    store.delete_run("run")
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_a_run_of_another_version_asks_for_an_upgrade(store: S3RunLogStore, s3: Any, bucket: str) -> None:
    """It is not guessed at; neither is what is no run at all."""
    for content in (b'{"version": 2}', b"<html>"):
        s3.put_object(Bucket=bucket, Key="p/runs/run.json", Body=content)
        with pytest.raises(ServiceError, match=r"s3://.*/p/runs/run\.json.*upgrade magnus-stores"):
            store.get("run", RecordKind.RUN, "")


def test_a_damaged_record_is_named(store: S3RunLogStore, s3: Any, bucket: str) -> None:
    """By its key."""
    store.create_run("run", [HEAD])
    store.put("run", [step("a")])
    (key,) = (item["Key"] for item in s3.list_objects_v2(Bucket=bucket, Prefix="p/records/")["Contents"])
    s3.put_object(Bucket=bucket, Key=key, Body=b"no record")
    with pytest.raises(ServiceError, match=r"/step/a\.json is no record"):
        store.get("run", RecordKind.STEP, "a")


def test_only_the_runs_that_were_used_last_are_remembered(store: S3RunLogStore) -> None:
    """What they begin with may be large."""
    for number in range(40):
        store.create_run(f"run-{number}", [HEAD])
        store.put(f"run-{number}", [])
    assert len(store._known) == 16  # noqa: SLF001 - memory shows nowhere else
