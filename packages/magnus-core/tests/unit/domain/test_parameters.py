from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnus.domain.parameters import (
    INLINE_LIMIT,
    REFERENCE,
    Value,
    collect_map,
    encode_all,
    from_environment,
    from_text,
    merge_branches,
    to_text,
)
from magnus.errors import ParametersError

TEXTS = st.text(st.characters(codec="utf-8"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
)
# Texts that look like JSON.
TRICKY = st.text(alphabet='0123456789"{}[]:, eEtruefalsn.-', max_size=10) | st.sampled_from(
    ["NaN", "Infinity", "-Infinity", "null", "true", " 1", "1 ", '"', '"1"', "1e999"]
)


@given(JSON)
def test_a_value_comes_back_as_it_was(raw: Any) -> None:
    """Through the text that is kept, and every time as a copy of its own."""
    value = Value.of(raw)
    assert value.decode() == raw
    assert json.dumps(value.decode()) == json.dumps(raw)
    if isinstance(raw, dict | list):
        assert value.decode() is not value.decode()


def test_a_value_of_a_megabyte_is_decoded_as_a_small_one_is() -> None:
    """Another decoder reads those, which must not read anything else."""
    raw: dict[str, Any] = {
        "text": 'ä\u2028\\"' * 200_000,
        "numbers": [0.1, 1e308, 5e-324, 2**80, -1, True, None],
        "nested": [[{"": []}]],
    }
    text = json.dumps(raw, separators=(",", ":"), ensure_ascii=False)
    assert len(text) > 1_000_000
    assert Value(text).decode() == json.loads(text)


def test_values_are_compared_as_json() -> None:
    """The order of an object's keys does not matter; that of a list does."""
    assert Value.of({"a": 1, "b": 2}) == Value.of({"b": 2, "a": 1})
    assert Value.of([1, 2]) != Value.of([2, 1])
    assert Value.of("1") != Value.of(1)
    assert Value.of(1) != 1


@pytest.mark.parametrize("raw", [float("nan"), float("inf"), [float("-inf")], {1, 2}, b"bytes", object()])
def test_what_is_no_json_value_is_refused_by_name(raw: Any) -> None:
    """The message says who gave it and which parameter it was."""
    with pytest.raises(ParametersError, match=r"step 'fit'.*'score'"):
        encode_all({"fine": 1, "score": raw}, "step 'fit'")


def test_a_long_value_is_referred_to_by_its_digest() -> None:
    """Up to the limit it stands in the record itself."""
    longest = "x" * (INLINE_LIMIT - 2)
    assert Value.of(longest).in_record() == longest
    long = Value.of(longest + "x")
    assert long.is_reference
    assert long.in_record() == {REFERENCE: long.digest}
    assert len(long.digest) == 64


@pytest.mark.parametrize("raw", [{REFERENCE: "abc"}, {"a": {REFERENCE: 1}}, {REFERENCE: "x", "b": 2}])
def test_an_object_that_looks_like_a_reference_becomes_one(raw: Any) -> None:
    """Otherwise a reader would look for a value that no one wrote."""
    assert Value.of(raw).in_record() == {REFERENCE: Value.of(raw).digest}


@given(JSON)
def test_what_stands_in_a_record_is_the_value_or_a_reference(raw: Any) -> None:
    """A reader can always tell which."""
    value = Value.of(raw)
    in_record = value.in_record()
    if isinstance(in_record, dict) and REFERENCE in in_record:
        assert in_record == {REFERENCE: value.digest}
    else:
        assert in_record == raw


def test_a_value_shows_no_content() -> None:
    """It may be a secret."""
    assert "hunter2" not in repr(Value.of("hunter2"))


@given(JSON | TRICKY)
def test_text_for_the_environment_gives_the_value_back(raw: Any) -> None:
    """A string that looks like JSON is quoted, so that it stays a string."""
    back = from_text(to_text(raw))
    assert back == raw
    assert type(back) is type(raw)


@given(st.text(alphabet=st.characters(categories=["Lu", "Ll"]), min_size=6))
def test_a_plain_word_needs_no_quotes(word: str) -> None:
    """Shell scripts are written with them."""
    assert to_text(word) == word


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("1.0", 1.0),
        ("true", True),
        ("null", None),
        ('{"a": [1]}', {"a": [1]}),
        ('"1"', "1"),
        ("hello", "hello"),
        ("", ""),
        ("NaN", "NaN"),
        ("{broken", "{broken"),
        ("True", "True"),
    ],
)
def test_text_is_json_or_else_a_plain_string(text: str, value: Any) -> None:
    """NaN is no JSON, whatever Python's decoder takes."""
    assert from_text(text) == value
    assert type(from_text(text)) is type(value)


def test_parameters_of_the_environment_keep_their_case() -> None:
    """Only the prefix is taken off, and only where something follows it."""
    environ = {
        "MAGNUS_PRM_Rate": "0.1",
        "MAGNUS_PRM_rate": "2",
        "MAGNUS_PRM_": "x",
        "MAGNUS_VAR_y": "1",
        "magnus_prm_z": "1",
        "XMAGNUS_PRM_a": "1",
    }
    assert from_environment(environ) == {"Rate": 0.1, "rate": 2}


def test_branches_are_merged_in_the_order_given() -> None:
    """The last one that set a key wins, and the message names both."""
    merged, conflicts = merge_branches(
        [
            ("one", {"x": Value.of(1), "only": Value.of("kept")}),
            ("two", {"x": Value.of(2)}),
            ("three", {"x": Value.of(2), "y": Value.of({"a": 1, "b": 2})}),
            ("four", {"y": Value.of({"b": 2, "a": 1})}),
        ]
    )
    assert {name: value.decode() for name, value in merged.items()} == {
        "x": 2,
        "only": "kept",
        "y": {"a": 1, "b": 2},
    }
    (conflict,) = conflicts
    assert "'one' and 'two' set the parameter 'x'" in conflict


def test_every_conflict_of_a_merge_is_told() -> None:
    """A key that three branches set differently is told twice, each time with the one whose value was there."""
    _, conflicts = merge_branches([(name, {"x": Value.of(name)}) for name in ("a", "b", "c")])
    assert [text.partition(" set")[0] for text in conflicts] == [
        "the branches 'a' and 'b'",
        "the branches 'b' and 'c'",
    ]


def test_what_map_branches_set_becomes_lists_in_item_order() -> None:
    """A branch that did not set a key has null at its place."""
    collected = collect_map(
        [{"a": Value.of(1)}, {"b": Value.of("x")}, {"a": Value.of([3]), "b": Value.of(None)}, {}]
    )
    assert {name: value.decode() for name, value in collected.items()} == {
        "a": [1, None, [3], None],
        "b": [None, "x", None, None],
    }


def test_a_map_of_no_items_sets_nothing() -> None:
    """Not even empty lists: no one knows the keys."""
    assert collect_map([]) == {}


@given(st.lists(st.dictionaries(st.sampled_from("abc"), JSON), max_size=5))
def test_every_list_of_a_map_is_as_long_as_the_map(branches: list[dict[str, Any]]) -> None:
    """Positions match the items whatever the branches left out."""
    collected = collect_map([encode_all(values, "test") for values in branches])
    assert {name: value.decode() for name, value in collected.items()} == {
        name: [values.get(name) for values in branches]
        for name in {key for values in branches for key in values}
    }
