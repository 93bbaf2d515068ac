from __future__ import annotations

import re
from typing import Any

import pytest

from magnus_executor_stepfunctions.evaluation import ExpressionError, evaluate, fill, parse, put

DATA = {"a": {"b": [1, {"c": 2}]}, "text": "{}", "list": '["x"]'}
CONTEXT = {"Execution": {"Name": "r"}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$", DATA),
        ("$.a.b", [1, {"c": 2}]),
        ("$$.Execution.Name", "r"),
        ("States.Array('x')", ["x"]),
        ("States.Array( 'x' , $.text,$$.Execution.Name )", ["x", "{}", "r"]),
        (r"States.Array('it\'s \{\} \\ {}')", ["it's {} \\ {}"]),
        (r"States.Format('a{}\{\}{}', $.text, 'b')", "a{}{}b"),
        ("States.Format('{}', $.a)", '{"b": [1, {"c": 2}]}'),
        ("States.StringToJson($.list)", ["x"]),
        ("States.Array(States.Format('{}/{}', $.text, 'x'))", ["{}/x"]),
    ],
)
def test_an_expression_has_a_value(text: str, value: Any) -> None:
    """As the language has it; braces that are escaped are no places."""
    assert evaluate(parse(text), DATA, CONTEXT) == value


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a", "cannot be read"),
        ("'a'", "neither a path nor an intrinsic function"),
        ("$.a[0]", "nothing may follow"),
        ("$..a", "nothing may follow"),
        ("States.UUID()", "States.UUID is not interpreted; States.Array"),
        ("States.Array('a'", "lacks a comma or a bracket"),
        ("States.Array('a' 'b')", "lacks a comma or a bracket"),
        ("States.Array(, 'b')", "cannot be read"),
        ("States.Array(1)", "cannot be read"),
        (r"States.Array('\n')", "a backslash before 'n' is not allowed"),
        ("$.a extra", "nothing may follow"),
    ],
)
def test_what_is_not_rendered_is_refused(text: str, told: str) -> None:
    """When the file is read."""
    with pytest.raises(ExpressionError, match=re.escape(told)):
        parse(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("$.b", "there is nothing at $.b"),
        ("$.text.x", "there is nothing at $.text.x"),
        ("$$.Map", "there is nothing at $$.Map"),
        ("States.Format('{}', $.a, 'b')", "does not have a place for each of 2 values"),
        ("States.StringToJson($.text.x)", "there is nothing"),
        ("States.StringToJson('x')", "it is no JSON"),
        ("States.StringToJson($.a)", "it is no JSON"),
    ],
)
def test_an_expression_without_a_value_says_why(text: str, told: str) -> None:
    """When it is evaluated."""
    with pytest.raises(ExpressionError, match=re.escape(told)):
        evaluate(parse(text), DATA, CONTEXT)


def test_a_template_is_filled_at_any_depth() -> None:
    """Names with a sign at their end lose it; everything else stays."""
    template = {"a.$": "$.text", "b": [{"c.$": "$$.Execution.Name"}, "$.text"], "d": None}
    assert fill(template, DATA, CONTEXT) == {"a": "{}", "b": [{"c": "r"}, "$.text"], "d": None}


def test_a_result_is_put_where_its_path_says() -> None:
    """Nowhere, in place of everything, or under a name."""
    assert put({"a": 1}, None, 2) == {"a": 1}
    assert put({"a": 1}, "$", 2) == 2
    assert put({"a": 1}, "$.b", 2) == {"a": 1, "b": 2}
