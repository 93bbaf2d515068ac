"""Takes what jobs print from CloudWatch while they run: one call for up to a hundred of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnus_executor_awsbatch.answers import MOST_DESCRIBED
from magnus_executor_awsbatch.errors import MissingError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magnus_executor_awsbatch.batch import Batch
    from magnus_executor_awsbatch.underway import Underway

_LATE_MILLISECONDS = 10_000
"""Lines may become readable out of order; those of the last seconds are asked for again, and known by their ids."""

_APART_MILLISECONDS = 60_000
"""By how much the lines of one job may become readable later than those of another."""

_MOST_CALLS = 20
"""In one look, for streams of which some are not there yet."""


def follow(batch: Batch, group: str, underway: Sequence[Underway]) -> None:
    """Hand each new line of *underway*, whose streams are known, to its step.

    Raises:
        ServiceError: The lines cannot be read; those that were taken are taken.
    """
    # Apart, because what is new is read from its start, and may not be there yet.
    read = [each for each in underway if each.log_is_read]
    for start in range(0, len(read), MOST_DESCRIBED):
        _follow(batch, group, read[start : start + MOST_DESCRIBED])
    new = sorted((each for each in underway if not each.log_is_read), key=lambda each: each.log_misses)
    parts = [new[start : start + MOST_DESCRIBED] for start in range(0, len(new), MOST_DESCRIBED)]
    calls = max(_MOST_CALLS, len(parts))
    while parts and calls:
        calls -= 1
        part = parts.pop(0)
        if not _follow(batch, group, part) and len(part) > 1:
            middle = len(part) // 2
            parts += [part[:middle], part[middle:]]


def _follow(batch: Batch, group: str, readers: Sequence[Underway]) -> bool:
    """Read on; return whether all the streams are there: if one is not, none is told of."""
    by_stream = {each.log_stream: each for each in readers}
    since = min(each.log_since for each in readers) - _LATE_MILLISECONDS
    newest = 0
    try:
        for event in batch.log_events(group, list(by_stream), max(0, since)):
            each = by_stream[event.stream]
            newest = max(newest, event.timestamp)
            if event.id in each.log_seen or event.timestamp < each.log_since - _LATE_MILLISECONDS:
                continue
            each.log_seen[event.id] = event.timestamp
            each.log_since = max(each.log_since, event.timestamp)
            each.remote.write(f"{event.message}\n".encode(), 1)
    except MissingError:
        for each in readers:
            each.log_is_read = False
            each.log_misses += 1
        return False
    for each in readers:
        each.log_is_read = True
        # Or a job that prints nothing would have all that others print be read again and again.
        each.log_since = max(each.log_since, newest - _APART_MILLISECONDS)
        oldest = each.log_since - _LATE_MILLISECONDS
        if len(each.log_seen) > 2 * MOST_DESCRIBED:
            each.log_seen = {name: at for name, at in each.log_seen.items() if at >= oldest}
    return True


def begin(underway: Underway, stream: str) -> None:
    """Read from *stream* from now on: a job that Batch tries again has a new one."""
    underway.log_stream, underway.log_since = stream, 0
    underway.log_is_read, underway.log_misses = False, 0
    underway.log_seen.clear()
