"""What the engine tells whoever watches a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from magnus.domain.run_log import RunLog, StepLog


class Reporter(Protocol):
    """Shows how a run goes. Called from one thread; must not raise."""

    def run_started(self, run: RunLog) -> None:
        """The run log exists and the first step comes next."""

    def step_started(self, step: StepLog, attempt_number: int) -> None:
        """An attempt at a task begins."""

    def step_ended(self, step: StepLog) -> None:
        """A task, or a composite node, has ended for good or was skipped."""

    def attempt_failed(self, step: StepLog, pause_seconds: float) -> None:
        """An attempt failed and another follows after *pause_seconds*."""

    def notice(self, message: str) -> None:
        """What a run is waiting for, or what it found."""

    def warning(self, message: str) -> None:
        """Something a person should know, but that stops nothing."""

    def run_ended(self, run: RunLog) -> None:
        """The run log is closed."""

    def run_left(self, run: RunLog, reason: str) -> None:
        """This process ends for *reason*, and the jobs of the run go on without it."""


class SilentReporter:
    """Shows nothing."""

    def run_started(self, run: RunLog) -> None:
        """Do nothing."""

    def step_started(self, step: StepLog, attempt_number: int) -> None:
        """Do nothing."""

    def step_ended(self, step: StepLog) -> None:
        """Do nothing."""

    def attempt_failed(self, step: StepLog, pause_seconds: float) -> None:
        """Do nothing."""

    def notice(self, message: str) -> None:
        """Do nothing."""

    def warning(self, message: str) -> None:
        """Do nothing."""

    def run_ended(self, run: RunLog) -> None:
        """Do nothing."""

    def run_left(self, run: RunLog, reason: str) -> None:
        """Do nothing."""
