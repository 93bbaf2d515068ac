"""What lies in S3 while jobs run; the suite of `Bucket` is in `test_bucket.py`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from fake_s3 import FakeS3
from hypothesis import given
from hypothesis import strategies as st

from magnus.errors import ServiceError
from magnus_executor_awsbatch.bucket import Bucket
from magnus_executor_awsbatch.executor import AwsBatchExecutor
from magnus_executor_awsbatch.handover import Handover, Intent, JobMailbox, Member, array_index

if TYPE_CHECKING:
    from collections.abc import Mapping

MEMBERS = (Member("a", 1, "m1"), Member("b", 2, "m2"))
INTENT = Intent("job", "spot", 0, 0, "host/1/x", 12.5, MEMBERS)


def handover(s3: FakeS3, run_id: str = "run") -> Handover:
    """Return the handover of a run."""
    return Handover(Bucket("s3://bucket/at", connect=lambda *_: s3), run_id)


def mailbox(s3: FakeS3, address: str, environ: Mapping[str, str]) -> JobMailbox:
    """Return what a job finds at an address."""
    folder, _, key = address.rpartition("/")
    return JobMailbox(Bucket(folder, connect=lambda *_: s3), key, environ)


@given(st.lists(st.binary(min_size=1, max_size=50), min_size=1, max_size=20))
def test_every_job_reads_its_own_message(messages: list[bytes]) -> None:
    """Of whatever length; what follows it is empty."""
    s3 = FakeS3()
    there = handover(s3)
    assert there.lay_down(INTENT, messages)
    for index, message in enumerate(messages):
        found = mailbox(s3, there.address("job"), {"AWS_BATCH_JOB_ARRAY_INDEX": str(index)}).read()
        assert found == message.ljust(max(map(len, messages)), b"\0")


def test_an_intent_is_written_once() -> None:
    """Of two processes one submits; the messages are those of the first."""
    s3 = FakeS3()
    assert handover(s3).lay_down(INTENT, [b"first"])
    assert not handover(s3).lay_down(INTENT._replace(owner="other"), [b"other"])
    assert handover(s3).intents() == [INTENT]
    assert mailbox(s3, handover(s3).address("job"), {}).read() == b"first"


def test_messages_without_an_intent_are_written_anew() -> None:
    """Who wrote them was killed before it meant to submit, and nobody knows their marks any more."""
    s3 = FakeS3()
    handover(s3).lay_down(INTENT, [b"first"])
    s3.objects.pop(("bucket", "at/run/job.intent.json"))
    assert handover(s3).lay_down(INTENT, [b"second"])
    assert mailbox(s3, handover(s3).address("job"), {}).read() == b"second"


def test_an_intent_can_be_replaced() -> None:
    """By who attaches."""
    s3 = FakeS3()
    handover(s3).lay_down(INTENT, [b"x"])
    handover(s3).replace(INTENT._replace(owner="other"))
    assert [intent.owner for intent in handover(s3).intents()] == ["other"]


def test_an_intent_of_another_format_is_refused() -> None:
    """It was written by another version."""
    s3 = FakeS3()
    handover(s3).lay_down(INTENT, [b"x"])
    key = ("bucket", "at/run/job.intent.json")
    s3.objects[key] = json.dumps({**json.loads(s3.objects[key]), "format": 2}).encode()
    with pytest.raises(ServiceError, match=r"was written by another version of magnus; attach with that one"):
        handover(s3).intents()


def test_an_answer_is_left_by_each_child() -> None:
    """And taken by its index."""
    s3 = FakeS3()
    there = handover(s3)
    there.lay_down(INTENT, [b"a", b"b"])
    child = mailbox(s3, there.address("job"), {"AWS_BATCH_JOB_ARRAY_INDEX": "1"})
    child.read()
    child.answer(b"secret")
    assert (there.answer("job", 0), there.answer("job", 1)) == (None, b"secret")


def test_what_is_forgotten_is_gone_and_nothing_else() -> None:
    """Of one job, or of the whole run."""
    s3 = FakeS3()
    for run_id in ("run", "run2"):
        for name in ("job", "other"):
            handover(s3, run_id).lay_down(INTENT._replace(name=name), [b"x"])
    handover(s3).forget(["job"])
    assert [intent.name for intent in handover(s3).intents()] == ["other"]
    handover(s3).forget_all()
    assert s3.keys == [
        f"at/run2/{name}.{end}" for name in ("job", "other") for end in ("intent.json", "jobs")
    ]


def test_the_executor_offers_the_mailbox_at_an_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """It connects when it is read."""
    s3 = FakeS3()
    there = handover(s3)
    there.lay_down(INTENT, [b"told"])
    monkeypatch.setattr("magnus_executor_awsbatch.bucket.connect_to_aws", lambda *_: s3)
    assert AwsBatchExecutor.mailbox(there.address("job")).read() == b"told"


class TestArrayIndex:
    """Which child of an array a job is."""

    @pytest.mark.parametrize(
        "environ",
        [
            {"AWS_BATCH_JOB_ARRAY_INDEX": "7"},
            {"AWS_BATCH_JOB_ID": "4d1c:7"},
            {"AWS_BATCH_JOB_ARRAY_INDEX": "7", "AWS_BATCH_JOB_ID": "4d1c:7"},
            {"AWS_BATCH_JOB_ARRAY_INDEX": "7", "AWS_BATCH_JOB_ID": "4d1c"},
        ],
    )
    def test_it_is_said_in_two_places(self, environ: dict[str, str]) -> None:
        """One is enough."""
        assert array_index(environ, 10) == 7

    @pytest.mark.parametrize(
        "environ",
        [
            {},
            {"AWS_BATCH_JOB_ID": "4d1c"},
            {"AWS_BATCH_JOB_ARRAY_INDEX": "7", "AWS_BATCH_JOB_ID": "4d1c:8"},
            {"AWS_BATCH_JOB_ARRAY_INDEX": "10"},
            {"AWS_BATCH_JOB_ARRAY_INDEX": "-1"},
            {"AWS_BATCH_JOB_ARRAY_INDEX": "one"},
        ],
    )
    def test_a_job_that_does_not_find_out_does_not_guess(self, environ: dict[str, str]) -> None:
        """Or an item would be worked on twice, and another never."""
        with pytest.raises(
            ServiceError, match=r"^the job is one of 10 children of an array, and does not find out which"
        ):
            array_index(environ, 10)

    def test_a_job_alone_is_the_first(self) -> None:
        """Whatever the variables say: they may be those of the container around it."""
        assert array_index({"AWS_BATCH_JOB_ARRAY_INDEX": "7"}, 1) == 0
