"""Tests of the scopes of names."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnus.domain.file_patterns import FilePattern
from magnus.domain.file_scopes import (
    Place,
    ScopedEntries,
    address,
    attempt_token,
    is_note,
    is_reserved,
    is_staged,
    join_mark,
    readable_name,
    shown,
    split_stored,
    staged_name,
    stored_name,
)
from magnus.domain.names import branch_name, encode_map_value, node_name_problem, step_name
from magnus.errors import ExecutionError


class Content(NamedTuple):
    """An entry, as far as scopes are concerned."""

    data_hash: str


ROOT = Place()
NAMES = st.text(min_size=1, max_size=8).filter(lambda name: node_name_problem(name) is None)
ITEMS = st.one_of(st.text(max_size=100), st.integers(), st.booleans(), st.none(), st.lists(st.text()))
BRANCHES = st.one_of(NAMES, ITEMS.map(encode_map_value))
FILES = st.lists(st.sampled_from(["a", "b", "d", "x.csv"]), min_size=1, max_size=3).map("/".join)


@st.composite
def scopes(draw: st.DrawFn) -> str:
    """Return the internal name of a branch."""
    name = ""
    for node, branch in draw(st.lists(st.tuples(NAMES, BRANCHES), max_size=4)):
        name = branch_name(step_name(name, node), branch)
    return name


SMALL_SCOPES = st.sampled_from(["", "m.a", "m.b", "m.a.n.1", "m.a.n.2", "m.b.n.1", "p.a", "d.dag.m.a"])


def index(files: dict[str, str]) -> ScopedEntries[Content]:
    """Return an index over stored names and their contents."""
    entries: ScopedEntries[Content] = ScopedEntries()
    for name, content in files.items():
        entries.add(name, Content(content))
    return entries


def place(graph: str) -> Place:
    """Return the place of a step in *graph*; branches of nodes called `d` isolate nothing."""
    parts = graph.split(".") if graph else []
    prefixes = [".".join(parts[: count + 2]) for count in range(0, len(parts), 2)]
    return Place(graph, tuple(name for name in prefixes if not name.endswith(".dag")))


def names(entries: ScopedEntries[Content], pattern: str, graph: str = "") -> dict[str, str]:
    """Return the content of each file that a step in *graph* gets by *pattern*."""
    found = entries.find(FilePattern(pattern), place(graph))
    return {name: entry.data_hash for name, entry in found}


def exactly(entries: ScopedEntries[Content], name: str, graph: str = "") -> str | None:
    """Return the content of the file that a step in *graph* calls *name*."""
    entry = entries.find_exactly(name, place(graph))
    return entry and entry.data_hash


@given(scopes(), FILES)
def test_a_stored_name_tells_scope_and_name(scope: str, name: str) -> None:
    """It is reversible, whatever nodes, branches and items are called."""
    assert split_stored(stored_name(scope, name)) == (scope, name)


@given(scopes())
def test_no_part_of_a_stored_name_is_too_long_for_a_file_system(scope: str) -> None:
    """However long the items are."""
    assert all(len(part.encode()) <= 255 for part in stored_name(scope, "x").split("/"))


@given(st.dictionaries(st.tuples(SMALL_SCOPES, FILES), st.sampled_from("12"), max_size=8), st.data())
def test_the_index_depends_only_on_what_it_holds(
    files: dict[tuple[str, str], str], data: st.DataObject
) -> None:
    """Entries that came and went, in whatever order, leave no trace."""
    stored = {stored_name(scope, name): content for (scope, name), content in files.items()}
    changed: ScopedEntries[Content] = ScopedEntries()
    others = data.draw(st.lists(st.tuples(SMALL_SCOPES, FILES), max_size=5))
    gone = {stored_name(scope, name) for scope, name in others} - set(stored)
    for name in data.draw(st.permutations(sorted({*stored, *gone}))):
        changed.add(name, Content("other"))
    for name in [*gone, *gone]:
        changed.remove(name)
    for name, content in stored.items():
        changed.add(name, Content(content))
    for graph in ("", "m.a", "m.a.n.1", "d.dag"):
        for pattern in ("**/x.csv", "*", "m/*/*", "a"):
            assert outcome(changed, pattern, graph) == outcome(index(stored), pattern, graph)


def outcome(entries: ScopedEntries[Content], pattern: str, graph: str) -> object:
    """Return what a step finds, or is told."""
    try:
        return names(entries, pattern, graph)
    except ExecutionError as error:
        return str(error)


@given(st.dictionaries(st.tuples(SMALL_SCOPES, FILES), st.integers(0, 99).map(str), max_size=8))
def test_siblings_are_invisible(files: dict[tuple[str, str], str]) -> None:
    """A step in a branch gets nothing of another branch of the same node, by no pattern."""
    entries = index(
        {stored_name(scope, name): f"{scope}:{content}" for (scope, name), content in files.items()}
    )
    for pattern in ("**/x.csv", "m/*/**", "m", "*"):
        found = outcome(entries, pattern, "m.a.n.1")
        assert not any(f"{sibling}:" in str(found) for sibling in ("m.b", "m.b.n.1", "m.a.n.2"))


@given(st.dictionaries(st.tuples(SMALL_SCOPES, FILES), st.integers(0, 99).map(str), max_size=8))
def test_each_file_is_found_by_the_name_that_people_read(files: dict[tuple[str, str], str]) -> None:
    """After the run, from the outermost graph; a file of the graph itself wins over an address."""
    entries = index({stored_name(scope, name): content for (scope, name), content in files.items()})
    for (scope, name), content in files.items():
        readable = readable_name(stored_name(scope, name))
        assert exactly(entries, readable) == files.get(("", readable), content)


def test_a_step_sees_its_own_branch_then_the_graphs_around() -> None:
    """Nearest first; the graph around sees nothing of a branch by a name of its own."""
    entries = index({"x": "root", "_branches/m/a/x": "a", "_branches/m/a/y": "ay", "z": "rz"})
    assert exactly(entries, "x", "m.a") == "a"
    assert exactly(entries, "x", "m.b") == "root"
    assert exactly(entries, "x", "m.b.n.1") == "root"
    assert names(entries, "*", "m.a") == {"x": "a", "y": "ay", "z": "rz"}
    assert exactly(entries, "y") == "ay"
    assert names(entries, "*") == {"x": "root", "y": "ay", "z": "rz"}


def test_equal_contents_are_found_under_the_plain_name() -> None:
    """It does not matter which branch put them."""
    entries = index({"_branches/m/a/x": "1", "_branches/m/b/x": "1"})
    assert names(entries, "x") == names(entries, "*") == names(entries, "**") == {"x": "1"}
    assert names(entries, "m/*/x") == {"m/a/x": "1", "m/b/x": "1"}


def test_different_contents_are_refused_with_the_list() -> None:
    """By name and by glob; their addresses work, and a pattern that means those too takes them."""
    entries = index({f"_branches/m/{item}/x [1].txt": item for item in "abcdefg"})
    expected = (
        r"'x \[1\].txt' was put with different contents by 7 branches: m/a/x \[1\].txt, .*, m/e/x \[1\].txt and 2 more; "
        r"get one of them, or all by 'm/\*/x \[\[\]1].txt'"
    )
    with pytest.raises(ExecutionError, match=expected):
        entries.find_exactly("x [1].txt", ROOT)
    with pytest.raises(ExecutionError, match=expected):
        names(entries, "*.txt")
    assert exactly(entries, "m/c/x [1].txt") == "c"
    assert names(entries, "m/*/x [[]1].txt") == names(entries, "**") == names(entries, "m")
    assert len(names(entries, "**")) == 7


def test_objects_are_called_by_their_names_in_messages() -> None:
    """Not by the files that hold them."""
    entries = index({f"_branches/m/{item}/_objects/a%2Fb.object": item for item in "ab"})
    with pytest.raises(ExecutionError, match=r"^'a/b' was put .*: m/a/a/b, m/b/a/b; get one of them$"):
        entries.find_exactly("_objects/a%2Fb.object", ROOT)
    assert shown("x.object") == "x.object"


def test_the_graph_of_a_dag_node_shares_names_and_has_addresses_of_its_own() -> None:
    """A pipeline that is included finds its own branches as it does alone; the graph around adds its node."""
    entries = index({"x": "1", stored_name("d.dag.m.a", "y"): "2", stored_name("d.dag.m.b", "y"): "3"})
    assert exactly(entries, "x", "d.dag") == "1"
    assert names(entries, "m/*/y", "d.dag") == {"m/a/y": "2", "m/b/y": "3"}
    assert names(entries, "d/dag/m/*/y") == {"d/dag/m/a/y": "2", "d/dag/m/b/y": "3"}
    assert exactly(entries, "y", "d.dag.m.a") == "2"


def test_a_branch_ends_with_what_its_own_graph_put_last() -> None:
    """A step that joins the results of an inner map under the same name is what the outermost graph gets."""
    entries = index(
        {
            stored_name("m.a.n.1", "x"): "1",
            stored_name("m.a.n.2", "x"): "2",
            stored_name("m.a", "x"): "joined",
        }
    )
    assert exactly(entries, "x") == "joined"
    assert exactly(entries, "x", "m.a") == "joined"
    assert exactly(entries, "m/a/n/1/x") == "1"


def test_a_file_that_branches_put_later_is_no_longer_hidden() -> None:
    """A join marks it, until the graph puts it anew."""
    entries = index({"x": "old", stored_name("m.a", "x"): "new", "y": "1", stored_name("n.a", "x"): "n"})
    assert exactly(entries, "x") == "old"
    marks = entries.collisions("m", "")
    assert marks == {join_mark("m", "x"): Content("old")}
    for name, entry in marks.items():
        entries.add(name, entry)
    assert exactly(entries, "x") == "new"
    assert names(entries, "*") == {"x": "new", "y": "1"}
    assert exactly(entries, "x", "m.a.k.1") == "new"
    entries.add("x", Content("newest"))
    assert exactly(entries, "x") == "newest"
    assert entries.marks_of("x") == entries.marks_by(["m", "n"]) == list(marks)
    assert entries.marks_by(["n"]) == []
    entries.remove(join_mark("m", "x"))
    assert entries.marks_of("x") == entries.marks_by(["m"]) == []


def test_what_branches_left_in_an_earlier_run_is_known() -> None:
    """Those that there are no more; nested ones belong to theirs."""
    stored = [stored_name(scope, "x") for scope in ("m.a", "m.a.n.1", "m.b", "m.b.n.1", "n.c")]
    entries = index(dict.fromkeys(stored, "1"))
    assert sorted(entries.left_over("m", ["m.a"])) == sorted([stored[2], stored[3]])


def test_staged_files_are_no_ones() -> None:
    """They are found by the attempt's own token only."""
    token = attempt_token("m.a.step", 1)
    entries = index({staged_name(f"{token}.1", "x"): "1", staged_name(f"{token}0.1", "y"): "2"})
    assert names(entries, "**") == {}
    assert entries.staged(f"{token}.1") == {"x": Content("1")}
    assert entries.staged_by(token) == [staged_name(f"{token}.1", "x")]
    assert all(is_note(name) and is_staged(name) for name in entries.all_staged())


def test_items_that_are_written_alike_are_told_so() -> None:
    """Nothing is chosen by chance."""
    entries = index({stored_name("m.1", "x"): "text", stored_name("m.%=1", "x"): "number"})
    for pattern in ("m/1/x", "m/*/x"):
        with pytest.raises(ExecutionError, match="written alike"):
            entries.find(FilePattern(pattern), ROOT)
    with pytest.raises(ExecutionError, match="written alike"):
        entries.find_exactly("m/1/x", ROOT)


def test_addresses_are_written_as_people_would() -> None:
    """Text as it is, other values as JSON, what a path cannot hold encoded."""
    assert address("each.north") == "each/north"
    assert address("a/b.%=1.n.%=true") == "a%2fb/1/n/true"
    assert address(f"m.{encode_map_value('a/b')}") == "m/a%2Fb"


@pytest.mark.parametrize("name", ["_branches", "_branches/x", "_magnus", "_magnus/x"])
def test_reserved_names(name: str) -> None:
    """No step may put them."""
    assert is_reserved(name)
    assert not is_reserved(f"x/{name}")
