"""The fake's CloudWatch Logs: groups, streams and events."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple

from .errors import ServiceRefusal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_MOST_STREAMS = 100
_MOST_EVENTS = 10_000


class _Event(NamedTuple):
    timestamp: int
    event_id: str
    stream: str
    message: str


class LogStore:
    """Keeps lines, and shows each only after the service has taken it in."""

    def __init__(self, now: Callable[[], float]) -> None:
        """Follow the time that *now* tells in seconds."""
        self.lag_seconds = 0.0
        """How long after it was printed a line can be read."""
        self._now = now
        self._groups: dict[str, dict[str, list[_Event]]] = {}
        self._ids = count()

    def create(self, group: str, stream: str | None = None) -> None:
        """Make a group, or a stream of it."""
        streams = self._groups.setdefault(group, {})
        if stream:
            streams.setdefault(stream, [])

    def put(self, group: str, stream: str, at: float, line: str) -> None:
        """Add a line that is printed at a time; an empty one is no event."""
        if line:
            event = _Event(int(at * 1000), f"{next(self._ids):056d}", stream, line)
            self._groups[group][stream].append(event)

    def remove(self, group: str, stream: str) -> list[Any]:
        """Have a stream be not there; return what `restore` wants."""
        return self._groups[group].pop(stream)

    def restore(self, group: str, stream: str, removed: list[Any]) -> None:
        """Have it be there again."""
        self._groups[group][stream] = removed

    def cut(self, group: str, stream: str, at: float) -> None:
        """Drop what would have been printed after a time."""
        events = self._groups[group][stream]
        events[:] = [event for event in events if event.timestamp <= int(at * 1000)]

    def filter(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answer `FilterLogEvents`.

        Raises:
            ServiceRefusal: The service would not.
        """
        streams = self._groups.get(request["logGroupName"])
        if streams is None:
            raise ServiceRefusal("ResourceNotFoundException", "The specified log group does not exist.")
        names = request.get("logStreamNames") or list(streams)
        if len(request.get("logStreamNames") or []) > _MOST_STREAMS:
            raise ServiceRefusal("InvalidParameterException", f"logStreamNames: {_MOST_STREAMS} at most")
        if not streams.keys() >= set(names):
            raise ServiceRefusal("ResourceNotFoundException", "The specified log stream does not exist.")
        events = sorted(
            event for name in names for event in streams[name] if self._is_asked_for(event, request)
        )
        size = request.get("limit") or _MOST_EVENTS
        page = events[:size]
        answer: dict[str, Any] = {"events": [self._answer(event) for event in page], "searchedLogStreams": []}
        if len(events) > size:
            answer["nextToken"] = f"{page[-1].timestamp}/{page[-1].event_id}"
        return answer

    def _is_asked_for(self, event: _Event, request: Mapping[str, Any]) -> bool:
        after = request.get("nextToken")
        if after:
            timestamp, _, event_id = after.partition("/")
            if (event.timestamp, event.event_id) <= (int(timestamp), event_id):
                return False
        start, end = request.get("startTime", 0), request.get("endTime")
        is_within = event.timestamp >= start and (end is None or event.timestamp <= end)
        return is_within and self._taken_in_at(event) <= int(self._now() * 1000)

    def _taken_in_at(self, event: _Event) -> int:
        return event.timestamp + int(self.lag_seconds * 1000)

    def _answer(self, event: _Event) -> dict[str, Any]:
        return {
            "logStreamName": event.stream,
            "timestamp": event.timestamp,
            "message": event.message,
            "ingestionTime": self._taken_in_at(event),
            "eventId": event.event_id,
        }
