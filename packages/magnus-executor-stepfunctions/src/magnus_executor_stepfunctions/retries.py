"""When Step Functions calls for another attempt: never later than magnus would begin it, as far as whole seconds allow. Pure.

magnus itself waits for what is left of a pause, so a target's pause is a lower bound of the true one.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from magnus_executor_stepfunctions.limits import LARGEST_INTERVAL_SECONDS, LARGEST_MAX_DELAY_SECONDS

if TYPE_CHECKING:
    from magnus.domain.nodes import RetryPolicy

BUSY: dict[str, Any] = {
    "ErrorEquals": ["Batch.AWSBatchException", "Batch.ServerException", "Batch.TooManyRequestsException"],
    "IntervalSeconds": 2,
    "MaxAttempts": 8,
    "BackoffRate": 2.0,
}
"""Batch did not take the job: no attempt of the step, so none is spent."""


def retriers(retry: RetryPolicy) -> list[dict[str, Any]]:
    """Return the rules of a task: as many calls as there are attempts."""
    if retry.max_attempts == 1:
        return [BUSY]
    return [
        BUSY,
        {"ErrorEquals": ["States.TaskFailed"], **pauses(retry), "MaxAttempts": retry.max_attempts - 1},
    ]


def pauses(retry: RetryPolicy) -> dict[str, Any]:
    """Return the pauses between attempts.

    With `retry_on` they are short: an attempt that failed for good is only known by its second call, which answers at once and
    must not come hours later.
    """
    at_once = {"IntervalSeconds": 1, "BackoffRate": 1.0}
    backoff = retry.backoff
    first = math.floor(backoff.initial * (1 - backoff.jitter))
    most = min(math.floor(backoff.maximum * (1 - backoff.jitter)), LARGEST_MAX_DELAY_SECONDS)
    if retry.retry_on or min(first, most) < 1:
        return at_once
    if most <= first or backoff.factor == 1:
        return {"IntervalSeconds": min(first, most, LARGEST_INTERVAL_SECONDS), "BackoffRate": 1.0}
    return {
        "IntervalSeconds": min(first, LARGEST_INTERVAL_SECONDS),
        "BackoffRate": float(backoff.factor),
        "MaxDelaySeconds": most,
    }


def longest_pause_seconds(retry: RetryPolicy) -> float:
    """Return how long an attempt may wait for its turn at most."""
    if retry.max_attempts == 1:
        return 0.0
    return retry.backoff.delay_seconds(retry.max_attempts - 1, 0.0)
