"""`magnus fan`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from magnus.cli.inside import Definition, GivenRunId, IfReached, InOrder, MapVariable, StepName
from magnus.cli.options import CachedConfig, ConfigFile, Level, LogLevel, ParametersFile, Tag, UseCached

app = typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)


class Mode(StrEnum):
    """Which end of a composite node."""

    OUT = "out"
    IN = "in"


@app.command()
def fan(
    step_name: StepName,
    run_id: GivenRunId,
    mode: Annotated[Mode, typer.Option("--mode", "-m", help="`out` opens the branches, `in` joins them.")],
    file: Definition = None,
    config_file: ConfigFile = None,
    parameters_file: ParametersFile = None,
    map_variable: MapVariable = None,
    tag: Tag = "",
    lines: Annotated[
        bool,
        typer.Option(
            "--lines",
            help="With `out`: one line of JSON for each branch; for one of a map its --map-variable.",
        ),
    ] = False,
    items_to: Annotated[
        str,
        typer.Option(
            "--items-to",
            help="With `out`: a file, or a URL that the executor knows, for a JSON list with the --map-variable of each item.",
        ),
    ] = "",
    in_order: InOrder = False,
    use_cached: UseCached = None,
    cached_config: CachedConfig = None,
    if_reached: IfReached = False,
    log_level: Level = LogLevel.INFO,
) -> None:
    """Open the branches of a composite node, or join them when all have ended.

    `out` prints the items of a map, or the names of other branches, as a JSON list on stdout; with `--lines` in ASCII, one
    line for each, which is what `--map-variable` takes inside that branch; with `--items-to` nothing. Exits with 1 if the step
    failed: at `out` because its branches cannot be told, at `in` because one of them failed.
    """
    import json
    import sys
    from functools import partial

    from magnus.cli.inside import take_part
    from magnus.domain.run_log import Status
    from magnus.usecases.branches import fan_in, fan_out
    from magnus.usecases.inside_run import Part
    from magnus.usecases.node_address import read_map_variable

    items = read_map_variable(map_variable)
    part = Part(
        *(run_id, step_name, file, config_file, parameters_file, items, tag),
        in_order=in_order,
        if_reached=if_reached,
        use_cached=use_cached,
        cached_config=cached_config,
    )
    if mode is Mode.IN:
        status = take_part(fan_in, part, log_level)
    else:
        status, branches, map_variables = take_part(partial(fan_out, items_to=items_to), part, log_level)
        if items_to:
            pass  # they are there
        elif lines:
            sys.stdout.writelines(f"{json.dumps(each)}\n" for each in map_variables or branches)
        else:
            sys.stdout.write(json.dumps(branches, ensure_ascii=False) + "\n")
    if status is Status.FAIL:
        raise typer.Exit(1)
