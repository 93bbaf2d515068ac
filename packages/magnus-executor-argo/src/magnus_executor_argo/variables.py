"""`{{...}}` in a workflow: what stands there is replaced when a template is called."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_TAG = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_NAME = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*")


def variables_in(text: str) -> list[str]:
    """Return the names between the braces, in order.

    Raises:
        ValueError: Braces are not closed, or hold something else than a name.
    """
    names = [match[1] for match in _TAG.finditer(text)]
    for name in names:
        if not _NAME.fullmatch(name):
            message = f"'{{{{{name}}}}}' is not interpreted: between the braces a variable is named, and nothing else"
            raise ValueError(message)
    if "{{" in _TAG.sub("", text):
        message = f"{text!r} holds '{{{{' without an end"
        raise ValueError(message)
    return names


def filled_in(text: str, values: Mapping[str, str]) -> str:
    """Return *text* with *values* in place of its variables, all of which are known."""
    return _TAG.sub(lambda match: values[match[1]], text)
