"""Why a job ended, by what Batch says of it; `test_failure_classes.py` has what becomes of each."""

from __future__ import annotations

from typing import Any

import pytest

from magnus_executor_awsbatch import failures
from magnus_executor_awsbatch.answers import JobState
from magnus_executor_awsbatch.failures import Cause, FailureClass


def ended(*, has_begun: bool = True, refusal: str = "", last_words: str = "", **said: Any) -> Cause:
    """Return the cause of a failed job of which Batch says *said*."""
    state = JobState("id", "FAILED")._replace(**said)
    return failures.ended(state, has_begun=has_begun, refusal=refusal, last_words=last_words)


@pytest.mark.parametrize(
    "reason",
    [
        "CannotPullContainerError: pull image manifest has been retried 5 time(s)",
        "CannotStartContainerError: Error response from daemon: failed to initialize logging driver",
        "CannotCreateContainerError: no space left on device",
        "CannotInspectContainerError: Could not transition to inspecting",
        "DockerTimeoutError: Could not transition to started; timed out after waiting 3m0s",
        "ResourceInitializationError: unable to pull secrets or registry auth",
        "TaskFailedToStart: CannotPullContainerError",
    ],
)
@pytest.mark.parametrize("field", ["reason", "container_reason"])
def test_a_container_that_could_not_start_is_known_by_its_reason(reason: str, field: str) -> None:
    """Wherever Batch puts it."""
    said: dict[str, Any] = {field: reason}
    cause = ended(**said)
    assert (cause.failure_class, cause.may_mend) == (FailureClass.NOT_STARTED, True)
    assert cause.message.startswith(f"the container could not be started: {reason};")


@pytest.mark.parametrize("reason", ["Host EC2 (instance i-1) terminated.", "Your Spot Task was interrupted."])
def test_a_reclaimed_host_is_known_by_its_reason(reason: str) -> None:
    """Whatever the container says, and whether or not the attempt had begun."""
    for has_begun in (True, False):
        cause = ended(reason=reason, exit_code=137, has_begun=has_begun)
        assert cause.failure_class is FailureClass.HOST_RECLAIMED


def test_a_refusal_comes_before_all_that_batch_says() -> None:
    """Magnus itself knows better."""
    cause = ended(refusal="no such module", reason="Host EC2 (x) terminated.", exit_code=3)
    assert cause == Cause("no such module", FailureClass.NOT_STARTED, exit_code=3, may_mend=False)


def test_too_little_memory_is_the_own_fault_of_the_step() -> None:
    """Though it was not the step that ended itself; Batch may leave out the exit code."""
    cause = ended(container_reason="OutOfMemoryError: Container killed due to memory usage")
    assert (cause.failure_class, cause.failure, cause.exit_code) == (None, "exit:137", 137)


def test_who_was_terminated_is_lost() -> None:
    """Though its container has an exit code."""
    cause = ended(is_terminated=True, exit_code=137)
    assert (cause.failure_class, cause.may_mend) == (FailureClass.LOST, False)
    assert cause.message == "the job was terminated, and not by this run: no reason was given"


def test_an_exit_code_counts_only_once_the_attempt_has_begun() -> None:
    """Before that it is one of the image."""
    assert ended(exit_code=1).failure_class is None
    assert ended(exit_code=1, has_begun=False).failure_class is FailureClass.NOT_STARTED


def test_what_batch_says_twice_is_told_once() -> None:
    """Of the job, and of its container."""
    cause = ended(reason="CannotPull x", container_reason="CannotPull x")
    assert cause.message.count("CannotPull x") == 1


@pytest.mark.parametrize(
    ("reason", "is_blocked"),
    [
        ("MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE - too small", True),
        ("MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - no such instance", True),
        ("CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - none free", False),
        ("UNDETERMINED - who knows", False),
        ("", False),
    ],
)
def test_only_a_misconfiguration_blocks_for_ever(reason: str, *, is_blocked: bool) -> None:
    """For capacity somebody may wait."""
    cause = failures.blocked(JobState("id", "RUNNABLE", reason))
    assert (cause is not None) is is_blocked
    assert cause is None or cause.failure_class is FailureClass.UNSCHEDULABLE


def test_every_class_has_a_budget() -> None:
    """What may still run is by default not started again, nor what can never start."""
    assert set(failures.DEFAULT_BUDGETS) == set(FailureClass)
    assert (
        failures.DEFAULT_BUDGETS[FailureClass.LOST]
        == failures.DEFAULT_BUDGETS[FailureClass.UNSCHEDULABLE]
        == 0
    )
