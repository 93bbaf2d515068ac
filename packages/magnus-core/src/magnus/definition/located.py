"""Mappings and lists that remember where in the file they, their keys and their values stand."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_COLUMN_BITS = 32
_COLUMN_MASK = (1 << _COLUMN_BITS) - 1
_SCAN_LIMIT = 32
"""Up to this many keys a scan is cheaper than keeping an index."""


class Position(NamedTuple):
    """A place in a text file.

    Attributes:
        line: Counted from 1.
        column: Counted in characters, from 1.
    """

    line: int
    column: int

    def __str__(self) -> str:
        """Render as `line:col`."""
        return f"{self.line}:{self.column}"


START = Position(1, 1)
"""The beginning of a file: what is said of a container that no file holds."""


def pack(line: int, column: int) -> int:
    """Put a place into one integer below 2**64, which takes an eighth of the memory of a `Position`."""
    return line << _COLUMN_BITS | column


def unpack(place: int) -> Position:
    """Undo `pack`."""
    return Position(place >> _COLUMN_BITS, place & _COLUMN_MASK)


class LocatedDict(dict[str, Any]):
    """A mapping read from a file.

    Read it, do not change it: positions are kept by the order of the keys, so they are wrong after a key was added or
    removed. Equality, JSON and pickling are those of a dict; copies made by `dict(...)` or `|` are plain.
    """

    __slots__ = ("_order", "_places")

    def __init__(self, items: Iterable[tuple[str, Any]] = (), places: Iterable[int] = ()) -> None:
        """Hold *items*; *places* are packed: the mapping's own, then for each item the key's and the value's."""
        super().__init__(items)
        self._places = array("Q", places)
        self._order: dict[str, int] | None = None

    def set_places(self, places: Iterable[int]) -> None:
        """Replace the packed places; for the reader, which knows them only when the mapping has ended."""
        self._places = array("Q", places)
        self._order = None

    def places_of(self, key: str) -> tuple[int, int]:
        """Return the packed places of a present *key* and of its value."""
        index = 1 + 2 * self.index_of(key)
        return self._places[index], self._places[index + 1]

    def packed_places(self) -> Iterator[tuple[int, int]]:
        """Go through the packed places of each key and its value, in the order of the keys."""
        return zip(self._places[1::2], self._places[2::2], strict=True)

    @property
    def position(self) -> Position:
        """Where the mapping begins."""
        return unpack(self._places[0]) if self._places else START

    def key_position(self, key: str) -> Position:
        """Return where *key* stands; where the mapping begins if it has no such key."""
        return unpack(self.places_of(key)[0]) if self._knows(key) else self.position

    def position_of(self, key: str) -> Position:
        """Return where the value of *key* begins; where the mapping begins if it has no such key."""
        return unpack(self.places_of(key)[1]) if self._knows(key) else self.position

    def index_of(self, key: str) -> int:
        """Return how many keys stand before a present *key*."""
        if len(self) <= _SCAN_LIMIT:
            return next(index for index, name in enumerate(self) if name == key)
        if self._order is None or len(self._order) != len(self):
            self._order = {name: index for index, name in enumerate(self)}
        return self._order[key]

    def _knows(self, key: str) -> bool:
        return key in self and len(self._places) > 2 * self.index_of(key) + 2


class LocatedList(list[Any]):
    """A list read from a file; to be read, not changed, like `LocatedDict`."""

    __slots__ = ("_places",)

    def __init__(self, items: Iterable[Any] = (), places: Iterable[int] = ()) -> None:
        """Hold *items*; *places* are packed: the list's own, then each item's."""
        super().__init__(items)
        self._places = array("Q", places)

    def set_places(self, places: Iterable[int]) -> None:
        """Replace the packed places; for the reader, which knows them only when the list has ended."""
        self._places = array("Q", places)

    @property
    def position(self) -> Position:
        """Where the list begins."""
        return unpack(self._places[0]) if self._places else START

    def position_of(self, index: int) -> Position:
        """Return where the item at *index* (0 or more) begins; where the list begins if it has no such item."""
        known = 0 <= index < len(self._places) - 1
        return unpack(self._places[index + 1]) if known else self.position
