"""Takes what jobs print from CloudWatch while they run: one call for up to a hundred of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnus_executor_awsbatch.client import MOST_DESCRIBED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magnus_executor_awsbatch.client import Batch
    from magnus_executor_awsbatch.underway import Underway

_LATE_MILLISECONDS = 10_000
"""Lines may become readable out of order; those of the last seconds are asked for again, and known by their ids."""


def follow(batch: Batch, group: str, underway: Sequence[Underway]) -> None:
    """Hand each new line of *underway*, whose streams are known, to its step.

    Raises:
        ServiceError: The lines cannot be read; those that were taken are taken.
    """
    for start in range(0, len(underway), MOST_DESCRIBED):
        by_stream = {each.log_stream: each for each in underway[start : start + MOST_DESCRIBED]}
        since = min(each.log_since for each in by_stream.values()) - _LATE_MILLISECONDS
        for event in batch.log_events(group, list(by_stream), max(0, since)):
            each = by_stream[event.stream]
            if event.id in each.log_seen:
                continue
            each.log_seen.add(event.id)
            each.log_since = max(each.log_since, event.timestamp)
            each.remote.write(f"{event.message}\n".encode(), 1)


def begin(underway: Underway, stream: str) -> None:
    """Read from *stream* from now on: a job that Batch tries again has a new one."""
    underway.log_stream, underway.log_since = stream, 0
    underway.log_seen.clear()
