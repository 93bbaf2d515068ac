"""Draws a pipeline: the function behind `magnus graph`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnus.definition.pipeline import load_pipeline
from magnus.plugins.discovery import find_plugins
from magnus.plugins.manager import AdapterManager

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus.domain.graph import Graph

FORMATS = ("mermaid", "dot", "svg", "html")


def draw_file(pipeline_file: str, format_: str, environ: Mapping[str, str]) -> str:
    """Return the pipeline in *pipeline_file* as a document of the given format, one of `FORMATS`.

    Raises:
        DefinitionError: The file is wrong.
    """
    pipeline = load_pipeline(pipeline_file, environ=environ, adapters=AdapterManager(find_plugins()))
    return draw(pipeline.graph, format_)


def draw(graph: Graph, format_: str) -> str:
    """Return *graph* as a document of the given format, one of `FORMATS`."""
    if format_ == "mermaid":
        from magnus.usecases.drawing.mermaid import to_mermaid as to_text
    elif format_ == "dot":
        from magnus.usecases.drawing.dot import to_dot as to_text
    elif format_ == "svg":
        from magnus.usecases.drawing.svg import to_svg as to_text
    else:
        from magnus.usecases.drawing.html import to_html as to_text
    return to_text(graph)
