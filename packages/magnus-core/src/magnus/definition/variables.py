"""`${NAME}` in pipeline and configuration files, replaced from the environment variables `MAGNUS_VAR_NAME`.

Only this form is a variable: `$NAME` and `${NAME:-x}` are ordinary text, and there is no escape. A value is put into a
scalar that was parsed already and is not looked at again, so it can bring neither structure nor another variable.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus.definition.located import LocatedDict, LocatedList, Position

PREFIX = "MAGNUS_VAR_"
MARKER = "${"
"""A text without it holds no variable."""

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class Expansion(NamedTuple):
    """A scalar after its variables were replaced.

    Attributes:
        text: The text; the variables of *unset* stand in it as they were written.
        whole: Whether the scalar was one variable, with a value, and nothing else.
        unset: Names without a value, each once, in the order they stand in the text.
        broken: Names whose value is not text (bytes that are not UTF-8), each once.
    """

    text: str
    whole: bool
    unset: tuple[str, ...]
    broken: tuple[str, ...]


class UnsetVariable(NamedTuple):
    """A `${NAME}` that was left as it stands, because the environment has no value for it.

    Whether that is a mistake depends on where it stands: in the command of a shell task it is the shell's own syntax.

    Attributes:
        name: What stands between the braces.
        holder: The mapping or list that holds the scalar; None where the scalar is the whole document.
        key: The scalar's key or index in *holder*.
        path: Keys and indices from the top of the document down to the scalar, *key* last. For what is shared through
            an anchor it is the path of the place where it is written.
        position: Where the scalar begins.
    """

    name: str
    holder: LocatedDict | LocatedList | None
    key: str | int
    path: tuple[str | int, ...]
    position: Position

    def message(self) -> str:
        """Say what is missing and what would do."""
        return unset_message(self.name)


class Variables:
    """The values for one document, and which of them it used.

    Attributes:
        used: Names that were replaced so far, for masking those that look like credentials.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Take values from *environ*, whose names carry the prefix `MAGNUS_VAR_`."""
        self._environ = environ
        self.used: set[str] = set()

    def expand(self, text: str) -> Expansion:
        """Replace every variable of *text* that has a value; an empty value is a value."""
        unset: dict[str, None] = {}
        broken: dict[str, None] = {}

        def value_of(match: re.Match[str]) -> str:
            name = match[1]
            value = self._environ.get(PREFIX + name)
            if value is None:
                unset[name] = None
                return match[0]
            if not is_encodable(value):
                broken[name] = None
                return match[0]
            self.used.add(name)
            return value

        result = _VARIABLE.sub(value_of, text)
        whole = _VARIABLE.fullmatch(text) is not None and not unset and not broken
        return Expansion(result, whole, tuple(unset), tuple(broken))


def unset_message(name: str) -> str:
    """Say that *name* has no value and what would do."""
    return f"the variable ${{{name}}} has no value; set the environment variable {PREFIX}{name}"


def broken_message(name: str) -> str:
    """Say that the value of *name* is not text and what would do."""
    return f"the environment variable {PREFIX}{name} holds bytes that are not UTF-8; set it to text"


def is_encodable(text: str) -> bool:
    """Tell whether *text* can be written as UTF-8, that is, holds no half of a surrogate pair."""
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
