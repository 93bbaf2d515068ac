from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from magnus.domain.nodes import Backoff, RetryPolicy
from magnus_executor_stepfunctions.retries import longest_pause_seconds, pauses, retriers

POLICIES = st.builds(
    RetryPolicy,
    max_attempts=st.integers(2, 12),
    backoff=st.builds(
        Backoff,
        initial=st.floats(0, 1e9),
        factor=st.floats(1, 1e6),
        maximum=st.floats(0, 1e9),
        jitter=st.floats(0, 1),
    ),
)


@given(POLICIES, st.floats(0, 1, exclude_max=True))
def test_no_pause_is_longer_than_that_of_magnus(policy: RetryPolicy, chance: float) -> None:
    """Except where it would be below a second, which Step Functions cannot wait less than."""
    rule = pauses(policy)
    for calls in range(policy.max_attempts - 1):
        pause = rule["IntervalSeconds"] * rule["BackoffRate"] ** calls
        pause = min(pause, rule.get("MaxDelaySeconds", pause))
        assert pause <= max(1, policy.backoff.delay_seconds(calls + 1, chance) * (1 + 1e-12))


@given(POLICIES)
def test_the_rule_is_one_that_the_language_allows(policy: RetryPolicy) -> None:
    """Whole seconds from 1, a rate from 1, and a longest pause above the first."""
    _, rule = retriers(policy)
    assert 1 <= rule["IntervalSeconds"] <= 99_999_999
    assert isinstance(rule["IntervalSeconds"], int)
    assert isinstance(rule["BackoffRate"], float)
    assert rule["BackoffRate"] >= 1
    assert (
        rule["IntervalSeconds"] < rule.get("MaxDelaySeconds", 1e99) <= 31_622_399
        or "MaxDelaySeconds" not in rule
    )
    assert rule["MaxAttempts"] == policy.max_attempts - 1


def test_a_failure_that_is_not_tried_again_is_known_soon() -> None:
    """With `retry_on` only a further call tells, which must not come after hours."""
    policy = RetryPolicy(5, Backoff(initial=3600), retry_on=("timeout",))
    assert pauses(policy) == {"IntervalSeconds": 1, "BackoffRate": 1.0}


def test_the_longest_pause_is_the_last() -> None:
    """There is none without another attempt."""
    assert longest_pause_seconds(RetryPolicy(4, Backoff(initial=10, factor=2))) == 40
    assert longest_pause_seconds(RetryPolicy(1, Backoff(initial=10))) == 0
