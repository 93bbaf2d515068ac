"""How often Argo asks for a step, when, and for how long: never earlier, nor for shorter, than magnus itself would have it.

magnus says by exit code 75 that another attempt may follow, waits for what is left of the pause before it, and ends an
attempt that takes too long. What Argo knows of all that only saves pods that wait.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from magnus.domain.role import Role
from magnus_executor_argo.yaml_text import OneLine

if TYPE_CHECKING:
    from magnus.domain.nodes import Node, RetryPolicy
    from magnus.domain.render_plan import RenderedNode

ANOTHER_ATTEMPT = "asInt(lastRetry.exitCode) == 75"
LOST = 'lastRetry.status == "Error" || asInt(lastRetry.exitCode) == 3 || asInt(lastRetry.exitCode) > 128'
"""The pod was lost or killed, or a service failed: a step that has ended answers at once, others begin anew."""

LONGEST_DEADLINE = 2**31 - 1
"""Of a pod, in seconds."""

_MILLISECOND = 0.001
_LONGEST_PAUSE = 1e8


class Pauses(NamedTuple):
    """What Argo waits between two calls: *seconds*, each time *factor* times as long."""

    seconds: float
    factor: int

    def after(self, calls: int) -> float:
        """Return the pause after that many calls."""
        return self.seconds * _power(self.factor, calls - 1)


def retry_strategy(attempts: RetryPolicy | None, infrastructure_retries: int) -> dict[str, Any]:
    """Return the `retryStrategy` for a call, as an entry of a template; nothing if it is made once.

    Args:
        attempts: The step's; None for a call that is no attempt.
        infrastructure_retries: How often it is called again for what is no fault of the step.
    """
    more = attempts.max_attempts - 1 if attempts else 0
    if not more + infrastructure_retries:
        return {}
    reasons = [*([ANOTHER_ATTEMPT] if more else []), *([LOST] if infrastructure_retries else [])]
    strategy: dict[str, Any] = {
        "limit": more + infrastructure_retries,
        "retryPolicy": "Always",
        "expression": " || ".join(reasons),
    }
    if attempts and (pauses := pauses_below(attempts, infrastructure_retries)):
        strategy["backoff"] = OneLine(duration=_duration(pauses.seconds), factor=pauses.factor)
    return {"retryStrategy": strategy}


def pauses_below(attempts: RetryPolicy, infrastructure_retries: int) -> Pauses | None:
    """Return the longest pauses that Argo can keep and that are never longer than ours, whatever chance makes of these.

    Argo's grow by a whole factor without a maximum, and with every call, also one that was lost and is no attempt.
    """
    # After so many pauses, those that grow are longer than any.
    backoff, between = attempts.backoff, range(1, min(attempts.max_attempts, 1001))
    ours = [min(backoff.delay_seconds(number, 1.0), _LONGEST_PAUSE) for number in between]
    best, kept = None, 0.0
    for factor in range(1, min(math.floor(backoff.factor), 1000) + 1):
        grown = _power(factor, infrastructure_retries)
        seconds = math.floor(ours[0] / grown / _MILLISECOND) * _MILLISECOND if ours else 0.0
        pauses = Pauses(round(seconds, 3), factor)
        if any(
            pauses.after(number) * grown > pause + 1e-9 for number, pause in zip(between, ours, strict=True)
        ):
            break
        total = sum(pauses.after(number) for number in between)
        if total > kept:
            best, kept = pauses, total
    return best


def deadline(rendered: RenderedNode) -> dict[str, Any]:
    """Return after what time Argo ends a pod of the node, as an entry of a template; nothing if the run's own time is all."""
    node: Node = rendered.node
    if rendered.role is not Role.WORK or node.timeout_seconds is None:
        return {}
    pauses = [node.retry.backoff.delay_seconds(number, 0.0) for number in range(1, node.retry.max_attempts)]
    seconds = math.ceil(node.timeout_seconds + max(pauses, default=0.0)) + rendered.options.grace_seconds
    return {"activeDeadlineSeconds": seconds} if seconds <= LONGEST_DEADLINE else {}


def _duration(seconds: float) -> str:
    """Return a number of seconds, rounded down to milliseconds, as Argo reads it."""
    return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"


def _power(factor: int, exponent: int) -> float:
    try:
        return float(factor) ** exponent
    except OverflowError:
        return math.inf
