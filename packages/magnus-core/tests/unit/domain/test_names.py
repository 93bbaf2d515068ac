from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnus.domain.names import (
    ROOT_BRANCH,
    branch_name,
    decode_map_value,
    encode_map_value,
    is_shortened,
    node_name_problem,
    parent,
    run_id_problem,
    short_name,
    split,
    step_name,
)
from magnus.domain.nodes import canonical_json

TEXTS = st.text(st.characters(codec="utf-8"))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4)
)
# Texts made of what has a meaning in names, so that every confusion is tried often.
TRICKY = st.text(alphabet='%=.2E/\\" a1é\n', max_size=8)
PRINTABLE = st.characters(exclude_categories=("C", "Z"), exclude_characters=".%", include_characters=" ")
NODE_NAMES = st.text(PRINTABLE, min_size=1, max_size=20).filter(lambda name: node_name_problem(name) is None)


@given(JSON | TRICKY)
def test_a_map_item_comes_back_from_the_name_of_its_branch(item: object) -> None:
    """Whatever JSON value it is, types of numbers included, unless the name had to be shortened."""
    name = encode_map_value(item)
    if is_shortened(name):
        with pytest.raises(ValueError, match="shortened"):
            decode_map_value(name)
        return
    assert canonical_json(decode_map_value(encode_map_value(item))) == canonical_json(item)


@given(JSON | TRICKY, JSON | TRICKY)
def test_two_items_never_share_a_name(one: object, other: object) -> None:
    """`1`, `1.0`, `true` and `"1"` are four items."""
    same = canonical_json(one) == canonical_json(other)
    assert (encode_map_value(one) == encode_map_value(other)) == same


@given(JSON | TRICKY)
def test_the_name_of_a_branch_is_one_part_of_a_path(item: object) -> None:
    """It holds nothing that separates the parts of a step's name, of a path or of a Windows path, and is not empty."""
    name = encode_map_value(item)
    assert name
    assert name == name.strip()
    assert not set(name) & set("./\\\n\t\r\x00")
    assert split(branch_name("step", name)) == ("step", name)


@pytest.mark.parametrize(
    ("item", "name"),
    [
        ("plain text", "plain text"),
        ("ünï", "ünï"),
        ("", '%=""'),
        ("a.b/c", "a%2Eb%2Fc"),
        ("100%", "100%25"),
        ("%=1", "%25=1"),
        (" padded ", "%20padded%20"),
        (0.01, "%=0%2E01"),
        (1, "%=1"),
        (None, "%=null"),
        ({"b": 1, "a": [2]}, '%={"a":[2],"b":1}'),
    ],
)
def test_an_item_is_its_own_name_where_it_can_be(item: object, name: str) -> None:
    """These names are in run logs and on command lines: they may not change."""
    assert encode_map_value(item) == name


@given(JSON | st.text(min_size=70) | st.text("./% é", min_size=20))
def test_no_part_of_a_name_is_too_long(item: object) -> None:
    """At most 80 bytes, without a piece of an encoded character."""
    name = encode_map_value(item)
    assert len(name.encode()) <= 80
    assert not re.search("%[0-9A-F]?%~", name)


def test_long_names_are_told_apart_by_their_hashes() -> None:
    """The beginning stays readable; names of nodes are shortened in the same way."""
    names = {encode_map_value("x" * 100 + end) for end in "abc"}
    assert len(names) == 3
    assert all(re.fullmatch("x{62}%~[0-9a-f]{16}", name) for name in names)
    assert step_name("", "é" * 40) == "é" * 40
    assert re.fullmatch("a.é{31}%~[0-9a-f]{16}", step_name("a", "é" * 41))
    assert branch_name("step", branch_name("", "x" * 300)[1:]) == branch_name("step", "x" * 300)


@given(st.lists(NODE_NAMES, min_size=1))
def test_names_that_were_joined_are_split_into_the_same_parts(parts: list[str]) -> None:
    """Steps and branches alternate, and each knows what holds it."""
    name, holder = ROOT_BRANCH, ROOT_BRANCH
    for index, part in enumerate(parts):
        holder = name
        name = branch_name(name, part) if index % 2 else step_name(name, part)
    assert split(name) == tuple(parts)
    assert parent(name) == holder
    assert short_name(name) == parts[-1]


def test_the_root_branch_has_no_parts() -> None:
    """Not one empty part."""
    assert split(ROOT_BRANCH) == ()
    assert parent("step") == ROOT_BRANCH


@pytest.mark.parametrize("name", ["a", "with blank", "päth-1", "a/b", "=", "-x"])
def test_a_name_may_hold_blanks_and_unicode(name: str) -> None:
    """The specification says so."""
    assert node_name_problem(name) is None


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "empty"),
        ("  ", "empty"),
        ("a.b", "holds '.' or '%'"),
        ("50%", "holds '.' or '%'"),
        ("a\nb", "cannot be printed"),
        ("a\x1b[31m", "cannot be printed"),
    ],
)
def test_a_name_that_cannot_be_a_part_of_a_path_is_refused(name: str, said: str) -> None:
    """The message says what is wrong with it."""
    assert said in (node_name_problem(name) or "")


@pytest.mark.parametrize("run_id", ["a", "A_1-b.c", "_", "9", "x" * 128])
def test_a_run_id_is_made_of_letters_digits_and_three_marks(run_id: str) -> None:
    """Up to 128 of them."""
    assert run_id_problem(run_id) is None


@pytest.mark.parametrize(
    "run_id", ["", ".", "..", "-x", ".hidden", "a/b", "a\\b", "a b", "a\n", "ä", "x" * 129]
)
def test_a_run_id_that_is_no_part_of_a_path_is_refused(run_id: str) -> None:
    """It becomes a folder and an object key; the message repeats it."""
    assert repr(run_id) in (run_id_problem(run_id) or "")
