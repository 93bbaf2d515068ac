"""Writes YAML that reads the same with every parser: text is plain only where nothing else could be meant."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator

_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./-]+")
_WORDS = frozenset({"yes", "no", "on", "off", "true", "false", "null", "inf", "nan"})
_ASCII = re.compile(r"[ -~]*")


class Commented(dict[str, Any]):
    """A mapping with a line of comment above it."""

    def __init__(self, comment: str, items: dict[str, Any]) -> None:
        """Say *comment*, which is brought into one line, above *items*."""
        super().__init__(items)
        self.comment = " ".join("".join(c if c.isprintable() else " " for c in comment).split())


class OneLine(dict[str, Any]):
    """A mapping of scalars that is written in one line."""


def yaml_text(header: list[str], document: dict[str, Any]) -> str:
    """Return *document* as YAML below *header*, lines of comment."""
    comments = [f"# {' '.join(line.split())}".rstrip() for line in header]
    return "\n".join([*comments, *_mapping(document, "")]) + "\n"


def _mapping(items: dict[str, Any], indent: str) -> Iterator[str]:
    for key, value in items.items():
        yield from _entry(f"{indent}{scalar(key)}:", value, indent)


def _entry(lead: str, value: Any, indent: str) -> Iterator[str]:
    """Yield *value* behind, or below, *lead*, which is indented as *indent*."""
    if isinstance(value, OneLine) or not isinstance(value, dict | list) or not value:
        yield f"{lead} {_inline(value)}"
    elif isinstance(value, dict):
        yield lead
        yield from _mapping(value, f"{indent}  ")
    elif not any(isinstance(each, dict) for each in value):
        yield f"{lead} {_inline(value)}"
    else:
        yield lead
        for each in value:
            yield from _item(each, f"{indent}  ")


def _item(value: dict[str, Any], indent: str) -> Iterator[str]:
    """Yield a mapping as an item of a list."""
    if isinstance(value, Commented):
        yield f"{indent}# {value.comment}"
    if isinstance(value, OneLine):
        yield f"{indent}- {_inline(value)}"
        return
    first, *others = _mapping(value, f"{indent}  ")
    yield f"{indent}- {first.lstrip()}"
    yield from others


def _inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{scalar(key)}: {_inline(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return scalar(value)


def scalar(value: Any) -> str:
    """Return a number, a truth or a text."""
    if not isinstance(value, str):
        return json.dumps(value)
    if _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return str(value)
    if _ASCII.fullmatch(value):
        return json.dumps(value)
    written: str = yaml.dump(str(value), default_style='"', allow_unicode=True, width=float("inf"))
    return written.rstrip("\n")
