"""What a YAML scalar means: PyYAML's own rules for YAML 1.1, narrowed to the values that JSON has.

A timestamp stays text, as it is written: parameters and configuration are JSON values, and JSON has no dates.
"""

from __future__ import annotations

from typing import Any, Literal

from yaml.constructor import SafeConstructor
from yaml.nodes import ScalarNode
from yaml.resolver import Resolver

_TAG = "tag:yaml.org,2002:"
_TEXT_TAGS = frozenset({_TAG + "str", _TAG + "timestamp", _TAG + "merge", _TAG + "value", _TAG + "yaml"})
"""The last three are what plain `<<`, `=` and `*` resolve to; outside a mapping's keys they are text."""
_VALUE_TAGS = frozenset({_TAG + "null", _TAG + "bool", _TAG + "int", _TAG + "float"})

MERGE_KEY = "<<"


class UnknownTagError(ValueError):
    """The scalar's tag asks for a value that is not read here."""


class ScalarValueError(ValueError):
    """The scalar looks like a number, or its tag says so, but it is none."""


class _Rules(SafeConstructor, Resolver):
    """PyYAML's resolver and constructors without a parser."""

    def __init__(self) -> None:
        SafeConstructor.__init__(self)
        Resolver.__init__(self)


class ScalarReader:
    """Turns the text of scalars into values.

    Short plain scalars repeat (`task`, `python`, `true`), so their values are remembered: the result is found faster
    and equal texts share one object.
    """

    _MEMO_SIZE = 4096
    _MEMO_TEXT_LENGTH = 40

    def __init__(self) -> None:
        """Start with nothing remembered."""
        self._rules = _Rules()
        self._memo: dict[str, Any] = {}

    def plain(self, text: str) -> Any:
        """Return the value of an unquoted scalar without a tag.

        Raises:
            ScalarValueError: It has the form of a number and is none (`0x_`, or more digits than Python converts).
        """
        try:
            return self._memo[text]
        except KeyError:
            value = self._construct(self._resolve(text), text)
        if len(text) <= self._MEMO_TEXT_LENGTH and len(self._memo) < self._MEMO_SIZE:
            self._memo[text] = value
        return value

    def tagged(self, tag: str, text: str) -> Any:
        """Return the value of a scalar with an explicit *tag*.

        Raises:
            UnknownTagError: The tag is none of null, bool, int, float, str and timestamp.
            ScalarValueError: The text is not of the type that the tag names.
        """
        return self._construct(tag, text)

    def _resolve(self, text: str) -> str:
        tag: str = self._rules.resolve(ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
        return tag

    def _construct(self, tag: str, text: str) -> Any:
        if tag in _TEXT_TAGS:
            return text
        if tag not in _VALUE_TAGS:
            raise UnknownTagError(shown_tag(tag))
        try:
            return SafeConstructor.yaml_constructors[tag](self._rules, ScalarNode(tag, text))
        except (ValueError, OverflowError, LookupError) as exc:
            # PyYAML's constructors trust the text to match the pattern of its type; with an explicit tag it need not.
            raise ScalarValueError(tag.removeprefix(_TAG)) from exc


def is_container_tag(kind: Literal["map", "seq"], tag: str | None) -> bool:
    """Tell whether *tag* may stand before a container of *kind*."""
    return tag in (None, "!", _TAG + kind)


def shown_tag(tag: str) -> str:
    """Write *tag* as it stands in a file."""
    return "!!" + tag.removeprefix(_TAG) if tag.startswith(_TAG) else tag
