"""What a `.dockerignore` leaves out, by the rules of Docker: they are not those of git."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class _Rule(NamedTuple):
    excludes: bool
    pattern: re.Pattern[str]


class DockerIgnore:
    """The rules of one file; the last one that fits a path decides."""

    def __init__(self, lines: Iterable[str]) -> None:
        """Compile the rules; a pattern that cannot be read as one fits its own text only."""
        self._rules = [rule for line in lines if (rule := _rule(line)) is not None]
        self._has_exceptions = any(not rule.excludes for rule in self._rules)

    def excludes(self, path: str) -> bool:
        """Whether *path* is left out; it is relative, and a rule for a folder holds for all that is below."""
        excluded = False
        for rule in self._rules:
            if rule.excludes != excluded and rule.pattern.match(path):
                excluded = rule.excludes
        return excluded

    def excludes_all_below(self, folder: str) -> bool:
        """Whether *folder* need not be looked into."""
        return not self._has_exceptions and self.excludes(folder)


def _rule(line: str) -> _Rule | None:
    if line.startswith("#") or not line.strip():
        return None
    text = line.strip()
    excludes = not text.startswith("!")
    text = posixpath.normpath(text.removeprefix("!").strip().replace("\\/", "/")).lstrip("/")
    if text in {"", "."}:  # the whole context cannot be left out
        return None
    # What fits a folder fits everything in it.
    return _Rule(excludes, re.compile(f"(?:{_expression(text)})(?:/.*)?\\Z", re.DOTALL))


def _expression(pattern: str) -> str:
    parts = []
    position = 0
    while position < len(pattern):
        character = pattern[position]
        if pattern.startswith("**/", position):
            parts.append("(?:.*/)?")
            position += 3
        elif pattern.startswith("**", position):
            parts.append(".*")
            position += 2
        elif character == "*":
            parts.append("[^/]*")
            position += 1
        elif character == "?":
            parts.append("[^/]")
            position += 1
        elif character == "\\" and position + 1 < len(pattern):
            parts.append(re.escape(pattern[position + 1]))
            position += 2
        elif character == "[" and (end := pattern.find("]", position + 2)) > 0:
            parts.append(_character_class(pattern[position + 1 : end]))
            position = end + 1
        else:
            parts.append(re.escape(character))
            position += 1
    return "".join(parts)


def _character_class(inside: str) -> str:
    negated = inside.startswith("^")
    ranges = inside.removeprefix("^").replace("[", r"\[").replace("&&", r"&\&").replace("^", r"\^")
    expression = f"[{'^/' if negated else ''}{ranges}]"
    try:
        re.compile(expression)
    except re.error:
        return re.escape(f"[{inside}]")
    return expression
