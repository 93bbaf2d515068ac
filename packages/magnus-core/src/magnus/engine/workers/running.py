"""One attempt at a step while it runs in a worker: the stages of the attempt, and what it prints."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

from magnus.engine.child import OUTPUTS, SecretNames
from magnus.engine.reporting import SilentReporter
from magnus.engine.step_output import StepOutput

if TYPE_CHECKING:
    from magnus.domain.jobs import JobEnd
    from magnus.engine.attempt import Attempt
    from magnus.engine.context import RunContext
    from magnus.engine.interrupt import StopRun
    from magnus.engine.workers.messages import TaskMessage


class Running:
    """An attempt on its way through a worker.

    Attributes:
        attempt: The attempt.
        deadline: The moment on the monotonic clock at which it has taken too long; None for no limit, or before it begins.
        timed_out: True once that moment has passed.
        stop: The reason for which the engine has ended it.
        end: How it ended, if it could not say so itself.
        has_ended: True once it is recorded.
    """

    def __init__(self, context: RunContext, attempt: Attempt) -> None:
        """Prepare to run *attempt*."""
        self.attempt = attempt
        self.deadline: float | None = None
        self.timed_out = False
        self.stop: StopRun | None = None
        self.end: JobEnd | None = None
        self.has_ended = False
        self._folder = f"{attempt.log_path}.d"
        self._secrets = SecretNames(f"{self._folder}/{OUTPUTS}")
        self.output = StepOutput(
            attempt.step.internal_name if context.names_steps else None,
            attempt.log_path,
            context.terminal,
            context.masker,
            context.reporter.warning,
        )

    def message(self) -> TaskMessage:
        """Return the message for the worker; the folder that it names is made when it is needed."""
        return self.attempt.message(self._folder)

    @property
    def has_had_children(self) -> bool:
        """True if the task has started a child process by means of magnus."""
        return os.path.exists(self._folder)

    def take_output(self, data: bytes, stream: int) -> None:
        """Show and keep what the task has printed; secrets that its children have fetched are hidden first."""
        self._secrets.tell_new(self.attempt.session.learn_secret)
        self.output.write(data, stream)

    def say(self, text: str) -> None:
        """Add a line of ours to the step's log."""
        self.output.write(f"{text}\n".encode(errors="backslashreplace"), 2)

    def warn(self, text: str) -> None:
        """Warn the person who watches the run; where only the step's output reaches them, by a line in it."""
        reporter = self.attempt.context.reporter
        if isinstance(reporter, SilentReporter):
            self.say(f"warning: {text}")
        reporter.warning(text)

    def close(self) -> None:
        """Remove the files of the attempt."""
        if self.has_had_children:
            shutil.rmtree(self._folder, ignore_errors=True)


def result_of(message: dict[str, Any]) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Return what a worker says of the end of its task: its results, or its failure.

    Raises:
        ValueError: The message has another form.
    """
    done, failed = message.get("done"), message.get("failed")
    if isinstance(done, dict):
        if not (
            isinstance(done.get("parameters"), dict)
            and isinstance(done.get("metrics"), list)
            and isinstance(done.get("message"), str)
        ):
            raise ValueError(message)  # noqa: TRY004 - the text of a message is wrong
        return done, None
    if not isinstance(failed, dict):
        raise ValueError(message)  # noqa: TRY004 - as above
    return None, failed
