"""Collects the mistakes of a file, each with its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from magnus.definition.located import LocatedDict, LocatedList
from magnus.domain.nodes import Place
from magnus.errors import Problem

if TYPE_CHECKING:
    from magnus.definition.located import Position


class Findings:
    """The mistakes found so far in one file, or in a pipeline written in Python, which has no places.

    Attributes:
        path: The file as the user named it; None for Python.
        problems: In the order they were found; files that are read together share one list.
    """

    __slots__ = ("path", "problems")

    def __init__(self, path: str | None, problems: list[Problem] | None = None) -> None:
        """Begin with *problems*, which grows."""
        self.path = path
        self.problems = [] if problems is None else problems

    def add(self, message: str, holder: Any = None, key: Any = None) -> None:
        """Note a mistake in the value that *holder* has under *key*; without a *key*, in *holder* itself."""
        self._note(message, position_of(holder, key))

    def add_key(self, message: str, holder: Any, key: str) -> None:
        """Note that *key* itself is a mistake."""
        self._note(message, holder.key_position(key) if isinstance(holder, LocatedDict) else None)

    def _note(self, message: str, position: Position | None) -> None:
        if position is None:
            self.problems.append(Problem(message, self.path))
        else:
            self.problems.append(Problem(message, self.path, position.line, position.column))

    def place_of_key(self, holder: Any, key: str) -> Place | None:
        """Return where *key* stands."""
        if self.path is None or not isinstance(holder, LocatedDict):
            return None
        position = holder.key_position(key)
        return Place(self.path, position.line, position.column)

    def place_of(self, holder: Any, key: Any = None) -> Place | None:
        """Return where the value under *key*, or without one *holder*, begins."""
        position = position_of(holder, key)
        return (
            None
            if self.path is None or position is None
            else Place(self.path, position.line, position.column)
        )


class Spot(NamedTuple):
    """A value under examination.

    Attributes:
        what: How messages call it.
        findings: Takes the mistakes in it.
        holder: The mapping or list that holds it, for its place.
        key: Its key or index in *holder*.
    """

    what: str
    findings: Findings
    holder: Any
    key: Any

    def note(self, message: str) -> None:
        """Note a mistake in the value; *message* goes on after what the value is called."""
        self.findings.add(f"{self.what} {message}", self.holder, self.key)


def position_of(holder: Any, key: Any = None) -> Position | None:
    """Return where the value under *key*, or without one *holder*, begins; None where there are no places."""
    if isinstance(holder, LocatedDict | LocatedList):
        return holder.position if key is None else holder.position_of(key)
    return None


def without_consequences(problems: list[Problem], causes: list[Problem]) -> list[Problem]:
    """Return *causes* and those *problems* that stand elsewhere: what else is wrong there follows from them."""
    places = {(cause.path, cause.line, cause.column) for cause in causes}
    return [each for each in problems if (each.path, each.line, each.column) not in places] + causes


def in_order(problems: list[Problem]) -> list[Problem]:
    """Return *problems* once each: file by file as they were first met, and top down in each."""
    files: dict[str | None, int] = {}
    for problem in problems:
        files.setdefault(problem.path, len(files))
    unique = dict.fromkeys(problems)
    return sorted(unique, key=lambda each: (files[each.path], each.line or 0, each.column or 0))
