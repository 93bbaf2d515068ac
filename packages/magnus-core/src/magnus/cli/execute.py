"""`magnus execute`."""

from __future__ import annotations

from typing import Annotated

import typer

from magnus.cli.options import (
    CachedConfig,
    ConfigFile,
    Json,
    Level,
    LogLevel,
    ParametersFile,
    PipelineFile,
    RunId,
    Strict,
    Tag,
    UseCached,
)

app = typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)


@app.command()
def execute(
    file: PipelineFile = "pipeline.yaml",
    config_file: ConfigFile = None,
    parameters_file: ParametersFile = None,
    run_id: RunId = None,
    tag: Tag = "",
    use_cached: UseCached = None,
    cached_config: CachedConfig = None,
    output: Annotated[
        str | None, typer.Option("--output", "-o", help="Where to write what is rendered; - for stdout.")
    ] = None,
    strict: Strict = False,
    pdb: Annotated[
        bool, typer.Option("--pdb", help="Run steps in this process, and begin the debugger where one fails.")
    ] = False,
    as_json: Json = False,
    log_level: Level = LogLevel.INFO,
) -> None:
    """Run a pipeline; with an executor that renders, write the orchestrator's own definition instead.

    Each step is on disk before the next one begins. A run that failed or was killed is continued with --use-cached.
    """
    from magnus.cli.running import run_and_exit
    from magnus.usecases.outcome import Request

    request = Request(
        pipeline_file=file,
        config_file=config_file,
        parameters_file=parameters_file,
        run_id=run_id,
        tag=tag,
        use_cached=use_cached,
        cached_config=cached_config,
        strict=strict,
        output=output,
        debugs=pdb,
    )
    run_and_exit(request, as_json=as_json, log_level=log_level)
