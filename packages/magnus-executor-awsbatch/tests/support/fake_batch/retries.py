"""Whether a failed attempt is followed by another: the retry strategy of the submission, or else of the definition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .jobs import Attempt, Job


def strategy_of(job: Job) -> Mapping[str, Any]:
    """Return the retry strategy of a job; empty if nobody gave one."""
    strategy: Mapping[str, Any] = (
        job.request.get("retryStrategy") or job.definition.get("retryStrategy") or {}
    )
    return strategy


def is_retried(job: Job, attempt: Attempt) -> bool:
    """Tell whether *attempt*, which failed, is followed by another.

    The first rule of `evaluateOnExit` whose patterns all match decides; without such a rule the job is retried.
    """
    strategy = strategy_of(job)
    if attempt.number >= strategy.get("attempts", 1):
        return False
    for rule in strategy.get("evaluateOnExit") or []:
        if _matches(rule, attempt):
            return str(rule["action"]).upper() == "RETRY"
    return True


def _matches(rule: Mapping[str, Any], attempt: Attempt) -> bool:
    exit_code = None if attempt.exit_code is None else str(attempt.exit_code)
    values = {"onStatusReason": attempt.status_reason, "onReason": attempt.reason, "onExitCode": exit_code}
    return all(_fits(rule[key], value or "") for key, value in values.items() if rule.get(key) is not None)


def _fits(pattern: str, value: str) -> bool:
    """Compare as the service does: a star at the end alone is special, and a lone one fits what is not there at all."""
    return value.startswith(pattern[:-1]) if pattern.endswith("*") else value == pattern
