"""`magnus emulate`."""

from __future__ import annotations

from typing import Annotated

import typer

from magnus.cli.options import RunId

app = typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)


@app.command()
def emulate(
    file: Annotated[str, typer.Argument(help="What `magnus execute` has rendered.", show_default=False)],
    run_id: RunId = None,
    containers: Annotated[
        bool,
        typer.Option(
            "--containers",
            help="Run commands in containers of the images that the file names; needs `docker`.",
        ),
    ] = False,
    environment: Annotated[
        list[str] | None,
        typer.Option(
            "--environment",
            "-e",
            help="NAME=VALUE, or NAME for its value here: for every command; repeatable.",
        ),
    ] = None,
) -> None:
    """Run a rendered pipeline on this machine, as its orchestrator would; for trying it before it is handed over.

    Reads the rendered file alone, and refuses what magnus does not render. Exits with 1 if the orchestrator would show a
    failure. Commands run as processes with this environment, in this folder.
    """
    from magnus.cli.tables import remark
    from magnus.usecases.emulate import emulate as work

    if not work(file, run_id, _variables(environment or []), remark, in_containers=containers):
        raise typer.Exit(1)


def _variables(given: list[str]) -> dict[str, str]:
    import os

    from magnus.errors import ConfigurationError

    variables = {}
    for each in given:
        name, equals, value = each.partition("=")
        if not equals and name not in os.environ:
            message = f"--environment {name}: there is no such variable here; give it a value: {name}=VALUE"
            raise ConfigurationError(message)
        variables[name] = value if equals else os.environ[name]
    return variables
