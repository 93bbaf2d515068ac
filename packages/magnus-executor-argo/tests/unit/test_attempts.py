"""What Argo knows of attempts: never earlier, nor for shorter, than magnus."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magnus.domain.nodes import Backoff, RetryPolicy
from magnus_executor_argo.attempts import Pauses, pauses_below, retry_strategy
from magnus_executor_argo.retry_expression import read_retry_expression
from magnus_executor_argo.workflow import Phase


@pytest.mark.parametrize(
    ("backoff", "retries", "expected"),
    [
        (Backoff(10, 2), 0, Pauses(10, 2)),
        (Backoff(10, 2.9, jitter=0.25), 0, Pauses(7.5, 2)),
        (Backoff(10, 3, 50), 0, Pauses(10, 2)),
        (Backoff(10, 3, 25), 0, Pauses(10, 1)),
        (Backoff(0.1234567, 1), 0, Pauses(0.123, 1)),
        (Backoff(10, 2), 1, Pauses(5, 2)),
        (Backoff(10, 2), 2, Pauses(10, 1)),
        (Backoff(10, 4), 1, Pauses(2.5, 4)),
        (Backoff(0.0), 0, None),
        (Backoff(10, jitter=1), 0, None),
    ],
)
def test_the_pauses_are_the_longest_that_are_never_too_long(
    backoff: Backoff, retries: int, expected: Pauses | None
) -> None:
    """The factor is whole; one that would pass the maximum is too large; a lost pod makes the next pause longer, too."""
    assert pauses_below(RetryPolicy(4, backoff), retries) == expected


@given(
    st.builds(
        Backoff,
        initial=st.floats(0, 1e12),
        factor=st.floats(1, 50),
        maximum=st.floats(0, 1e12),
        jitter=st.floats(0, 1),
    ),
    st.integers(1, 40),
    st.integers(0, 5),
)
def test_no_pause_is_ever_longer_than_ours(backoff: Backoff, most: int, retries: int) -> None:
    """Whatever chance makes of ours, and however many pods were lost before."""
    pauses = pauses_below(RetryPolicy(most, backoff), retries)
    for number in range(1, most if pauses else 1):
        assert pauses is not None
        ours = backoff.delay_seconds(number, 1.0)
        assert pauses.after(number + retries) <= ours * (1 + 1e-9) + 1e-9


@pytest.mark.parametrize(
    ("attempts", "retries", "strategy"),
    [
        (None, 0, {}),
        (RetryPolicy(1), 0, {}),
        (RetryPolicy(3), 0, {"limit": 2, "codes": (75,)}),
        (RetryPolicy(3, Backoff(1.5)), 0, {"limit": 2, "codes": (75,), "backoff": ("1.5s", 2)}),
        (RetryPolicy(3), 2, {"limit": 4, "codes": (75, 3), "lost": True}),
        (None, 1, {"limit": 1, "codes": (3,), "lost": True}),
        (
            RetryPolicy(10**6, Backoff(1e9, 1000, 1e12)),
            0,
            {"limit": 999_999, "codes": (75,), "backoff": ("100000000s", 1)},
        ),
    ],
)
def test_a_call_is_made_again_where_it_helps(
    attempts: RetryPolicy | None, retries: int, strategy: dict[str, Any]
) -> None:
    """As often as there may be attempts, and for what is no fault of the step."""
    found = retry_strategy(attempts, retries).get("retryStrategy", {})
    assert ("limit" in found, found.get("limit")) == (bool(strategy), strategy.get("limit"))
    if not strategy:
        return
    expression = read_retry_expression(found["expression"])
    assert expression.codes == strategy["codes"]
    assert (
        expression.holds(137, Phase.FAILED) is expression.holds(0, Phase.ERROR) is strategy.get("lost", False)
    )
    assert not expression.holds(1, Phase.FAILED)
    assert tuple(found.get("backoff", {}).values()) == strategy.get("backoff", ())
