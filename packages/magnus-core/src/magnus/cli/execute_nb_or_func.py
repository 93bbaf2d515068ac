"""`magnus execute_nb_or_func`."""

from __future__ import annotations

from typing import Annotated

import typer

from magnus.cli.inside import GivenRunId
from magnus.cli.options import ConfigFile, Level, LogLevel, ParametersFile, Tag
from magnus.cli.single_task import DataFolder, PutInCatalog

app = typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)


@app.command()
def execute_nb_or_func(
    name: Annotated[str, typer.Argument(help="A notebook, by its ending .ipynb, or else a function.")],
    run_id: GivenRunId,
    config_file: ConfigFile = None,
    parameters_file: ParametersFile = None,
    data_folder: DataFolder = None,
    put_in_catalog: PutInCatalog = None,
    tag: Tag = "",
    log_level: Level = LogLevel.INFO,
) -> None:
    """Run the notebook or function of a run where an executor has sent it; exits with 1 if it failed.

    A run that does not exist begins and ends here.
    """
    from functools import partial

    from magnus.cli.inside import take_part
    from magnus.domain.run_log import Status
    from magnus.usecases.inside_run import Part
    from magnus.usecases.single_task import execute_task_inside, task_of

    task = task_of(name, data_folder, tuple(put_in_catalog or ()))
    part = Part(run_id, task.step_name, None, config_file, parameters_file, tag=tag)
    if take_part(partial(execute_task_inside, task), part, log_level) is Status.FAIL:
        raise typer.Exit(1)
