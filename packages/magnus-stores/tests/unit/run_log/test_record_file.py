from __future__ import annotations

from io import BytesIO

import pytest

from magnus.domain.records import Record, RecordKind
from magnus_stores.run_log.record_file import encode, file_name, is_record_file, read_head, read_record


def test_a_plain_name_is_its_own_file_name() -> None:
    """People find the record of a step by looking for it."""
    assert file_name(RecordKind.STEP, "train.map-1.fit_it") == "step-train.map-1.fit_it.json"
    assert file_name(RecordKind.RUN, "") == "run-.json"


def test_any_other_name_stays_readable() -> None:
    """Its hash tells it from what looks the same."""
    name = file_name(RecordKind.STEP, "Train/Müller")
    assert name.startswith("step-train_m_ller~")
    assert name != file_name(RecordKind.STEP, "train/müller")


@pytest.mark.parametrize("name", ["n" * 1000, "😀" * 1000, "../../x", "a\0b", "\ud800", "A", "a~b"])
def test_a_file_name_suits_every_file_system(name: str) -> None:
    """It is short, of lower-case ASCII letters and a few signs, and has no folder in it."""
    found = file_name(RecordKind.PARAMETERS, name)
    assert len(found) <= 140
    assert set(found) <= set("abcdefghijklmnopqrstuvwxyz0123456789_.-~")
    assert found.startswith("parameters-")


def test_names_that_differ_have_different_files() -> None:
    """A name that looks like the file of another is no exception."""
    names = ["a", "A", "a.json", "é", "e\u0301", "n" * 120, "n" * 121, "N" * 120]
    names.append(file_name(RecordKind.STEP, "A").removeprefix("step-").removesuffix(".json"))
    assert len({file_name(RecordKind.STEP, name) for name in names}) == len(names)


def test_files_of_a_kind_are_known_by_their_names() -> None:
    """Other files are no records: the one with the format, and those that are being written."""
    assert is_record_file("step-a.json", None)
    assert is_record_file("step-a.json", {RecordKind.STEP, RecordKind.RUN})
    assert not is_record_file("step-a.json", {RecordKind.RUN})
    assert not is_record_file("format.json", None)
    assert not is_record_file(".0123456789abcdef.tmp", None)


def test_a_record_comes_back_from_its_file() -> None:
    """With its true name, and the moment of its first writing."""
    record = Record(RecordKind.VALUE, "a/\ud800\n", '{"é":"\u2028\ud800"}')
    content = encode(record, 123)
    assert read_record(BytesIO(content)) == record
    head = read_head(BytesIO(content))
    assert head == (RecordKind.VALUE, "a/\ud800\n", 123)


def test_an_empty_file_holds_no_record_and_a_strange_one_is_refused() -> None:
    """A power cut may leave an empty one, where nothing durable was written."""
    assert read_record(BytesIO(b"")) is None
    with pytest.raises(ValueError, match="kind"):
        read_record(BytesIO(b'["kind","name",1]\n{}'))
