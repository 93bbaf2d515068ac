"""Prints rows for people: a table on a terminal, aligned lines elsewhere."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Sequence

_COLOURS = {
    "SUCCESS": "green",
    "ok": "green",
    "FAIL": "red",
    "LOST": "red",
    "error": "red",
    "broken": "red",
    "warning": "yellow",
    "unknown": "yellow",
    "PROCESSING": "yellow",
    "TRIGGERED": "yellow",
}
_CODES = {"green": "32", "red": "31", "yellow": "33"}


def print_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print *rows* on stdout; the last column may be of any length.

    Args:
        headers: The names of the columns.
        rows: As many cells each; words such as `SUCCESS` or `error` get their colour where there are colours.
    """
    cells = [list(headers), *([_one_line(cell) for cell in row] for row in rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(headers) - 1)]
    if sys.stdout.isatty() and _fits(sum(widths) + 2 * len(widths) + len(headers[-1])):
        _print_rich(headers, rows)
        return
    for row in cells:
        line = "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]])
        sys.stdout.write(f"{line.rstrip()}\n")


def _fits(width: int) -> bool:
    """Whether the terminal has so many columns; in a narrower one a table would break run ids and dates into pieces."""
    from shutil import get_terminal_size

    return get_terminal_size().columns >= width


def _print_rich(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for header in headers[:-1]:
        table.add_column(header, overflow="fold")
    table.add_column(headers[-1], overflow="fold", ratio=1)
    for row in rows:
        table.add_row(*(Text(cell, style=_COLOURS.get(cell, "")) for cell in row))
    Console(highlight=False).print(table)


def _one_line(text: str) -> str:
    return " ".join(text.splitlines())


def colour(word: str, stream: TextIO) -> str:
    """Return *word* in its colour, if *stream* leads to a terminal that shows colours."""
    name = _COLOURS.get(word)
    if name is None or not stream.isatty() or "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb":
        return word
    return f"\x1b[{_CODES[name]}m{word}\x1b[0m"


def remark(text: str) -> None:
    """Say *text* to people, on stderr."""
    sys.stderr.write(f"{text}\n")
