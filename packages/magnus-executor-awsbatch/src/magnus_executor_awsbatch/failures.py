"""Why a job of AWS Batch ended: whose fault it was, and so which budget another try comes out of. Pure.

The reasons are texts that the service writes for people. They are recognised by how they begin, as its own `evaluateOnExit`
does; what is not recognised is taken for the code's own failure only if the container has left an exit code.
"""

from __future__ import annotations

import signal
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from magnus_executor_awsbatch.answers import JobState


class FailureClass(StrEnum):
    """Why a job did not do its work, other than by its code's own failure."""

    HOST_RECLAIMED = "host-reclaimed"
    NOT_STARTED = "not-started"
    THROTTLED = "throttled"
    UNSCHEDULABLE = "unschedulable"
    LOST = "lost"


DEFAULT_BUDGETS = {
    FailureClass.HOST_RECLAIMED: 3,
    FailureClass.NOT_STARTED: 1,
    FailureClass.THROTTLED: 8,
    FailureClass.UNSCHEDULABLE: 0,
    FailureClass.LOST: 0,
}
"""How often a job is tried again. A job that nobody can see any more may still run: trying it again is for who knows better."""

RECLAIMED_REASONS = ("Host EC2", "Your Spot Task was interrupted")
TIMED_OUT_REASON = "Job attempt duration exceeded timeout"
_NOT_STARTED_REASONS = (
    "CannotPull",
    "CannotStart",
    "CannotCreate",
    "CannotInspect",
    "DockerTimeout",
    "DockerStateError",
    "InternalError",
    "ResourceInitializationError",
    "Task failed to start",
    "TaskFailedToStart",
    "EssentialContainerExited: CannotStart",
)
_UNSCHEDULABLE_REASON = "MISCONFIGURATION:"
_OUT_OF_MEMORY = "OutOfMemory"
_BY_SIGNAL = 128


class Cause(NamedTuple):
    """Why a job failed.

    Attributes:
        message: One sentence, and the remedy where there is one.
        failure_class: Whose fault it was; None for the step's own failure, which the user's `retry` is for.
        failure: The name that `retry_on` knows it by; empty for none.
        exit_code: Of the container; None where there was none.
        may_mend: Whether another try could go better: no budget is spent on what is certain to fail again.
    """

    message: str
    failure_class: FailureClass | None = None
    failure: str = ""
    exit_code: int | None = None
    may_mend: bool = True


def blocked(state: JobState) -> Cause | None:
    """Return why a job that waits will never be started; None if it may be."""
    if not state.reason.startswith(_UNSCHEDULABLE_REASON):
        return None
    return unschedulable(state.reason)


def unschedulable(reason: str) -> Cause:
    """Explain that no compute environment will ever start the job."""
    message = (
        f"Batch can never start the job: {reason}; let it ask for less (`resources`), or choose a queue whose compute "
        "environments are enabled and large enough"
    )
    return Cause(message, FailureClass.UNSCHEDULABLE)


def lost(reason: str) -> Cause:
    """Explain that nobody knows what became of the job."""
    return Cause(f"the job is lost: {reason}; it may still run", FailureClass.LOST)


def throttled(reason: str) -> Cause:
    """Explain that the job could not be submitted for too many calls."""
    return Cause(f"AWS was too busy to take the job: {reason}", FailureClass.THROTTLED)


def timed_out(seconds: float) -> Cause:
    """Explain that the attempt took too long; the same words as on every executor."""
    return Cause(f"timed out after {seconds:g} s", failure="timeout")


def did_nothing(last_words: str) -> Cause:
    """Explain a job that says it succeeded, of which the run log knows nothing."""
    said = f": {last_words}" if last_words else ""
    return Cause(
        f"the container ended well without running the step{said}; its entry point did not run the command that it was given: "
        'let it end with exec "$@"',
        FailureClass.NOT_STARTED,
        exit_code=0,
        may_mend=False,
    )


def ended(state: JobState, *, has_begun: bool, refusal: str, last_words: str) -> Cause:
    """Explain a job that Batch says has failed, and that left nothing in the run log.

    Args:
        state: What Batch says.
        has_begun: Whether magnus, in the job, began the attempt.
        refusal: Why it did not, if it said so.
        last_words: What the job printed last.
    """
    said = f": {last_words}" if last_words else ""
    why = "; ".join(dict.fromkeys(text for text in (state.container_reason, state.reason) if text))
    if refusal:
        return Cause(refusal, FailureClass.NOT_STARTED, exit_code=state.exit_code, may_mend=False)
    if state.reason.startswith(RECLAIMED_REASONS):
        return Cause(
            f"the host of the job was reclaimed ({state.reason})",
            FailureClass.HOST_RECLAIMED,
            exit_code=state.exit_code,
        )
    if state.container_reason.startswith(_OUT_OF_MEMORY):
        return _out_of_memory(state)
    if state.is_terminated:
        message = f"the job was terminated, and not by this run: {state.reason or 'no reason was given'}"
        return Cause(message, FailureClass.LOST, exit_code=state.exit_code, may_mend=False)
    if why and (
        state.container_reason.startswith(_NOT_STARTED_REASONS)
        or state.reason.startswith(_NOT_STARTED_REASONS)
    ):
        return Cause(
            f"the container could not be started: {why}; look whether the image exists, holds magnus, and may be fetched by "
            "the execution role",
            FailureClass.NOT_STARTED,
            exit_code=state.exit_code,
        )
    if state.exit_code is None:
        return lost(f"Batch says that it failed, without an exit code ({why or 'and without a reason'})")
    if not has_begun:
        return Cause(
            f"magnus could not begin in the container, which ended with exit code {state.exit_code}{said}; look whether the "
            "image holds magnus, in the version that is used here, and lets it run (`magnus build_docker` makes one that does)",
            FailureClass.NOT_STARTED,
            exit_code=state.exit_code,
        )
    return _broken_off(state.exit_code)


def _out_of_memory(state: JobState) -> Cause:
    code = 137 if state.exit_code is None else state.exit_code
    return Cause(
        f"the step was killed because it needed more than its memory ({state.container_reason}); give it more "
        "(`resources: {memory: ...}`), or let it need less",
        failure=f"exit:{code}",
        exit_code=code,
    )


def _broken_off(exit_code: int) -> Cause:
    if exit_code > _BY_SIGNAL:
        number = exit_code - _BY_SIGNAL
        try:
            name = signal.Signals(number).name
        except ValueError:
            name = str(number)
        message = f"the process of the step was ended by the signal {name}"
    else:
        message = f"the process of the step ended by itself with exit code {exit_code}"
    return Cause(message, failure=f"exit:{exit_code}", exit_code=exit_code)
