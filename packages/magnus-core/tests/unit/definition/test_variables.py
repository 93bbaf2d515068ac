from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnus.definition.located import Position
from magnus.definition.source import Document, read_document
from magnus.errors import DefinitionError

ENVIRON = {
    "MAGNUS_VAR_N": "3",
    "MAGNUS_VAR_YES": "true",
    "MAGNUS_VAR_NONE": "null",
    "MAGNUS_VAR_EMPTY": "",
    "MAGNUS_VAR_NAME": "main",
    "MAGNUS_VAR_YAML": "x: 1\ny: [2]",
    "MAGNUS_VAR_LIST": "[1, 2]",
    "MAGNUS_VAR_AGAIN": "${N}",
    "MAGNUS_VAR_HEX": "0x_",
    "MAGNUS_VAR_DAY": "2024-01-02",
    "MAGNUS_VAR_TRAILING": "true\n",
    "MAGNUS_VAR_BYTES": "\udcff",
    "N": "not this one",
    "PLAIN": "not this one",
}


def load(text: str) -> Document:
    """Read *text* with the variables of ENVIRON."""
    return read_document("p.yaml", text=text.encode(), environ=ENVIRON)


REPLACED = [
    ("a: ${N}", {"a": 3}),
    ("a: '${N}'", {"a": "3"}),
    ('a: "${N}"', {"a": "3"}),
    ("a: !!str ${N}", {"a": "3"}),
    ("a: !!int '${N}'", {"a": 3}),
    ("a: |\n  ${N}", {"a": "3"}),
    ("a: n${N}", {"a": "n3"}),
    ("a: 1${N}", {"a": "13"}),
    ("a: ${N}${N}", {"a": "33"}),
    ("a: ${YES}", {"a": True}),
    ("a: ${NONE}", {"a": None}),
    ("a: ${EMPTY}", {"a": ""}),
    ("a: x${EMPTY}y", {"a": "xy"}),
    ("a: ${YAML}", {"a": "x: 1\ny: [2]"}),
    ("a: ${LIST}", {"a": "[1, 2]"}),
    ("a: ${AGAIN}", {"a": "${N}"}),
    ("a: ${HEX}", {"a": "0x_"}),
    ("a: ${DAY}", {"a": "2024-01-02"}),
    ("a: ${TRAILING}", {"a": "true\n"}),
    ("${NAME}: 1", {"main": 1}),
    ("${N}: 1", {"3": 1}),
    ("a_${NAME}_b: 1", {"a_main_b": 1}),
    ("a:\n  - ${N}\n  - ${NAME}/x", {"a": [3, "main/x"]}),
    ("a: &a ${N}\nb: *a", {"a": 3, "b": 3}),
    ("&k ${NAME}: 1\nb: *k", {"main": 1, "b": "main"}),
    ("a: $N $PLAIN ${N:-1} ${} ${1} ${a-b} $ {N} $${N}", {"a": "$N $PLAIN ${N:-1} ${} ${1} ${a-b} $ {N} $3"}),
    ("# ${MISSING}\na: 1", {"a": 1}),
    ("${N}", 3),
]


@pytest.mark.parametrize(("text", "value"), REPLACED)
def test_a_variable_is_replaced_in_the_parsed_scalar(text: str, value: Any) -> None:
    """A whole plain scalar gets the type of the value, anything else stays text."""
    document = load(text)
    assert document.value == value
    assert type(document.value) is not bool
    assert document.unset_variables == ()


@given(st.text().filter(lambda text: "\0" not in text))
def test_a_value_cannot_inject_structure(value: str) -> None:
    """Whatever the environment holds, the document keeps its shape."""
    text = b"a: ${X}\nb: ['${X}', {c: 'x ${X}'}]"
    loaded = read_document("p.yaml", text=text, environ={"MAGNUS_VAR_X": value}).value
    assert set(loaded) == {"a", "b"}
    assert not isinstance(loaded["a"], dict | list)
    assert loaded["b"] == [value, {"c": f"x {value}"}]


def test_the_names_that_were_used_are_told() -> None:
    """Values of credential-like names can be masked; others are not looked at."""
    document = load("a: ${N} ${NAME}\n${YES}: ${MISSING}")
    assert document.used_variables == {"N", "NAME", "YES"}


