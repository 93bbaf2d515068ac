"""Time, in one place, so that a test can do without waiting."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class Clock:
    """The machine's clock."""

    def monotonic(self) -> float:
        """Return seconds from an arbitrary moment; never goes back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    def timestamp(self) -> str:
        """Return the time now as UTC, ISO 8601, with milliseconds."""
        return datetime.now(UTC).isoformat(timespec="milliseconds")

    def seconds_since(self, timestamp: str) -> float:
        """Return how long ago *timestamp*, as `timestamp` writes it, was; at least 0."""
        return max(0.0, (datetime.now(UTC) - datetime.fromisoformat(timestamp)).total_seconds())
