"""Paths, intrinsic functions and payload templates of the States Language, as far as we render them. Pure."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

_TOKEN = re.compile(
    r"\s*(?:(?P<call>States\.\w+)\(|(?P<text>'(?:\\.|[^'\\])*')|(?P<path>\$\$?(?:\.\w+)*)|(?P<sign>[,)]))"
)
_PATH = re.compile(r"\$\$?(?:\.\w+)*")
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_BACKSLASH_ESCAPES = frozenset("'{}\\")


class ExpressionError(ValueError):
    """An expression is wrong, or cannot be evaluated; the text says why."""


class Path(NamedTuple):
    """A value in the data of a state, or with two signs in the context of the execution."""

    names: tuple[str, ...]
    in_context: bool


class Call(NamedTuple):
    """An intrinsic function with its arguments: paths, calls and texts."""

    function: str
    arguments: tuple[Any, ...]


def parse(text: str) -> Path | Call:
    """Return what *text* means.

    Raises:
        ExpressionError: It is nothing that is interpreted here.
    """
    value, rest = _parse(text, 0, text)
    if text[rest:].strip():
        message = f"{text!r}: nothing may follow {text[:rest]!r}"
        raise ExpressionError(message)
    if isinstance(value, Path | Call):
        return value
    message = f"{text!r} is neither a path nor an intrinsic function"
    raise ExpressionError(message)


def parse_path(text: Any) -> Path:
    """Return the path that *text* is.

    Raises:
        ExpressionError: It is none that is interpreted here.
    """
    if not isinstance(text, str) or not _PATH.fullmatch(text):
        message = f"{text!r} is no path of names, such as $.items.list"
        raise ExpressionError(message)
    dollars, *names = text.split(".")
    return Path(tuple(names), dollars == "$$")


def _parse(text: str, start: int, whole: str) -> tuple[Any, int]:
    found = _TOKEN.match(text, start)
    if found is None or found["sign"]:
        message = f"{whole!r} cannot be read from {text[start : start + 20]!r} on"
        raise ExpressionError(message)
    if found["path"]:
        return parse_path(found["path"]), found.end()
    if found["text"]:
        return _unescaped(found["text"][1:-1]), found.end()
    if found["call"] not in _FUNCTIONS:
        message = f"the function {found['call']} is not interpreted; {', '.join(_FUNCTIONS)} are"
        raise ExpressionError(message)
    arguments = []
    position = found.end()
    while True:
        value, position = _parse(text, position, whole)
        arguments.append(value)
        sign = _TOKEN.match(text, position)
        if sign is None or not sign["sign"]:
            message = f"{whole!r} lacks a comma or a bracket at {text[position : position + 20]!r}"
            raise ExpressionError(message)
        position = sign.end()
        if sign["sign"] == ")":
            return Call(found["call"], tuple(arguments)), position


def _unescaped(text: str) -> str:
    def replace(found: re.Match[str]) -> str:
        if found[1] not in _BACKSLASH_ESCAPES:
            message = f"a backslash before {found[1]!r} is not allowed in '{text}'"
            raise ExpressionError(message)
        # A place of `States.Format` must stay apart from braces that are meant as such.
        return _HIDDEN.get(found[1], found[1])

    return _ESCAPED.sub(replace, text)


_HIDDEN = {"{": "\ue000", "}": "\ue001"}


def evaluate(expression: Any, data: Any, context: Mapping[str, Any]) -> Any:
    """Return the value of what `parse` gave.

    Raises:
        ExpressionError: It has none.
    """
    if isinstance(expression, str):
        return _shown(expression)
    if isinstance(expression, Path):
        return look_up(expression, data, context)
    if expression.function == "States.Format":
        template, *values = expression.arguments
        return _format(template, [evaluate(value, data, context) for value in values])
    arguments = [evaluate(value, data, context) for value in expression.arguments]
    if expression.function == "States.Array":
        return arguments
    try:
        return json.loads(arguments[0])
    except (TypeError, ValueError) as error:
        message = f"States.StringToJson: it is no JSON: {error}"
        raise ExpressionError(message) from error


def _format(template: Any, values: list[Any]) -> str:
    pieces = template.split("{}") if isinstance(template, str) else []
    if len(pieces) != len(values) + 1:
        message = f"States.Format: {template!r} does not have a place for each of {len(values)} values"
        raise ExpressionError(message)
    texts = [value if isinstance(value, str) else json.dumps(value) for value in values]
    return "".join(f"{_shown(piece)}{text}" for piece, text in zip(pieces, [*texts, ""], strict=True))


def _shown(text: str) -> str:
    for sign, hidden in _HIDDEN.items():
        text = text.replace(hidden, sign)
    return text


_FUNCTIONS = ("States.Array", "States.Format", "States.StringToJson")


def look_up(path: Path, data: Any, context: Mapping[str, Any]) -> Any:
    """Return what *path* leads to.

    Raises:
        ExpressionError: There is nothing.
    """
    value: Any = context if path.in_context else data
    for name in path.names:
        if not isinstance(value, dict) or name not in value:
            message = f"there is nothing at {'$$' if path.in_context else '$'}.{'.'.join(path.names)}"
            raise ExpressionError(message)
        value = value[name]
    return value


def fill(template: Any, data: Any, context: Mapping[str, Any]) -> Any:
    """Return a payload template with its expressions evaluated.

    Raises:
        ExpressionError: One of them has no value.
    """
    if isinstance(template, dict):
        return {
            name.removesuffix(".$"): evaluate(parse(value), data, context)
            if name.endswith(".$")
            else fill(value, data, context)
            for name, value in template.items()
        }
    if isinstance(template, list):
        return [fill(each, data, context) for each in template]
    return template


def put(data: Any, path: str | None, value: Any) -> Any:
    """Return *data* with *value* at a `ResultPath`; None keeps the data as they are."""
    if path is None:
        return data
    if path == "$":
        return value
    name = path.removeprefix("$.")
    return {**(data if isinstance(data, dict) else {}), name: value}
