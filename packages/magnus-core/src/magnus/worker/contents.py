"""The content of a value of a project's module, to be compared later: lists in dicts, attributes of objects and classes."""

from __future__ import annotations

from array import array
from collections import deque
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_MOST_VALUES = 2_000
"""A value that holds more is not looked into: it would cost more than a step."""

_NOT_STATE = frozenset({"__dict__", "__weakref__", "__doc__", "__annotations__", "__module__"})


class _TooLargeError(Exception):
    """The value holds more than is looked at."""


def content_of(value: Any, is_own: Callable[[str], bool]) -> Any:
    """Return what *value* holds, as nested tuples of ids and plain values; None if it cannot change, or is too large.

    Args:
        value: The value.
        is_own: Tells whether the module of that name belongs to the project. Functions and classes of others are not looked
            into: libraries keep what they have computed in them.
    """
    try:
        return _content(value, [_MOST_VALUES], set(), is_own)
    except Exception:  # noqa: BLE001 - a value of a library may refuse to be looked at, as a class that is half made does
        return None


def _content(value: Any, room: list[int], seen: set[int], is_own: Callable[[str], bool]) -> Any:
    kind = type(value)
    if kind in (bytearray, array):
        return bytes(value) if len(value) <= _MOST_VALUES else len(value)
    if isinstance(value, type | FunctionType) and not is_own(value.__module__):
        return None
    parts = _parts(value)
    if parts is None:
        return None
    if id(value) in seen:
        return id(value)
    seen.add(id(value))
    room[0] -= len(parts)
    if room[0] < 0:
        raise _TooLargeError
    return tuple((id(part), _content(part, room, seen, is_own)) for part in parts)


def _parts(value: Any) -> list[Any] | None:
    """Return the objects that *value* holds and that can be replaced by others; None if there are none."""
    kind = type(value)
    if isinstance(value, ModuleType):  # looked at by itself; `time` holds other objects after each `tzset`
        return None
    if kind in (list, tuple, deque):
        return list(value)
    if kind in (set, frozenset):
        return sorted(value, key=id)
    if kind is dict:
        return [each for pair in value.items() for each in pair]
    if kind is FunctionType:
        return [value.__code__, value.__defaults__, value.__kwdefaults__, *_attributes(value.__dict__)]
    if hasattr(kind, "locked") or hasattr(kind, "cache_info"):
        return [value.locked() if hasattr(kind, "locked") else value.cache_info().currsize]
    attributes = getattr(value, "__dict__", None)
    if attributes is None or (callable(value) and not isinstance(value, type)):
        return None
    return _attributes(attributes)


def _attributes(found: Any) -> list[Any]:
    return [each for name, item in list(found.items()) if name not in _NOT_STATE for each in (name, item)]
