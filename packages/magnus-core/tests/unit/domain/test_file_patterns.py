from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnus.domain.file_patterns import FilePattern
from magnus.domain.patterns import pattern_problem

MATCHES = [
    ("a.csv", "a.csv"),
    ("*.csv", "a.csv"),
    ("?.csv", "é.csv"),
    ("[ab].csv", "b.csv"),
    ("[!ab].csv", "c.csv"),
    ("[a-c]", "b"),
    ("[]]", "]"),
    ("[!]]", "a"),
    ("[^a]", "^"),
    ("[a-]", "-"),
    ("[[]1].csv", "[1].csv"),
    ("a+(b).csv", "a+(b).csv"),
    ("out", "out/deep/x"),
    ("out/", "out/x"),
    ("./out", "out/x"),
    ("runs/*/model", "runs/1/model/weights"),
    ("**", "a"),
    ("**", "a/b/.zattrs"),
    (".", "a/b"),
    ("**/*.csv", "a.csv"),
    ("**/*.csv", "a/b/c.csv"),
    ("a/**", "a/b/c"),
    ("a/**/z", "a/z"),
    ("a/**/z", "a/b/c/z"),
    ("**/**/z", "z"),
    (".*", ".env"),
    (".venv", ".venv/bin/python"),
    ("a/*", "a/.hidden"),
    ("*", "line\nfeed"),
    ("_logs/**", "_logs/step.1.log"),
    ("_logs/*", "_logs/step.1.log"),
    ("_logs", "_logs/step.1.log"),
]
DIFFERENT = [
    ("a.csv", "b.csv"),
    ("a.csv", "a_csv"),
    ("*.csv", "sub/a.csv"),
    ("*", "sub/a"),
    ("?", "ab"),
    ("?", "/"),
    ("[!a]", "/"),
    ("[b-a]", "a"),
    ("out", "outer/x"),
    ("out/*", "out/deep/x"),
    ("out*", "outer/x"),
    ("a/**", "a"),
    ("*", ".env"),
    ("?env", ".env"),
    ("[.]env", ".env"),
    ("**", ".git/config"),
    ("**/*.csv", ".cache/a.csv"),
    ("**/*", ".env"),
    ("A", "a"),
    ("**", "_logs/step.1.log"),
    ("*/*", "_logs/step.1.log"),
    ("**/*.log", "_logs/step.1.log"),
    ("_log?/*", "_logs/step.1.log"),
]


@pytest.mark.parametrize(("pattern", "name"), MATCHES)
def test_the_pattern_means_the_file(pattern: str, name: str) -> None:
    """Whole parts, sets, folders and what is below them."""
    assert pattern_problem(pattern) is None
    assert FilePattern(pattern).matches(name)


@pytest.mark.parametrize(("pattern", "name"), DIFFERENT)
def test_the_pattern_does_not_mean_the_file(pattern: str, name: str) -> None:
    """A wildcard stays within a folder, leaves hidden files at the top alone, and does not reach the logs."""
    assert pattern_problem(pattern) is None
    assert not FilePattern(pattern).matches(name)


@pytest.mark.parametrize(("pattern", "name"), MATCHES)
def test_every_folder_on_the_way_to_a_match_may_be_entered(pattern: str, name: str) -> None:
    """Otherwise a file on disk would be missed that is found in the catalog."""
    compiled = FilePattern(pattern)
    for depth, folder in enumerate(name.split("/")[:-1]):
        assert compiled.may_enter(folder, depth)


@pytest.mark.parametrize(
    ("pattern", "folder"), [("*.csv", "sub"), ("out/*", "other"), ("**", ".git"), ("a/b", "b")]
)
def test_a_folder_without_possible_matches_is_not_entered(pattern: str, folder: str) -> None:
    """A walk is no longer than the pattern needs."""
    assert not FilePattern(pattern).may_enter(folder, 0)


_NAME = st.lists(st.text("ab.-[]*?!^é", min_size=1, max_size=4), min_size=1, max_size=4).map("/".join)


@given(pattern=st.text("ab.*?[]!-^/é", min_size=1, max_size=10), name=_NAME)
def test_whatever_has_no_problem_can_be_matched(pattern: str, name: str) -> None:
    """Every pattern that passes the check compiles, and never enters less than it matches."""
    if pattern_problem(pattern) is None:
        compiled = FilePattern(pattern)
        if compiled.matches(name):
            assert all(compiled.may_enter(folder, depth) for depth, folder in enumerate(name.split("/")[:-1]))


@given(name=st.text(string.ascii_letters + "[*?]-!", min_size=1))
def test_a_name_can_be_written_as_a_pattern(name: str) -> None:
    """A wildcard in brackets is the character itself."""
    pattern = "".join(f"[{character}]" if character in "*?[" else character for character in name)
    assert FilePattern(pattern).matches(name)
