from __future__ import annotations

import pytest

from magnus.domain.patterns import pattern_problem


@pytest.mark.parametrize(
    "pattern",
    [
        "*.csv",
        "a/b/*",
        "**",
        "**/x",
        "a/**",
        "[ab]",
        "[!]]x",
        "[[]x",
        "naïve/ü*",
        ".hidden",
        "a]b",
        "with blank",
    ],
)
def test_a_glob_inside_the_folder_is_fine(pattern: str) -> None:
    """On every system."""
    assert pattern_problem(pattern) is None


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        ("/etc/*", "not relative"),
        ("~/x", "not relative"),
        ("C:/x", "not relative"),
        ("..", "leads out"),
        ("a/../../b", "leads out"),
        ("a\\b", "backslash"),
        ("a\0b", "no file name has"),
        ("a**", "inside a part"),
        ("a[b", "no ']' closes"),
        ("a[]", "no ']' closes"),
        ("[a/b]", "no ']' closes"),
    ],
)
def test_a_glob_that_cannot_be_meant_is_refused_with_the_reason(pattern: str, reason: str) -> None:
    """The message names what to change."""
    problem = pattern_problem(pattern)
    assert problem is not None
    assert reason in problem
