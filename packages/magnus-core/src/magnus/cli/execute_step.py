"""`magnus execute_step`."""

from __future__ import annotations

from typing import Annotated

import typer

from magnus.cli.options import (
    ConfigFile,
    Json,
    Level,
    LogLevel,
    ParametersFile,
    PipelineFile,
    RunId,
    Strict,
    Tag,
)

app = typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)


@app.command()
def execute_step(
    step: Annotated[str, typer.Argument(help="The name of a step of the outermost graph.")],
    file: PipelineFile = "pipeline.yaml",
    config_file: ConfigFile = None,
    parameters_file: ParametersFile = None,
    run_id: RunId = None,
    tag: Tag = "",
    strict: Strict = False,
    as_json: Json = False,
    log_level: Level = LogLevel.INFO,
) -> None:
    """Run one step of the outermost graph; the others count as done. A composite step runs with all that is in it."""
    from magnus.cli.running import run_and_exit
    from magnus.usecases.outcome import Request

    request = Request(
        pipeline_file=file,
        config_file=config_file,
        parameters_file=parameters_file,
        run_id=run_id,
        tag=tag,
        strict=strict,
        single_step=step,
    )
    run_and_exit(request, as_json=as_json, log_level=log_level)
