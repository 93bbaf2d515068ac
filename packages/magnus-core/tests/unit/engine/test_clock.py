from __future__ import annotations

from datetime import UTC, datetime

from magnus.engine.clock import Clock


def test_timestamps_are_utc_with_milliseconds() -> None:
    """As ISO 8601 that any reader takes, and that sorts as text."""
    before = datetime.now(UTC)
    text = Clock().timestamp()
    moment = datetime.fromisoformat(text)
    assert text.endswith("+00:00")
    assert len(text) == len("2026-01-01T00:00:00.000+00:00")
    assert abs((moment - before).total_seconds()) < 60


def test_the_monotonic_clock_counts_seconds() -> None:
    """It goes on while one sleeps."""
    clock = Clock()
    before = clock.monotonic()
    clock.sleep(0.01)
    assert 0.01 <= clock.monotonic() - before < 60
