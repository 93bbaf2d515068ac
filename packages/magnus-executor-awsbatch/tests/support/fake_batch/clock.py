"""Time that passes only when a test says so."""

from __future__ import annotations

START = 1_700_000_000.0


class VirtualClock:
    """Seconds since 1970, which `sleep` and nothing else moves on."""

    def __init__(self, start: float = START) -> None:
        """Start at *start*."""
        self._start = start
        self._now = start

    def now(self) -> float:
        """Return the time."""
        return self._now

    @property
    def passed(self) -> float:
        """How many seconds have passed since the start."""
        return self._now - self._start

    def sleep(self, seconds: float) -> None:
        """Let time pass, without waiting."""
        self._now += max(0.0, seconds)
