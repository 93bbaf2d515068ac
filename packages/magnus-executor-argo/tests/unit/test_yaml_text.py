"""YAML that reads the same with every parser."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from magnus_executor_argo.yaml_text import Commented, OneLine, scalar, yaml_text

SCALARS = st.one_of(st.text(st.characters(exclude_categories=["Cs"])), st.integers(), st.booleans())
TREES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(SCALARS),
        st.lists(st.dictionaries(st.text("abc", min_size=1), inner, min_size=1)),
        st.dictionaries(st.text("abc:# -", min_size=1), inner),
    ),
)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.text("abc", min_size=1), TREES, max_size=3))
def test_what_is_written_is_read(tree: dict[str, object]) -> None:
    """Whatever is in it."""
    text = yaml_text(["head", "line\nof two"], tree)
    assert yaml.safe_load(text) == (tree or None)
    assert text.startswith("# head\n# line of two\n")


@pytest.mark.parametrize(
    "text",
    ["on", "No", "null", "1e3", "0x1", "1:30", "~", "y", "", ".inf", "1_000", "-", "a:", "=", "2001-01-01"],
)
def test_what_a_parser_might_take_for_something_else_is_quoted(text: str) -> None:
    """Parsers of different versions of YAML differ in that."""
    assert scalar(text) == f'"{text}"'


def test_comments_stand_above_and_stay_in_their_line() -> None:
    """Of items in a list; whatever names hold."""
    text = yaml_text([], {"list": [Commented("one\ntwo\u2028three", {"item": OneLine(key=1)})]})
    assert text == "list:\n  # one two three\n  - item: {key: 1}\n"
