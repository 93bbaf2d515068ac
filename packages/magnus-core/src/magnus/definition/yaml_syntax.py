"""Says in one line what PyYAML's parser did not like, in words for someone who does not know the grammar of YAML."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from yaml.error import MarkedYAMLError
from yaml.reader import Reader, ReaderError

from magnus.definition.mistake import Mistake

if TYPE_CHECKING:
    from collections.abc import Sequence

    from yaml.error import Mark, YAMLError


class _Rule(NamedTuple):
    """Words for one kind of complaint.

    Attributes:
        pattern: Found in `<context>; <problem>` of the complaint, whichever of the two parsers wrote it.
        message: May name `{char}`, the character where the parser stopped, and `{place}`, where it stopped.
        at_context: Whether the mistake is where the construct began, rather than where the parser stopped.
    """

    pattern: str
    message: str
    at_context: bool = False


_RULES: Sequence[_Rule] = (
    _Rule(
        "quoted scalar; found unexpected end", "the quote that opens here is never closed", at_context=True
    ),
    _Rule(
        "scanning an alias",
        'a `*` at the beginning is an alias; put a pattern in quotes, as in "*.csv"',
        at_context=True,
    ),
    _Rule(
        "scanning an anchor", "an `&` at the beginning is an anchor; put the text in quotes", at_context=True
    ),
    _Rule(
        "unknown escape",
        "a backslash in double quotes begins an escape, and this one does not exist; use single quotes",
    ),
    _Rule("undefined tag handle", "a `!` at the beginning is a tag; put the text in quotes"),
    _Rule(
        "tag",
        "a `!` at the beginning is a tag, and this one is not complete; put the text in quotes",
        at_context=True,
    ),
    _Rule(
        "mapping values are not allowed",
        "a `:` is not expected here; put a value that holds a colon in quotes, or mend the indentation of this line",
    ),
    _Rule(
        "simple key|could not find expected ':'",
        "this line has no `:` after the name; expected `name: value`, or mend its indentation",
        at_context=True,
    ),
    _Rule(
        "flow sequence",
        "the list that `[` opens here has no `,` or `]` at {place}; add it, or put the value there in quotes",
        at_context=True,
    ),
    _Rule(
        "flow mapping",
        "the mapping that `{{` opens here has no `,` or `}}` at {place}; add it, or put the value there in quotes",
        at_context=True,
    ),
    _Rule(
        "block mapping",
        "this does not fit into the mapping around it; mend the indentation, or a bracket too many",
    ),
    _Rule(
        "block collection",
        "this does not fit into the list around it; begin it with `- `, or mend the indentation",
    ),
    _Rule(
        "block scalar",
        "after `|` or `>` the text begins on the next line; put a text that begins with them in quotes",
        at_context=True,
    ),
    _Rule("found character .*cannot start", "a value cannot begin with {char}; put it in quotes"),
    _Rule("node content", "a value is expected here, not {char}; put it in quotes if it is text"),
)


def mistake_of(error: YAMLError, text: str) -> Mistake:
    """Turn what the parser raised on *text* into one line with a place."""
    if isinstance(error, ReaderError):
        return _unprintable(text)
    if not isinstance(error, MarkedYAMLError):
        return Mistake(f"not valid YAML: {' '.join(str(error).split())}")
    mark = error.problem_mark or error.context_mark
    complaint = f"{error.context or ''}; {error.problem or ''}"
    char = text[mark.index : mark.index + 1] if mark else ""
    line = text[text.rfind("\n", 0, mark.index) + 1 : mark.index + 1] if mark else ""
    if char and line.endswith("${"):
        return _at(mark, "inside brackets `${...}` has to be in quotes, or the value on a line of its own")
    if char == "\t":
        return _at(mark, "a tab stands where YAML allows only spaces; indent with spaces")
    for rule in _RULES:
        if re.search(rule.pattern, complaint):
            place = f"{mark.line + 1}:{mark.column + 1}" if mark else "its end"
            message = rule.message.format(char=repr(char) if char else "the end of the file", place=place)
            return _at(error.context_mark if rule.at_context and error.context_mark else mark, message)
    return _at(mark, f"not valid YAML: {' '.join(complaint.strip('; ').split())}")


def _at(mark: Mark | None, message: str) -> Mistake:
    return Mistake(message, mark.line + 1, mark.column + 1) if mark else Mistake(message)


def _unprintable(text: str) -> Mistake:
    """Find the character that no YAML file may hold; the C parser tells only its offset in bytes."""
    match = Reader.NON_PRINTABLE.search(text)
    if match is None:
        return Mistake("the file holds a character that YAML does not allow; save it as plain UTF-8 text")
    line = text.count("\n", 0, match.start()) + 1
    column = match.start() - text.rfind("\n", 0, match.start())
    message = (
        f"the control character {match[0]!r} is not allowed in YAML; write it as an escape in double quotes"
    )
    return Mistake(message, line, column)
