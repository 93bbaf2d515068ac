"""One figure: what was measured, and what it should be at most or at least."""

from __future__ import annotations

from typing import NamedTuple


class Figure(NamedTuple):
    """A line of the table.

    Attributes:
        name: What was measured, in words.
        measured: The value.
        unit: Of the value and the target: `ms`, `MiB`, `x` for a ratio, `%`, or a noun for a count.
        target: What the value may be; None for a value that explains others.
        at_least: Whether the target is a lower bound.
        note: What the value was made of.
    """

    name: str
    measured: float
    unit: str
    target: float | None = None
    at_least: bool = False
    note: str = ""

    @property
    def is_reached(self) -> bool | None:
        """Whether the target is reached; None without a target."""
        if self.target is None:
            return None
        return self.measured >= self.target if self.at_least else self.measured <= self.target


def table(figures: list[Figure]) -> str:
    """Return *figures* as a Markdown table."""
    rows = [("figure", "measured", "target", "reached", "made of"), *(_row(figure) for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [_line(row, widths) for row in rows]
    lines.insert(1, "|".join(["", *("-" * (width + 2) for width in widths), ""]))
    return "\n".join(lines)


def _row(figure: Figure) -> tuple[str, str, str, str, str]:
    target = ""
    if figure.target is not None:
        target = f"{'≥' if figure.at_least else '≤'} {figure.target:g} {figure.unit}"
    reached = {True: "yes", False: "NO", None: ""}[figure.is_reached]
    return figure.name, f"{figure.measured:.4g} {figure.unit}", target, reached, figure.note


def _line(row: tuple[str, ...], widths: list[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
