"""`magnus execute_single_branch`."""

from __future__ import annotations

from typing import Annotated

import typer

from magnus.cli.inside import Definition, GivenRunId, MapVariable
from magnus.cli.options import ConfigFile, Level, LogLevel

app = typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)


@app.command()
def execute_single_branch(
    branch_name: Annotated[
        str, typer.Option("--branch-name", help="The branch's dotted path, as in the run log.")
    ],
    run_id: GivenRunId,
    file: Definition = None,
    config_file: ConfigFile = None,
    map_variable: MapVariable = None,
    log_level: Level = LogLevel.INFO,
) -> None:
    """Walk one branch of a run, which `magnus fan --mode out` has opened; exits with 1 if it failed."""
    from magnus.cli.inside import take_part
    from magnus.domain.run_log import Status
    from magnus.usecases.branches import execute_single_branch as work
    from magnus.usecases.inside_run import Part
    from magnus.usecases.node_address import read_map_variable

    part = Part(run_id, branch_name, file, config_file, map_variable=read_map_variable(map_variable))
    if take_part(work, part, log_level) is Status.FAIL:
        raise typer.Exit(1)
