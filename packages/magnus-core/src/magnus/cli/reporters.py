"""Show people how a run goes: plain lines, or colours where a terminal can show them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from magnus.domain.run_log import Status

if TYPE_CHECKING:
    from magnus.domain.run_log import RunLog, StepLog
    from magnus.engine.reporting import Reporter
    from magnus.engine.terminal import Terminal
    from magnus.usecases.outcome import Request


def make_reporter(
    terminal: Terminal, log_level: str, resume: str = "", config_file: str | None = None
) -> Reporter:
    """Return the reporter for where stderr leads: a person's terminal, or a file, a pipe, a CI log.

    Args:
        terminal: Where to write.
        log_level: The least grave of what is told.
        resume: The command that continues the run, without the run's id; empty where there is none.
        config_file: The configuration with which the run can be found again; None for the usual places.
    """
    is_watched = terminal.stderr.isatty()
    has_colours = is_watched and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    style = _Colours() if has_colours else _Plain()
    return LineReporter(
        terminal,
        log_level,
        style,
        options=_option("-c", config_file),
        resume=resume,
        tells_starts=is_watched,
    )


def resume_command(request: Request) -> str:
    """Return what to type to continue a run that came of *request*, up to the run's id; empty for no pipeline file."""
    if request.pipeline_file is None or request.single_step is not None:
        return ""
    options = _option("-f", request.pipeline_file) + _option("-c", request.config_file)
    return f"magnus execute{options} --use-cached"


def _option(name: str, value: str | None) -> str:
    if value is None:
        return ""
    if set(value) - _PLAIN_CHARACTERS or not value:
        from shlex import quote

        value = quote(value)
    return f" {name} {value}"


_PLAIN_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-")
"""What no shell takes apart; other names are quoted."""


class _Plain:
    """No colours."""

    def mark(self, status: str, text: str) -> str:
        """Return *text* as it is."""
        return text


class _Colours:
    """The colours that people know for these things."""

    _CODES = {"SUCCESS": "32", "FAIL": "31", "skipped": "36", "warning": "33", "quiet": "2"}  # noqa: RUF012 - a constant

    def mark(self, status: str, text: str) -> str:
        """Return *text* in the colour of *status*."""
        return f"\x1b[{self._CODES[status]}m{text}\x1b[0m"


_LEVELS = {"DEBUG": 0, "INFO": 1, "WARNING": 2, "ERROR": 3, "FATAL": 4}
LEVELS = tuple(_LEVELS)


class LineReporter:
    """One line for each thing that happens."""

    def __init__(
        self,
        terminal: Terminal,
        log_level: str,
        style: _Plain | _Colours,
        *,
        options: str,
        resume: str,
        tells_starts: bool,
    ) -> None:
        """Write to stderr of *terminal* what is at least as grave as *log_level*.

        Args:
            terminal: Where to write.
            log_level: The least grave of what is told.
            style: How to mark words.
            options: What the commands that look at the run need behind their names.
            resume: The command that continues it, without the run's id; empty where there is none.
            tells_starts: Whether each step is told when it begins: who watches wants to know what is taking so long.
        """
        self._terminal = terminal
        self._shown = _LEVELS[log_level]
        self._style = style
        self._options = options
        self._resume = resume
        self._start_level = "INFO" if tells_starts else "DEBUG"
        self._done = self._failed = self._skipped = 0

    def _line(self, level: str, text: str) -> None:
        if _LEVELS[level] >= self._shown:
            self._terminal.write_error(f"{text}\n")

    def run_started(self, run: RunLog) -> None:
        """Say which run it is, and which it continues."""
        continues = f", continuing {run.original_run_id}" if run.original_run_id else ""
        self._line("INFO", f"run {run.run_id}{continues}")

    def step_started(self, step: StepLog, attempt_number: int) -> None:
        """Say it at the second attempt; at the first to who watches, or wants to know everything."""
        if attempt_number > 1:
            self._line("INFO", f"{step.internal_name}: attempt {attempt_number}")
        else:
            self._line(self._start_level, self._style.mark("quiet", f"{step.internal_name}: started"))

    def step_ended(self, step: StepLog) -> None:
        """Say how the step ended, how long it took, and what a reader should know."""
        if step.mock:
            self._skipped += 1
            self._line("INFO", self._style.mark("skipped", f"{step.internal_name}: skipped, {step.message}"))
            return
        self._done += 1
        seconds = f" in {step.attempts[-1].duration:.1f} s" if step.attempts else ""
        if step.status is Status.SUCCESS:
            status = self._style.mark("SUCCESS", "SUCCESS")
            self._line("INFO", f"{step.internal_name}: {status}{seconds}")
        else:
            self._failed += 1
            tried = f" after {len(step.attempts)} attempts" if len(step.attempts) > 1 else ""
            status = self._style.mark("FAIL", "FAIL")
            self._line("ERROR", f"{step.internal_name}: {status}{seconds}{tried}: {step.message}")

    def attempt_failed(self, step: StepLog, pause_seconds: float) -> None:
        """Say why, and when the next attempt comes."""
        again = f"again in {pause_seconds:.1f} s" if pause_seconds else "again at once"
        self._line("WARNING", self._style.mark("warning", f"{step.internal_name}: {step.message}; {again}"))

    def notice(self, message: str) -> None:
        """Pass it on."""
        self._line("INFO", self._style.mark("quiet", message))

    def warning(self, message: str) -> None:
        """Pass it on."""
        self._line("WARNING", self._style.mark("warning", f"warning: {message}"))

    def run_ended(self, run: RunLog) -> None:
        """Say how it ended and what to type next."""
        counts = self._counts()
        status = self._style.mark(run.status, run.status)
        if run.status is Status.SUCCESS:
            self._line("INFO", f"run {run.run_id}: {status}{counts}")
            return
        why = f": {run.message}" if run.message else ""
        self._line("ERROR", f"run {run.run_id}: {status}{counts}{why}")
        self._line("ERROR", f"look:   magnus runs show{self._options} {run.run_id}")
        if self._resume:
            self._line("ERROR", f"resume: {self._resume} {run.run_id}")

    def _counts(self) -> str:
        """Return how many steps were seen here; nothing where others saw them."""
        if not self._done and not self._skipped:
            return ""
        counts = "1 step" if self._done == 1 else f"{self._done} steps"
        counts += f", {self._failed} failed" if self._failed else ""
        counts += f", {self._skipped} skipped" if self._skipped else ""
        return f" ({counts})"

    def run_left(self, run: RunLog, reason: str) -> None:
        """Say what to type to go on with it, and to end it."""
        self._line("ERROR", f"run {run.run_id}: left, because this process was {reason}; its jobs go on")
        self._line("ERROR", f"attach: magnus runs attach{self._options} {run.run_id}")
        self._line("ERROR", f"end:    magnus runs reap{self._options} {run.run_id}")
