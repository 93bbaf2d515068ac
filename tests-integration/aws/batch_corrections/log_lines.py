"""The lines that a container prints, as events of a log stream while it still runs."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Line(NamedTuple):
    """One line, without its end."""

    timestamp: int
    """When it was printed, in milliseconds since 1970."""
    text: str

    @property
    def event(self) -> dict[str, Any]:
        """The line as `PutLogEvents` takes it."""
        return {"timestamp": self.timestamp, "message": self.text}


def lines(frames: Iterable[bytes]) -> Iterator[Line]:
    """Return the lines in *frames*, each of which starts with a time and holds a line, or 16 KiB of a long one.

    Empty lines are left out: an event cannot be empty.
    """
    timestamp, parts = 0, list[bytes]()
    for frame in frames:
        time, _, content = frame.partition(b" ")
        timestamp = timestamp if parts else _milliseconds(time.decode())
        parts.append(content)
        if content.endswith(b"\n"):
            yield from _line(timestamp, parts)
            parts = []
    yield from _line(timestamp, parts)


def _line(timestamp: int, parts: list[bytes]) -> Iterator[Line]:
    text = b"".join(parts).decode(errors="replace").rstrip("\r\n")
    if text:
        yield Line(timestamp, text)


def _milliseconds(time: str) -> int:
    # The engine says nanoseconds, which Python does not read.
    seconds, _, fraction = time.rstrip("Z").partition(".")
    whole = datetime.fromisoformat(f"{seconds}+00:00").timestamp()
    return int(whole) * 1000 + int(fraction[:3].ljust(3, "0") or 0)
