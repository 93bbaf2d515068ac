"""The words in which messages speak of values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

KINDS = {
    "null": "nothing (null)",
    "boolean": "true or false",
    "integer": "a whole number",
    "number": "a number",
    "string": "text",
    "array": "a list",
    "object": "a mapping",
}
"""JSON Schema's types, as people say them."""

_SHOWN_LENGTH = 40


def kind_of(value: Any) -> str:
    """Return JSON Schema's narrowest type for *value*; the name of its class where JSON has none."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    for types, kind in _KINDS_BY_CLASS:
        if isinstance(value, types):
            return kind
    return type(value).__name__


_KINDS_BY_CLASS: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (str, "string"),
    (int, "integer"),
    (float, "number"),
    (dict, "object"),
    ((list, tuple), "array"),
)


def found(value: Any) -> str:
    """Say what *value* is; short scalars are shown."""
    kind = kind_of(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    words = KINDS.get(kind, f"a Python {kind}")
    is_long = isinstance(value, int) and value.bit_length() > _SHOWN_LENGTH * 4
    if kind not in {"string", "integer", "number"} or is_long:
        # Python refuses to write very large numbers at all.
        return words
    shown = repr(value)
    return words if len(shown) > _SHOWN_LENGTH else f"{words} ({shown})"


def one_of(names: Iterable[str], most: int = 24) -> str:
    """List *names* for a message."""
    listed = list(names)
    return ", ".join(listed[:most]) + (", ..." if len(listed) > most else "")


def hint(name: str, names: Iterable[str]) -> str:
    """Return a sentence with the nearest of *names*, or nothing if none is near; to be put behind a message."""
    from difflib import get_close_matches

    close = get_close_matches(name, list(names), n=1)
    return f". Did you mean '{close[0]}'?" if close else ""
