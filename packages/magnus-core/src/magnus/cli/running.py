"""Runs a request from the command line: shows it, prints its run log if asked, and turns its outcome into an exit code."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import typer

from magnus.cli.json_output import print_json
from magnus.cli.reporters import make_reporter, resume_command
from magnus.cli.streams import output_problem
from magnus.domain.run_log import Status, full_dict
from magnus.engine.terminal import Terminal
from magnus.errors import InterruptedRunError, ServiceError
from magnus.usecases.execute import execute

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from magnus.domain.run_log import RunLog
    from magnus.engine.reporting import Reporter
    from magnus.usecases.outcome import Outcome, Request

    Work = Callable[[Request, Mapping[str, str], Terminal, Reporter], Outcome]


def run_and_exit(request: Request, *, as_json: bool, log_level: str, work: Work = execute) -> None:
    """Execute *request* by *work*; exits with 1 if the pipeline failed."""
    is_rendered_here = request.output == "-"
    out_to_err = as_json and not is_rendered_here
    with Terminal(out_to_err=out_to_err, hides_prints=not is_rendered_here) as terminal:
        reporter = make_reporter(terminal, log_level, resume_command(request), request.config_file)
        try:
            outcome = work(request._replace(wants_run_log=as_json), os.environ, terminal, reporter)
        except InterruptedRunError as error:
            if log_level == "FATAL":
                raise
            raise typer.Exit(error.exit_code) from error  # the reporter has told it already
        if outcome.rendered and outcome.rendered != "-":
            terminal.write_error(f"written: {outcome.rendered}\n")
    problem = ""
    if outcome.run_log is not None:
        problem = _print_run_log(outcome.run_log)
    if outcome.status is not Status.SUCCESS:
        if problem:
            sys.stderr.write(f"magnus: {problem}\n")
        raise typer.Exit(1)
    if problem:
        raise ServiceError(problem)


def _print_run_log(run: RunLog) -> str:
    """Print the run log; return the reason if stdout cannot be written."""
    problem = ""
    try:
        print_json(full_dict(run))
    except OSError as error:
        problem = error.strerror or type(error).__name__
    problem = output_problem() or problem
    return (
        f"cannot write the run log to stdout: {problem}; `magnus runs show {run.run_id} --json` prints it"
        if problem
        else ""
    )
