"""`magnus adapters`, and `magnus adapters new`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from magnus.cli.options import Json

app = typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)


class _Port(StrEnum):
    """The ports that an adapter can be begun for."""

    CATALOG = "catalog"
    RUN_LOG_STORE = "run_log_store"
    SECRETS = "secrets"
    EXPERIMENT_TRACKER = "experiment_tracker"
    EXECUTOR = "executor"


@app.callback(invoke_without_command=True)
def adapters(context: typer.Context, as_json: Json = False) -> None:
    """Show what is installed, from which package, and what is broken."""
    if context.invoked_subcommand is not None:
        return
    from magnus.cli.adapter_list import print_installed
    from magnus.plugins.discovery import find_plugins
    from magnus.plugins.manager import AdapterManager
    from magnus.usecases.adapters import list_adapters

    print_installed(list_adapters(AdapterManager(find_plugins())), as_json=as_json)


@app.command("list")
def list_(context: typer.Context, as_json: Json = False) -> None:
    """The same as `magnus adapters`."""
    context.invoked_subcommand = None
    adapters(context, as_json=as_json)


@app.command()
def new(
    name: Annotated[str, typer.Argument(help="What configurations will call it, such as `my-bucket`.")],
    port: Annotated[_Port, typer.Option("--port", help="What it is an adapter for.")],
    directory: Annotated[
        str | None,
        typer.Option(
            "--directory", help="Where to write it; a new folder named like the package by default."
        ),
    ] = None,
) -> None:
    """Write a package with a small working adapter, whose tests pass at once; make it yours from there."""
    from magnus.cli.tables import remark
    from magnus.usecases.new_adapter import write_adapter

    written = write_adapter(name, port.value, directory)
    remark(f"written: {written}\ntest it:  pip install -e '{written}[test]' && pytest {written}")
