"""Ends a run that nobody traverses: at its last node, or before its time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnus.domain.names import ROOT_BRANCH
from magnus.domain.run_log import Status
from magnus.engine.attached import record_left_open
from magnus.errors import ConfigurationError, InterruptedRunError

if TYPE_CHECKING:
    from magnus.domain.parameters import Values
    from magnus.domain.run_log import RunLog
    from magnus.engine.context import RunContext
    from magnus.engine.interrupt import StopRun
    from magnus.usecases.inside_run import InsideRun


def check_run_is_open(inside: InsideRun) -> None:
    """Refuse to add to a run that has ended.

    Raises:
        ConfigurationError: It has.
    """
    if inside.head.status.has_ended:
        message = (
            f"run '{inside.head.run_id}' has ended with {inside.head.status}, and nothing can be added to it; "
            f"continue it by `magnus execute --use-cached {inside.head.run_id}`"
        )
        raise ConfigurationError(message)


def last_values(context: RunContext) -> Values:
    """Return the parameters of the run as they are now."""
    values = context.recorder.get_parameters(ROOT_BRANCH)
    context.recorder.adopt(values.values())
    return values


def close_run(context: RunContext, head: RunLog, outcome: Status, values: Values) -> None:
    """Record that the run has ended, with what its parameters are then, and tell everyone."""
    head.status, head.end_time = outcome, context.clock.timestamp()
    context.recorder.set_run_log(head, values)
    tracker = context.services.experiment_tracker
    tracker.end_run(head.run_id, head.tag, succeeded=outcome is Status.SUCCESS)
    context.reporter.run_ended(head)


def stop_run(inside: InsideRun, reason: str) -> Status:
    """Record everything that is open, and then the run itself, as failed for *reason*; nothing may be running any more.

    One that has ended already stays as it is: some orchestrators call this after every run.

    Returns:
        How the run has ended.
    """
    context = inside.run.context
    inside = inside._replace(head=context.recorder.get_run_log())
    if inside.head.status.has_ended:
        return inside.head.status
    record_left_open(context, reason)
    inside.head.message = reason
    close_run(context, inside.head, Status.FAIL, last_values(context))
    return Status.FAIL


def stopped(inside: InsideRun, what: str, stop: StopRun) -> InterruptedRunError:
    """Return the error for *what* was stopped; the run is closed if its time is over, for nothing more may begin."""
    if stop.interrupted:
        return InterruptedRunError(f"{what} was {stop.reason}")
    stop_run(inside, stop.reason)
    return InterruptedRunError(f"{what} was stopped: {stop.reason}")
