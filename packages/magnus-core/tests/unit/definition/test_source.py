from __future__ import annotations

import copy
import json
import pickle
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from magnus.definition import yaml_tree
from magnus.definition.located import LocatedDict, LocatedList, Position
from magnus.definition.source import read_document
from magnus.errors import ConfigurationError, DefinitionError

if TYPE_CHECKING:
    from pathlib import Path

LOADERS = [pytest.param(yaml.SafeLoader, id="python")]
if hasattr(yaml, "CSafeLoader"):
    LOADERS.append(pytest.param(yaml.CSafeLoader, id="libyaml"))


@pytest.fixture(params=LOADERS)
def parser(request: pytest.FixtureRequest) -> Any:
    """Either parser of PyYAML."""
    return request.param


def read(text: str | bytes, name: str = "p.yaml") -> Any:
    """Read *text* as if it were the file *name*."""
    return read_document(name, text=text.encode() if isinstance(text, str) else text)


def refused(text: str | bytes, name: str = "p.yaml") -> list[str]:
    """Return the lines of the error that *text* gives."""
    with pytest.raises(DefinitionError) as caught:
        read(text, name)
    return str(caught.value).splitlines()


DOCUMENTS = [
    "a: 1\nb: [x, 2.5, null, ~, true, off, 0o7, 017, 0x1F, 1_000, 1:30, 1e3, 1.0e+3, .inf]",
    "a:\n- b\n- c: d\n  e: |\n    text\n    more\n- >-\n  folded\n  text",
    "base: &b {x: 1, y: 2}\nuse:\n  <<: *b\n  y: 3\n  z: 4",
    "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {q: 0, <<: [*a, *b], x: 9}",
    "a: &a {x: 1}\nb: {<<: {k: v, <<: *a}, j: 1}",
    "l: &l [1, 2]\nm: [*l, *l]",
    "k: &k key\nm: {*k : 1}",
    "a: !!str 3\nb: !!int '3'\nc: !!float 3\nd: !!map {}\ne: !!seq []\nf: ! 7\ng: !!bool yes\nh: !!null ''",
    "? a\n: b\n? c",
    "just text",
    "- - - a",
    "'é': \"\\u00e9\\n\"\nü: 日本",
    "%YAML 1.1\n---\na: 1\n...\n",
]


@pytest.mark.parametrize("text", DOCUMENTS)
def test_values_and_order_are_those_of_safe_load(text: str, parser: Any) -> None:
    """What both accept, both read alike, order of keys included."""
    tree = yaml_tree.build_tree(text, None, parser)
    assert tree.mistakes == []
    assert json.dumps(tree.value) == json.dumps(yaml.safe_load(text))


# Without Unicode's own line breaks: PyYAML writes some texts that begin with them so that they read differently.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x85\u2028\u2029"))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=20)


@given(VALUES, st.booleans())
def test_dumped_values_are_read_back(value: Any, flow: bool) -> None:  # noqa: FBT001 - drawn by hypothesis
    """Any JSON value that PyYAML writes is the same after reading."""
    text = yaml.safe_dump(value, default_flow_style=flow, allow_unicode=True)
    assert read(text).value == value


@given(VALUES)
def test_json_is_read_exactly(value: Any) -> None:
    """A .json file gives what the json module gives."""
    assert read(json.dumps(value), "p.json").value == value


def test_json_numbers_keep_their_json_meaning() -> None:
    """YAML 1.1 reads 1e5 as text and 010 as eight; JSON does not."""
    assert read('{"a": 1e5}', "P.JSON").value == {"a": 100000.0}
    assert read("a: 1e5").value == {"a": "1e5"}


@pytest.mark.parametrize("text", ["2024-01-02", "2024-01-02 03:04:05", "2024-01-02T03:04:05.678Z"])
def test_a_timestamp_stays_text(text: str) -> None:
    """JSON has no dates."""
    assert read(f"when: {text}").value == {"when": text}
    assert read(f"{text}: x").value == {text: "x"}


