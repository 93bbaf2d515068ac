"""What an attempt means for its step when it cannot say so itself, and when the next one comes: with a traversal or without."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, NamedTuple

from magnus.domain.run_log import Status, StepAttempt
from magnus.engine.interrupt import INTERRUPTED
from magnus.engine.step_files import drop_staged
from magnus.errors import MagnusError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus.domain.jobs import JobEnd
    from magnus.domain.nodes import Node, RetryPolicy
    from magnus.domain.run_log import StepLog
    from magnus.engine.context import RunContext
    from magnus.engine.interrupt import StopRun
    from magnus.engine.step import StepRunner


class Begun(NamedTuple):
    """An attempt that is under way in another process.

    Attributes:
        node: Its node.
        number: Counted from 1.
        started: When it began, UTC, ISO 8601.
        started_at: The same on the monotonic clock.
        parameters: What it started from, as it stands in a record.
    """

    node: Node
    number: int
    started: str
    started_at: float
    parameters: Mapping[str, Any]

    def ended(
        self, context: RunContext, message: str, exit_code: int | None, failure: list[str]
    ) -> StepAttempt:
        """Return the record of its failure, which was now."""
        return StepAttempt(
            self.number,
            start_time=self.started,
            end_time=context.clock.timestamp(),
            duration=round(context.clock.monotonic() - self.started_at, 6),
            status=Status.FAIL,
            message=message,
            exit_code=exit_code,
            failure=failure,
            parameters=dict(self.parameters),
        )


def pause_seconds(run_id: str, step_name: str, retry: RetryPolicy, failed_attempts: int) -> float:
    """Return how long after the failed attempt numbered *failed_attempts* the next one begins."""
    # Seeded, so that a test, and a run that is read later, can tell why an attempt came when it did.
    chance = random.Random(f"{run_id}/{step_name}/{failed_attempts}")  # noqa: S311 - spreads attempts, protects nothing
    return retry.backoff.delay_seconds(failed_attempts, chance.random())


def record_lost(context: RunContext, run_here: StepRunner, step: StepLog, begun: Begun, end: JobEnd) -> None:
    """Record an attempt that could not record itself, and what its step is now."""
    message = end.message or "it ended without a trace in the run log"
    failure = [end.failure] if end.failure else []
    step.attempts.append(begun.ended(context, message, end.exit_code, failure))
    run_here.keep_log(end.job, step)
    _drop_files(context, step, begun.number)
    step.message = message
    again = end.retryable and begun.node.retry.allows_another(begun.number, failure)
    step.status = Status.PROCESSING if again else Status.FAIL
    context.recorder.add_step_log(step, durable=True)


def record_stopped(context: RunContext, step: StepLog, begun: Begun | None, stop: StopRun) -> None:
    """Record that a step was stopped: the attempt that is under way, if one *begun* is, and the step itself."""
    step = context.recorder.get_step_log(step.internal_name) or step
    if begun is not None and len(step.attempts) < begun.number:
        step.attempts.append(begun.ended(context, stop.reason, None, [INTERRUPTED]))
        _drop_files(context, step, begun.number)
    elif step.attempts and INTERRUPTED in step.attempts[-1].failure:
        # A worker recorded that we stopped it; why we did, it could not know.
        step.attempts[-1].message = stop.reason
    if step.status is not Status.SUCCESS:
        step.message = stop.reason
        step.status = Status.FAIL
    context.recorder.add_step_log(step)
    context.reporter.step_ended(step)


def _drop_files(context: RunContext, step: StepLog, attempt_number: int) -> None:
    """Drop what an attempt had stored that could not do so itself; what stays is found by no step."""
    step.data_catalog = [entry for entry in step.data_catalog if entry.stage != "put"]
    try:
        drop_staged(context.services.catalog, context.run_id, step.internal_name, attempt_number)
    except MagnusError as error:
        context.reporter.warning(f"the files of '{step.internal_name}' could not be dropped: {error}")
