"""When Batch is asked again: at a steady pace that is not that of others, and slower while it is too busy. Pure."""

from __future__ import annotations

import random

_JITTER = 0.2
"""Up to this share longer, so that many runs do not ask at the same moment."""

_SLOWEST = 16
"""Times the usual pause, at most."""


class Pace:
    """The pauses between two looks."""

    def __init__(self, interval_seconds: float, chance: random.Random | None = None) -> None:
        """Start from *interval_seconds*."""
        self._interval = interval_seconds
        self._chance = chance or random.Random()  # noqa: S311 - spreads calls in time, protects nothing
        self._factor = 1

    def next_pause(self) -> float:
        """Return the seconds to wait; never less than the interval."""
        return self._interval * self._factor * (1 + _JITTER * self._chance.random())

    def slow_down(self) -> None:
        """Wait twice as long from now on."""
        self._factor = min(2 * self._factor, _SLOWEST)

    def recover(self) -> None:
        """Go back to the usual pace."""
        self._factor = 1