def test_containers_know_all_their_positions(parser: Any) -> None:
    """Own position, that of each key and of each value, from 1."""
    value = yaml_tree.build_tree("# note\na:\n  - b\n  -   {c: 'd', é: f}\n", None, parser).value
    items = value["a"]
    inner = items[1]
    assert isinstance(value, LocatedDict)
    assert isinstance(items, LocatedList)
    assert value.position == Position(2, 1)
    assert (value.key_position("a"), value.position_of("a")) == (Position(2, 1), Position(3, 3))
    assert [items.position_of(index) for index in range(2)] == [Position(3, 5), Position(4, 7)]
    assert (inner.key_position("c"), inner.position_of("c")) == (Position(4, 8), Position(4, 11))
    assert (inner.key_position("é"), inner.position_of("é")) == (Position(4, 16), Position(4, 19))


def test_what_is_absent_is_where_its_container_is() -> None:
    """A message about a missing key points at the mapping that lacks it."""
    value = read("a:\n  b: [1]").value
    assert value["a"].position_of("x") == value["a"].key_position("x") == Position(2, 3)
    assert value["a"]["b"].position_of(9) == Position(2, 6)
    assert LocatedDict().position_of("x") == Position(1, 1)
    assert LocatedList().position == Position(1, 1)


def test_positions_are_found_in_a_mapping_of_many_keys() -> None:
    """Beyond a few keys an index is used; it tells the same."""
    value = read("".join(f"k{n}: {n}\n" for n in range(1000))).value
    assert [value.position_of(f"k{n}").line for n in range(1000)] == list(range(1, 1001))


def test_a_merged_key_stands_where_it_is_written() -> None:
    """A message about it leads to the text to change."""
    value = read("a: &a\n  x: 1\nb:\n  <<: *a\n  y: 2").value
    assert value["b"].key_position("x") == Position(2, 3)
    assert value["b"].position_of("y") == Position(5, 6)


def test_an_alias_is_the_same_object() -> None:
    """Nothing is copied, so the memory is that of the file."""
    value = read("a: &a {x: 1}\nb: *a").value
    assert value["a"] is value["b"]
    assert value.position_of("b") == Position(2, 4)


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])  # noqa: S301 - own data
def test_positions_survive_copying_and_pickling(clone: Any) -> None:
    """Definitions travel to worker processes."""
    value = clone(read("a:\n  - x: 1").value)
    assert value == {"a": [{"x": 1}]}
    assert value["a"][0].position_of("x") == Position(2, 8)


def test_a_document_renders_places_with_the_path_as_given() -> None:
    """Paths are not made absolute, and `./` stays."""
    document = read("a:\n  b: 1", "./dags/p.yaml")
    assert document.place() == "./dags/p.yaml:1:1"
    assert document.place(document.value["a"].position_of("b")) == "./dags/p.yaml:2:6"
    assert str(document.problem("wrong", Position(2, 6))) == "./dags/p.yaml:2:6: wrong"


