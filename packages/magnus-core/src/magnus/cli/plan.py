"""`magnus plan`."""

from __future__ import annotations

import os

import typer

from magnus.cli.options import ConfigFile, Json, ParametersFile, PipelineFile, Strict, UseCached

app = typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)


@app.command()
def plan(
    file: PipelineFile = "pipeline.yaml",
    config_file: ConfigFile = None,
    parameters_file: ParametersFile = None,
    use_cached: UseCached = None,
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """Say what each node would do, and why; nothing is run or made.

    With --use-cached it says which steps of that run would be skipped, as if everything that runs succeeded.
    """
    from magnus.cli.plan_list import print_plan
    from magnus.usecases.outcome import Request
    from magnus.usecases.plan import make_plan

    request = Request(
        pipeline_file=file,
        config_file=config_file,
        parameters_file=parameters_file,
        use_cached=use_cached,
        strict=strict,
    )
    print_plan(make_plan(request, os.environ), as_json=as_json)
