"""Something wrong in a file, before it becomes part of an error."""

from __future__ import annotations

from typing import NamedTuple


class Mistake(NamedTuple):
    """Something wrong in a file whose name is not known here.

    Attributes:
        message: What was found and what would do.
        line: Counted from 1; None where the parser gave no place.
        column: Counted from 1.
    """

    message: str
    line: int | None = None
    column: int | None = None
