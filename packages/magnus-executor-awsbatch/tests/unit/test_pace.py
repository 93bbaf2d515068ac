from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from magnus_executor_awsbatch.pace import Pace


@given(st.integers())
def test_a_pause_is_the_interval_or_a_fifth_more(seed: int) -> None:
    """Never less: that is what a user asked for."""
    assert 5 <= Pace(5, random.Random(seed)).next_pause() <= 6  # noqa: S311 - no secret


def test_pauses_differ() -> None:
    """So that many runs do not ask at the same moment."""
    pace = Pace(5)
    assert len({pace.next_pause() for _ in range(10)}) == 10


def test_pauses_double_up_to_a_bound_and_recover_at_once() -> None:
    """As long as AWS is busy."""
    pace = Pace(1)
    floors = []
    for _ in range(6):
        floors.append(int(pace.next_pause()))
        pace.slow_down()
    assert floors == [1, 2, 4, *floors[3:]]
    assert all(16 <= pace.next_pause() <= 19.2 for _ in range(10))
    pace.recover()
    assert pace.next_pause() <= 1.2
