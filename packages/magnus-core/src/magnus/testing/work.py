"""How much work a call makes, counted rather than timed, so that a busy machine does not change it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

_IO = Path("/proc/self/io")


class Work(NamedTuple):
    """What was done.

    Attributes:
        calls: Functions called, those written in C included.
        transferred_bytes: Read from and written to files by this process; 0 where the system does not count them.
    """

    calls: int
    transferred_bytes: int


def count_work(action: Callable[[], None]) -> Work:
    """Do *action* and count."""
    calls = 0

    def note(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in {"call", "c_call"}

    before, profile = _transferred_bytes(), sys.getprofile()
    sys.setprofile(note)
    try:
        action()
    finally:
        sys.setprofile(profile)
    return Work(calls, _transferred_bytes() - before)


def _transferred_bytes() -> int:
    if not _IO.exists():
        return 0
    counters = dict(line.split(": ") for line in _IO.read_text(encoding="ascii").splitlines())
    return int(counters["rchar"]) + int(counters["wchar"])
