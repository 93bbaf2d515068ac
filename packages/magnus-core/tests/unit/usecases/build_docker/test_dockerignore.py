from __future__ import annotations

import pytest

from magnus.usecases.build_docker.dockerignore import DockerIgnore


@pytest.mark.parametrize(
    ("lines", "left_out", "taken"),
    [
        ("", [], ["a", "a/b"]),
        ("# a\n\n  \n", [], ["a", "# a"]),
        ("a", ["a", "a/b/c"], ["b/a", "ab", "a.txt"]),
        ("/a/", ["a", "a/b"], ["b/a"]),
        ("./a/../b", ["b"], ["a"]),
        ("*.log", ["x.log", ".log"], ["logs/x.log", "x.log2"]),
        ("*/*.log", ["logs/x.log", "a/x.log/y"], ["x.log", "a/b/x.log"]),
        ("**/*.log", ["x.log", "a/b/x.log"], ["a/log"]),
        ("a/**", ["a/b", "a/b/c"], ["a", "ab"]),
        ("a/**/z", ["a/z", "a/b/c/z"], ["a/bz"]),
        ("x?", ["xy"], ["x", "x/", "xyz"]),
        ("[a-c]1", ["a1", "c1"], ["d1", "[a-c]1"]),
        ("[^a]1", ["b1"], ["a1", "/1"]),
        (r"\*", ["*"], ["a"]),
        ("a.b+c", ["a.b+c"], ["axbbc"]),
        ("[a", ["[a"], ["a"]),
        ("[z-a]", ["[z-a]"], ["b"]),
        ("*\n!keep", ["a", "a/keep"], ["keep", "keep/b"]),
        ("data\n!data/keep", ["data/x"], ["data/keep"]),
        ("!a\na", ["a"], []),
        (".", [], ["a"]),
        ("  spaces  ", ["spaces"], ["  spaces  "]),
    ],
)
def test_paths_are_left_out_by_the_rules_of_docker(lines: str, left_out: list[str], taken: list[str]) -> None:
    """The last rule that fits decides; a pattern begins at the top, unlike those of git."""
    ignore = DockerIgnore(lines.splitlines())
    assert [path for path in (*left_out, *taken) if ignore.excludes(path)] == left_out


def test_a_folder_with_exceptions_inside_is_looked_into() -> None:
    """Without any, a folder with a million files costs nothing."""
    assert DockerIgnore(["data"]).excludes_all_below("data")
    assert not DockerIgnore(["data", "!data/keep"]).excludes_all_below("data")