def test_nothing_is_replaced_without_an_environment() -> None:
    """Parameters files have no variables."""
    document = read_document("p.yaml", text=b"a: ${MISSING}\n${N}: 1")
    assert document.value == {"a": "${MISSING}", "${N}": 1}
    assert document.unset_variables == ()


def test_a_json_file_with_an_environment_has_variables_too() -> None:
    """A pipeline may be written as JSON; strings are quoted, so they stay text."""
    document = read_document("p.json", text=b'{\n\t"a": "${N}", "b": "${X}"}', environ=ENVIRON)
    assert document.value == {"a": "3", "b": "${X}"}
    assert document.unset_variables[0].position == Position(2, 20)


def test_an_unset_variable_is_left_and_told_with_its_place() -> None:
    """The definition decides later whether it may stay."""
    document = load("dag:\n  steps:\n    - command: echo ${HOME} ${N} ${USER} ${HOME}\n")
    holder = document.value["dag"]["steps"][0]
    assert holder == {"command": "echo ${HOME} 3 ${USER} ${HOME}"}
    assert [variable.name for variable in document.unset_variables] == ["HOME", "USER"]
    first = document.unset_variables[0]
    assert first.path == ("dag", "steps", 0, "command")
    assert first.holder is holder
    assert first.key == "command"
    assert first.position == Position(3, 16)


def test_unset_variables_are_mistakes_except_where_kept() -> None:
    """The answer may depend on what stands beside the scalar, in whatever order."""
    document = load(
        "a:\n  command: ${A}\n  command_type: shell\nb:\n  command: ${B}\n  command_type: python\nc: [x, '${C}']"
    )
    problems = document.unset_problems(
        lambda variable: isinstance(variable.holder, dict) and variable.holder.get("command_type") == "shell",
    )
    remedy = "has no value; set the environment variable MAGNUS_VAR_"
    assert [str(problem) for problem in problems] == [
        f"p.yaml:5:12: the variable ${{B}} {remedy}B",
        f"p.yaml:7:8: the variable ${{C}} {remedy}C",
    ]


def test_an_unset_variable_is_told_wherever_the_alias_or_merge_brings_it() -> None:
    """Each holder is judged for itself."""
    document = load("a: &a {t: &t '${X}', u: 1}\nb: {<<: *a, v: 2}\nc: *t\nd: {<<: *a, t: own}")
    paths = [variable.path for variable in document.unset_variables]
    assert sorted(paths) == [("a", "t"), ("b", "t"), ("c",)]
    assert document.value["d"]["t"] == "own"


def test_what_a_merge_repeats_is_one_mistake() -> None:
    """There is one place to change."""
    document = load("a: &a {t: '${X}'}\nb: {<<: *a}\nc: {<<: *a}")
    assert len(document.unset_variables) == 3
    assert len(document.unset_problems(lambda _: False)) == 1


def test_an_unset_variable_may_be_the_whole_document() -> None:
    """Then nothing holds it."""
    (variable,) = load("${X}").unset_variables
    assert (variable.holder, variable.path) == (None, ())


REFUSED = [
    ("${X}: 1", "p.yaml:1:1: the variable ${X} has no value; set the environment variable MAGNUS_VAR_X"),
    ("a: 1\nb:\n  - x${X}y: 2", "p.yaml:3:5: the variable ${X} has no value"),
    ("main: 1\n${NAME}: 2", "p.yaml:2:1: the key 'main' is there twice, first at 1:1"),
    ("a: ${BYTES}", "p.yaml:1:4: the environment variable MAGNUS_VAR_BYTES holds bytes that are not UTF-8"),
    ("${BYTES}: a", "p.yaml:1:1: the environment variable MAGNUS_VAR_BYTES holds bytes that are not UTF-8"),
    ("a: &a '${X}'\n*a : 1", "p.yaml:2:1: the variable ${X} has no value"),
    ("a: !!int '${NAME}'", "p.yaml:1:4: 'main' cannot be read as int"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED)
def test_what_cannot_be_replaced_is_refused_at_once(text: str, message: str) -> None:
    """A name is never the shell's syntax, so there is nothing to wait for."""
    with pytest.raises(DefinitionError) as caught:
        load(text)
    assert str(caught.value).startswith(message)
    assert len(caught.value.problems) == 1
