"""`magnus execute_single_node`."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from magnus.cli.inside import Definition, GivenRunId, IfReached, InOrder, MapVariable, StepName
from magnus.cli.options import CachedConfig, ConfigFile, Level, LogLevel, ParametersFile, Tag, UseCached

ANOTHER_ATTEMPT = os.EX_TEMPFAIL
"""Exit code 75 of sysexits.h: not now, but try again. It differs from 1, so that nobody waits to try in vain."""

app = typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)


@app.command()
def execute_single_node(
    step_name: StepName,
    run_id: GivenRunId,
    file: Definition = None,
    config_file: ConfigFile = None,
    parameters_file: ParametersFile = None,
    map_variable: MapVariable = None,
    tag: Tag = "",
    stopped_because: Annotated[
        str,
        typer.Option(
            "--stopped-because",
            help="For the last fail node: the run was ended from outside; close it, with this reason.",
        ),
    ] = "",
    in_order: InOrder = False,
    use_cached: UseCached = None,
    cached_config: CachedConfig = None,
    if_reached: IfReached = False,
    job_from_stdin: Annotated[
        bool, typer.Option("--job-from-stdin", hidden=True, help="For processes that magnus starts itself.")
    ] = False,
    job_from: Annotated[
        str, typer.Option("--job-from", hidden=True, help="For processes that magnus starts itself.")
    ] = "",
    log_level: Level = LogLevel.INFO,
) -> None:
    """Run one attempt of one node of a run; success and fail nodes close their branch, or the run.

    Exits with 75 if the attempt failed and `retry` allows another, which the same command runs; with 1 if the step has failed
    for good, and at the fail node that closes the whole run. A step that has ended is not run again: the exit code tells
    how it had ended. With --in-order a step that has failed for good, or was not reached, exits with 0: what is called next
    finds out from the run log. With --if-reached nothing is run where nothing leads: for orchestrators that take any exit
    code but 0 for a failure, though the run cannot go on after others than 1.
    """
    from magnus.domain.run_log import Status

    if job_from_stdin or job_from:
        from magnus.engine.terminal import Terminal
        from magnus.usecases.forwarded_job import run_forwarded_job

        with Terminal() as terminal:
            status = run_forwarded_job(terminal, job_from)
        raise typer.Exit(status is Status.FAIL)
    from magnus.cli.inside import take_part
    from magnus.usecases.inside_run import Part
    from magnus.usecases.node_address import read_map_variable
    from magnus.usecases.single_node import execute_single_node as work

    items = read_map_variable(map_variable)
    part = Part(
        *(run_id, step_name, file, config_file, parameters_file, items, tag),
        stopped_because=stopped_because,
        in_order=in_order,
        if_reached=if_reached,
        use_cached=use_cached,
        cached_config=cached_config,
    )
    status = take_part(work, part, log_level)
    if status is not Status.SUCCESS:
        raise typer.Exit(1 if status is Status.FAIL else ANOTHER_ATTEMPT)
