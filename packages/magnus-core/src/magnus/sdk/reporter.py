"""Tells a Python program how its run goes: through `logging`, or on stderr where that is not set up."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from magnus.domain.run_log import Status
from magnus.errors import ConfigurationError

if TYPE_CHECKING:
    from magnus.domain.run_log import RunLog, StepLog
    from magnus.engine.terminal import Terminal

LOGGER = "magnus"


class LoggingReporter:
    """One message for each thing that happens, to the logger `magnus`."""

    def __init__(self, terminal: Terminal, log_level: str) -> None:
        """Write to stderr of *terminal* what is at least as grave as *log_level*, unless a handler is there to be used.

        Raises:
            ConfigurationError: There is no such level.
        """
        levels = logging.getLevelNamesMapping()
        if log_level.upper() not in levels:
            message = f"no log level {log_level!r}; there are DEBUG, INFO, WARNING, ERROR and FATAL"
            raise ConfigurationError(message)
        self._shown = levels[log_level.upper()]
        self._terminal = terminal
        self._logger = logging.getLogger(LOGGER)

    def _tell(self, level: int, text: str) -> None:
        if self._logger.hasHandlers():
            self._logger.log(level, "%s", text)
        elif level >= self._shown:
            self._terminal.write_error(f"{text}\n")

    def run_started(self, run: RunLog) -> None:
        """Tell which run it is, and which it continues."""
        continues = f", continuing {run.original_run_id}" if run.original_run_id else ""
        self._tell(logging.INFO, f"run {run.run_id}{continues}")

    def step_started(self, step: StepLog, attempt_number: int) -> None:
        """Tell that an attempt begins."""
        self._tell(logging.DEBUG, f"{step.internal_name}: attempt {attempt_number}")

    def step_ended(self, step: StepLog) -> None:
        """Tell how it ended, or why it was skipped."""
        if step.mock:
            self._tell(logging.INFO, f"{step.internal_name}: skipped, {step.message}")
        elif step.status is Status.SUCCESS:
            self._tell(logging.INFO, f"{step.internal_name}: SUCCESS")
        else:
            self._tell(logging.ERROR, f"{step.internal_name}: FAIL: {step.message}")

    def attempt_failed(self, step: StepLog, pause_seconds: float) -> None:
        """Tell why, and when the next attempt comes."""
        self._tell(logging.WARNING, f"{step.internal_name}: {step.message}; again in {pause_seconds:.1f} s")

    def notice(self, message: str) -> None:
        """Pass it on."""
        self._tell(logging.INFO, message)

    def warning(self, message: str) -> None:
        """Pass it on."""
        self._tell(logging.WARNING, message)

    def run_ended(self, run: RunLog) -> None:
        """Tell how it ended."""
        level = logging.INFO if run.status is Status.SUCCESS else logging.ERROR
        self._tell(level, f"run {run.run_id}: {run.status}{f': {run.message}' if run.message else ''}")

    def run_left(self, run: RunLog, reason: str) -> None:
        """Tell that it goes on."""
        self._tell(
            logging.WARNING, f"run {run.run_id}: left, because this process was {reason}; its jobs go on"
        )
