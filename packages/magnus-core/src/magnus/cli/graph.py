"""`magnus graph`."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from typing import Annotated

import typer

from magnus.cli.options import PipelineFile

app = typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)


class _Format(StrEnum):
    """What a graph can be drawn as."""

    MERMAID = "mermaid"
    DOT = "dot"
    SVG = "svg"
    HTML = "html"


@app.command()
def graph(
    file: PipelineFile = "pipeline.yaml",
    format_: Annotated[
        _Format, typer.Option("--format", help="As text for Mermaid or Graphviz, or as a picture.")
    ] = (_Format.MERMAID),
    output: Annotated[str, typer.Option("--output", "-o", help="The file to write; - for stdout.")] = "-",
) -> None:
    """Draw the graph of a pipeline, with the branches inside it."""
    from magnus.usecases.graph import draw_file

    text = draw_file(file, format_.value, os.environ)
    if output == "-":
        sys.stdout.write(text)
        return
    from magnus.cli.tables import remark
    from magnus.cli.text_file import write_text

    write_text(output, text)
    remark(f"written: {output}")