BROKEN: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "p.yaml:1:1: the file is empty"),
    "comments only": ("# nothing\n\n", "p.yaml:1:1: the file is empty"),
    "duplicate": ("a: 1\nb: 2\na: 3", "p.yaml:3:1: the key 'a' is there twice, first at 1:1"),
    "duplicate in flow": ("x: {a: 1, 'a': 2}", "p.yaml:1:11: the key 'a' is there twice, first at 1:5"),
    "second merge": ("a: &a {x: 1}\nb:\n  <<: *a\n  <<: *a", "p.yaml:4:3: a second `<<`"),
    "merge of text": ("a:\n  <<: x", "p.yaml:2:7: `<<` takes a mapping"),
    "merge of texts": ("a:\n  <<: [x]", "p.yaml:2:7: `<<` takes a mapping"),
    "unknown tag": ("a: !secret x", "p.yaml:1:4: the tag '!secret' is not one of those"),
    "python tag": (
        "!!python/object/apply:os.system [id]",
        "p.yaml:1:1: the tag '!!python/object/apply:os.system'",
    ),
    "binary tag": ("a: !!binary aGk=", "p.yaml:1:4: the tag '!!binary'"),
    "set tag": ("a: !!set {x}", "p.yaml:1:4: the tag '!!set'"),
    "map tag on text": ("a: !!map x", "p.yaml:1:4: the tag '!!map'"),
    "map tag on list": ("a: !!map [x]", "p.yaml:1:4: the tag '!!map'"),
    "no int": ("a: !!int x", "p.yaml:1:4: 'x' cannot be read as int"),
    "empty int": ("a: !!int ''", "p.yaml:1:4: '' cannot be read as int"),
    "no bool": ("a: !!bool x", "p.yaml:1:4: 'x' cannot be read as bool"),
    "no hexadecimal": ("a: 0x_", "p.yaml:1:4: '0x_' cannot be read as int"),
    "too many digits": ("a: " + "9" * 5000, "p.yaml:1:4: '" + "9" * 80 + "...' cannot be read as int"),
    "int key": ("1: x", "p.yaml:1:1: the name '1' is read as a number; put it in quotes: \"1\""),
    "bool key": (
        "a:\n  on: x",
        "p.yaml:2:3: the name 'on' is read as true or false; put it in quotes: \"on\"",
    ),
    "null key": ("~: x", "p.yaml:1:1: the name '~' is read as nothing (null)"),
    "missing key": ("{? : x}", "p.yaml:1:"),
    "colon only": (": x", "p.yaml:1:1: this does not fit"),
    "variable in braces": ("a: {b: ${X}}", "p.yaml:1:9: inside brackets `${...}` has to be in quotes"),
    "variable in brackets": ("a: [${X}]", "p.yaml:1:6: inside brackets `${...}` has to be in quotes"),
    "list as key": ("[a]: x", "p.yaml:1:1: a list stands where a name"),
    "braces as value": ("a: {{ x }}", "p.yaml:1:5: a mapping stands where a name"),
    "alias of a list as key": ("a: &a [1]\n*a : x", "p.yaml:2:1: *a is a list"),
    "unknown alias": (
        "a: *csv",
        "p.yaml:1:4: nothing above is marked &csv; if *csv is text, put it in quotes",
    ),
    "unknown alias as key": ("*x : 1", "p.yaml:1:1: nothing above is marked &x"),
    "alias of itself": ("a: &a\n  - *a", "p.yaml:2:5: *a stands inside what it refers to"),
    "two documents": ("a: 1\n---\nb: 2", "p.yaml:2:1: a second document begins here"),
    "tab": ("a:\n\t- b", "p.yaml:2:1: a tab stands where YAML allows only spaces"),
    "colon in value": (
        "a: b: c",
        "p.yaml:1:5: a `:` is not expected here; put a value that holds a colon in quotes",
    ),
    "pattern": ("get: [*.csv]", "p.yaml:1:7: a `*` at the beginning is an alias; put a pattern in quotes"),
    "anchor": ("a: &", "p.yaml:1:4: an `&` at the beginning is an anchor"),
    "open quote": ("a: 'x\nb: 1", "p.yaml:1:4: the quote that opens here is never closed"),
    "open list": ("a: [1, 2\nb: 1", "p.yaml:1:4: the list that `[` opens here"),
    "open mapping": ("a: {b: c", "p.yaml:1:4: the mapping that `{` opens here"),
    "no colon": ("a: b\nc", "p.yaml:2:1: this line has no `:` after the name"),
    "indentation": ("a:\n  b: 1\n c: 2", "p.yaml:3:2: this does not fit into the mapping around it"),
    "list and mapping": ("- a\nb: c", "p.yaml:2:1: this does not fit into the list around it"),
    "at sign": ("a: @x", "p.yaml:1:4: a value cannot begin with '@'; put it in quotes"),
    "closing brace": ("a: }", "p.yaml:1:4: a value is expected here, not '}'"),
    "escape": ('a: "\\q"', "p.yaml:1:"),
    "tag handle": ("a: !e!b c", "p.yaml:1:4: a `!` at the beginning is a tag"),
    "open tag": ("a: !<x", "p.yaml:1:4: a `!` at the beginning is a tag"),
    "block header": ("a: |x\n b", "p.yaml:1:4: after `|` or `>` the text begins"),
    "version": ("%YAML 3.0\n---\na", "p.yaml:1:1: not valid YAML: found incompatible YAML document"),
    "half a surrogate pair": ('a: "\\ud800"', "p.yaml:1:"),
    "control character": ("a: 1\nb: x\x07y", "p.yaml:2:5: the control character '\\x07' is not allowed"),
    "zero byte": ("é: x\nb: \0", "p.yaml:2:4: a zero byte at offset 9"),
    "no UTF-8": (b"a: 1\nb: caf\xe9", "p.yaml:2:7: byte 0xe9 at offset 11 is not UTF-8"),
    "no UTF-8 after a mark": (b"\xef\xbb\xbfa: \xff", "p.yaml:1:4: byte 0xff at offset 6 is not UTF-8"),
    "half of UTF-16": ("ab: 1\n".encode("utf-16") + b"x", "p.yaml:2:1: byte 0x78 at offset 14 is not UTF-16"),
    "archive": (b"PK\x03\x04\x00\x00", "p.yaml:1:5: a zero byte at offset 4"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_document_is_refused_with_place_and_remedy(
    name: str, parser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line, and the same from both parsers."""
    text, message = BROKEN[name]
    monkeypatch.setattr(yaml_tree, "BASE_LOADER", parser)
    lines = refused(text)
    assert len(lines) == 1
    assert lines[0].startswith(message)


def test_all_mistakes_are_reported_in_the_order_of_the_file() -> None:
    """A syntax error hides only what follows it."""
    lines = refused("a: 1\na: 2\n3: x\nb: !x y\nc: *d\ne: [1")
    assert [line.split(": ")[0] for line in lines] == [
        "p.yaml:2:1",
        "p.yaml:3:1",
        "p.yaml:4:4",
        "p.yaml:5:4",
        "p.yaml:6:4",
    ]


BROKEN_JSON: dict[str, tuple[str, str]] = {
    "empty": (" \n", "p.json:1:1: the file is empty"),
    "syntax": ('{"a": 1,\n "b" 2}', "p.json:2:6: not valid JSON"),
    "duplicate": ('{"a": 1,\n "a": 2}', "p.json:2:2: the key 'a' is there twice, first at 1:2"),
    "nan": ('{"a":\n NaN}', "p.json:2:2: NaN is not a JSON value"),
    "depth": ("[" * 100_000, "p.json:1:1: lists and mappings are nested too deeply"),
    "digits": ("9" * 5000, "p.json:1:1: a number cannot be read"),
    "surrogate": ('"\\ud800"', "p.json:1:1: a \\u escape stands for half"),
    "yaml": ("a: 1", "p.json:1:1: not valid JSON"),
}


@pytest.mark.parametrize("name", BROKEN_JSON)
def test_broken_json_is_refused_with_its_place(name: str) -> None:
    """JSON files get the same kind of message."""
    text, message = BROKEN_JSON[name]
    lines = refused(text, "p.json")
    assert len(lines) == 1
    assert lines[0].startswith(message)


def test_byte_order_marks_are_taken_off() -> None:
    """Editors on Windows write them."""
    assert read(b"\xef\xbb\xbfa: 1").value == {"a": 1}
    assert read("a: é".encode("utf-16")).value == {"a": "é"}
    assert read(b'\xef\xbb\xbf{"a": 1}', "p.json").value == {"a": 1}


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    """Each with its reason, in the class that the caller asked for."""
    (tmp_path / "loop").symlink_to("loop")
    reasons = {
        tmp_path / "none.yaml": "no such file",
        tmp_path: "this is a folder",
        tmp_path / "loop": "the file cannot be read (Too many levels of symbolic links)",
        tmp_path / "a\0b": "no file can have this name",
    }
    for path, reason in reasons.items():
        with pytest.raises(ConfigurationError) as caught:
            read_document(path, error=ConfigurationError)
        assert reason in str(caught.value)


def test_a_file_is_read_from_disk(tmp_path: Path) -> None:
    """The bytes are the file's where none are given."""
    path = tmp_path / "p.yaml"
    path.write_text("a: 1", encoding="utf-8")
    document = read_document(path)
    assert (document.path, document.value) == (str(path), {"a": 1})


@pytest.mark.parametrize("text", ["- " * 50_000 + "x", "[" * 4000 + "]" * 4000])
def test_depth_does_not_matter(text: str) -> None:
    """Reading is a loop, not a recursion; flow style is shorter as libyaml takes quadratic time for it."""
    value = read(text).value
    depth = 0
    while isinstance(value, list) and value:
        value = value[0]
        depth += 1
    assert depth >= 3999


def test_an_alias_bomb_is_refused_before_it_is_built() -> None:
    """Nine lines that stand for a billion values."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    (line,) = refused("\n".join(lines))
    assert "the aliases up to here stand for more than 1,000,000 values" in line


def test_an_alias_bomb_of_long_text_is_refused() -> None:
    """Text counts by its length."""
    assert "stand for more than" in refused("a: &a " + "x" * 640_000 + "\nb: [" + "*a, " * 101 + "]")[0]


def test_common_use_of_aliases_is_far_from_the_limit() -> None:
    """Ten thousand steps may share their settings."""
    steps = "".join(f"s{n}: {{<<: *common, command: c{n}}}\n" for n in range(10_000))
    value = read("common: &common {type: task, retry: 3, resources: {cpu: 1}}\n" + steps).value
    assert value["s9999"] == {"type": "task", "retry": 3, "resources": {"cpu": 1}, "command": "c9999"}


def test_ten_thousand_steps_stay_small() -> None:
    """A chain of 10,000 steps leaves most of the 80 MiB of a run to others."""
    text = "".join(
        f"s{n}:\n  type: task\n  command: m.f{n}\n  retry: 3\n  next: s{n + 1}\n" for n in range(10_000)
    )
    data = text.encode()
    read("a: 1")
    tracemalloc.start()
    try:
        value = read(data).value
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(value) == 10_000
    assert peak < 20 * 2**20


ODD_BYTES = (
    st.binary()
    | st.text().map(str.encode)
    | st.text(alphabet="a:-[]{},&*!|>'\"%#?<~01. \n\t\\x$").map(str.encode)
)


@given(ODD_BYTES, st.sampled_from(["p.yaml", "p.json"]), st.none() | st.just({"MAGNUS_VAR_a": "1"}))
@example(b"&a [*a, <<: *a]", "p.yaml", None)
@example(b"{<<: &a {<<: *a}}", "p.yaml", None)
@example(b"? &a [1]\n: *a", "p.yaml", None)
@example(b"a: &a {? *a : 1}", "p.yaml", None)
@example(b"[${a}]: ${a}", "p.yaml", {"MAGNUS_VAR_a": "1"})
def test_any_bytes_load_or_are_refused(data: bytes, name: str, environ: dict[str, str] | None) -> None:
    """Nothing but a value or a DefinitionError with a path comes out."""
    try:
        problems = [read_document(name, text=data, environ=environ).problem("none")]
    except DefinitionError as exc:
        problems = list(exc.problems)
    assert problems
    assert all(str(problem).startswith(f"{name}:") for problem in problems)


FRAGMENTS = st.sampled_from(
    [
        "a: ",
        "b: ",
        "- ",
        "\n",
        "  ",
        "[",
        "]",
        "{",
        "}",
        ", ",
        "&x ",
        "*x",
        "<<: ",
        "!!int ",
        "!!map ",
        "? ",
        "1",
        "${a}",
        "'",
        '"',
    ],
)


@given(st.lists(FRAGMENTS, max_size=30).map("".join))
def test_any_text_of_yaml_fragments_loads_or_is_refused_by_both_parsers(text: str) -> None:
    """Odd nestings of anchors, merges and tags come to an end, and without mistakes to the same value."""
    trees = [yaml_tree.build_tree(text, None, parameter.values[0]) for parameter in LOADERS]
    values = [json.dumps(tree.value) for tree in trees if not tree.mistakes]
    assert len(set(values)) <= 1
