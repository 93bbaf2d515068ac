"""`magnus schema`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

app = typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)


class _Document(StrEnum):
    """What there is a schema of."""

    PIPELINE = "pipeline"
    CONFIG = "config"
    RUN_LOG = "run-log"


@app.command()
def schema(document: Annotated[_Document, typer.Argument(help="What the schema is of.")]) -> None:
    """Print a JSON Schema: of pipelines or configurations with what is installed, or of run logs."""
    from magnus.cli.json_output import print_json

    if document is _Document.RUN_LOG:
        from magnus.domain.run_log_schema import run_log_schema

        print_json(run_log_schema())
        return
    from magnus.definition.schema import config_schema, pipeline_schema
    from magnus.plugins.discovery import find_plugins
    from magnus.plugins.manager import AdapterManager

    make = pipeline_schema if document is _Document.PIPELINE else config_schema
    print_json(make(AdapterManager(find_plugins())))
