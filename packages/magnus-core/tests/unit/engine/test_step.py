from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from magnus.builtin.buffered import BufferedRunLogStore
from magnus.domain.jobs import Job
from magnus.domain.nodes import Node
from magnus.domain.run_log import RunLog, Status, StepAttempt, StepLog
from magnus.engine.masking import Masker
from magnus.engine.recorder import RunRecorder
from magnus.engine.reporting import SilentReporter
from magnus.engine.step import StepRunner

if TYPE_CHECKING:
    from collections.abc import Iterator

JOB = Job("run", "each.x.fit", Node("fit", "task", {"type": "task"}), 2)


class NotingReporter(SilentReporter):
    """Keeps what is noticed."""

    def __init__(self) -> None:
        """Nothing was."""
        self.noticed: list[str] = []

    def notice(self, message: str) -> None:
        """Keep it."""
        self.noticed.append(message)


class Lent:
    """What the core lends to executors, and what is behind it."""

    def __init__(self) -> None:
        """Begin a run."""
        self.recorder = RunRecorder(BufferedRunLogStore(), "run", Masker())
        self.recorder.create_run_log(RunLog("run"), {})
        self.reporter = NotingReporter()
        context: Any = SimpleNamespace(recorder=self.recorder, reporter=self.reporter)
        unused: Any = None
        self.runner = StepRunner(context, unused)


@pytest.fixture
def lent() -> Iterator[Lent]:
    """Return it."""
    made = Lent()
    with made.runner:
        yield made


@pytest.mark.parametrize(
    ("attempts", "is_recorded"),
    [([], False), ([Status.FAIL], False), ([Status.FAIL] * 2, True), ([Status.FAIL, Status.SUCCESS], True)],
)
def test_the_end_of_a_job_is_recorded_with_its_attempt(
    lent: Lent, attempts: list[Status], *, is_recorded: bool
) -> None:
    """Not with its step, which has begun before; nor with an earlier attempt."""
    log = [StepAttempt(number, "", status=status) for number, status in enumerate(attempts, 1)]
    lent.recorder.add_step_log(StepLog("fit", JOB.step_name, attempts=log))
    assert lent.runner.is_recorded(JOB) is is_recorded


def test_nothing_is_recorded_of_a_step_that_has_not_begun(lent: Lent) -> None:
    """It may be in flight all the same."""
    assert not lent.runner.is_recorded(JOB)


def test_what_an_executor_tells_is_noticed(lent: Lent) -> None:
    """By whoever watches the run."""
    lent.runner.tell("waiting for a machine")
    assert lent.reporter.noticed == ["waiting for a machine"]
