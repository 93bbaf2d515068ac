"""Loads a pipeline: from a file, or from the plain mapping that the Python interface makes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from magnus.definition.blocks import RawBlock, collect_blocks
from magnus.definition.findings import Findings, in_order
from magnus.definition.graph_builder import GraphBuilder
from magnus.definition.node_kinds import Kinds
from magnus.definition.source import read_document
from magnus.definition.words import found
from magnus.errors import DefinitionError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus.domain.graph import Graph
    from magnus.plugins.manager import AdapterManager


class Pipeline(NamedTuple):
    """What a pipeline file says.

    Attributes:
        graph: The checked graph; the graphs of other files are part of it.
        blocks: The configuration that stands in the file itself, which every other source of configuration wins over.
        variables: Names of the `MAGNUS_VAR_` variables that were used.
        files: What was read, the pipeline file first.
    """

    graph: Graph
    blocks: Mapping[str, RawBlock]
    variables: frozenset[str]
    files: tuple[str, ...]


def load_pipeline(
    path: str | os.PathLike[str], *, environ: Mapping[str, str], adapters: AdapterManager
) -> Pipeline:
    """Read and check the pipeline file *path* and every file that it includes.

    Args:
        path: The file; messages show it as it is given here.
        environ: Where variables are looked up.
        adapters: Offers the node types and task types.

    Raises:
        DefinitionError: Holds every mistake of all the files.
    """
    document = read_document(path, environ=environ)
    if not isinstance(document.value, dict):
        message = f"the file holds {found(document.value)}; expected a mapping with 'dag'"
        raise DefinitionError(document.problem(message))
    builder = GraphBuilder(Kinds(adapters), environ)
    findings = Findings(document.path, builder.problems)
    blocks = collect_blocks(document.value, findings)
    folder = os.path.dirname(document.path)  # noqa: PTH120 - pathlib would drop the './' that a user wrote
    graph = builder.from_document(document, folder)
    builder.check_variables()
    _refuse(builder, graph)
    assert graph is not None  # noqa: S101 - for the type checker: without problems there is a graph
    return Pipeline(graph, blocks, frozenset(builder.variables), tuple(builder.files))


def build_graph(
    dag: Mapping[str, Any],
    *,
    adapters: AdapterManager,
    environ: Mapping[str, str] | None = None,
    folder: str | os.PathLike[str] = "",
) -> Graph:
    """Check the `dag` block *dag* and return its graph, whose nodes have no place.

    Args:
        dag: As in a pipeline file, in plain dicts and lists. The same content gives the same hash as a file.
        adapters: Offers the node types and task types.
        environ: Where the variables of included files are looked up; variables in *dag* itself are left alone.
        folder: What `dag_definition` is relative to; the current one if empty.

    Raises:
        DefinitionError: Holds every mistake.
    """
    builder = GraphBuilder(Kinds(adapters), environ or {})
    graph = builder.from_mapping(dag, os.fspath(folder))
    builder.check_variables()
    _refuse(builder, graph)
    assert graph is not None  # noqa: S101 - for the type checker: without problems there is a graph
    return graph


def _refuse(builder: GraphBuilder, graph: Graph | None) -> None:
    if builder.problems or graph is None:
        raise DefinitionError(in_order(builder.problems))
