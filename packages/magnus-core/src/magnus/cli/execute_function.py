"""`magnus execute_function`."""

from __future__ import annotations

from typing import Annotated

import typer

from magnus.cli.options import ConfigFile, Json, Level, LogLevel, ParametersFile, RunId, Strict, Tag
from magnus.cli.single_task import DataFolder, PutInCatalog

app = typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)


@app.command()
def execute_function(
    function: Annotated[str, typer.Argument(help="Its dotted name, module.function.")],
    config_file: ConfigFile = None,
    parameters_file: ParametersFile = None,
    data_folder: DataFolder = None,
    put_in_catalog: PutInCatalog = None,
    run_id: RunId = None,
    tag: Tag = "",
    strict: Strict = False,
    as_json: Json = False,
    log_level: Level = LogLevel.INFO,
) -> None:
    """Run one function as a run of its own, whose one step has the name of the function.

    Its arguments are filled by name from the parameters; a dict that it returns becomes parameters.
    """
    from magnus.cli.single_task import run_task_and_exit
    from magnus.usecases.outcome import Request
    from magnus.usecases.single_task import SingleTask

    task = SingleTask(function, "python", data_folder, tuple(put_in_catalog or ()))
    request = Request(
        config_file=config_file, parameters_file=parameters_file, run_id=run_id, tag=tag, strict=strict
    )
    run_task_and_exit(task, request, as_json=as_json, log_level=log_level)
