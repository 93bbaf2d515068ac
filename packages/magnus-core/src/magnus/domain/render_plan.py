"""A pipeline as it is handed to an orchestrator: graphs in one flat list, and what is to be called for each node.

Pure data, the same for every target. It holds no secret: commands name files, and what is secret is read where steps run.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus.domain.graph import Graph
    from magnus.domain.nodes import Node
    from magnus.domain.role import Role


class Token(Enum):
    """What is known only when the run goes on; each target writes it in its own syntax."""

    RUN_ID = "run id"
    """The run's id, one argument."""
    MAP_VARIABLE = "map variable"
    """A JSON object of the items of the maps around a node, outermost first, one argument."""
    REASON = "reason"
    """Why a run ended before its time, one argument."""


Command = tuple[str | Token, ...]
"""An argument vector, never a shell line."""


class RenderedNode(NamedTuple):
    """One node.

    Attributes:
        key: Names it, short and unique in the plan: ASCII letters in lower case, digits and single hyphens, a letter first.
        node: The definition: task, `retry`, `timeout`, `resources`, the map's settings, the place in the user's files.
        role: What is done with it.
        path: What `--step-name` calls it.
        options: The executor's options for it: overrides and placeholders resolved, validated.
        next: The key of the node after success; empty for one that closes its graph.
        on_failure: The key of the node after failure, the graph's fail node where nothing else is said; empty as *next*.
        branches: The keys of the graphs that it holds by branch name, in declared order. A map's one graph is under its
            `iterate_as`.
        command: Runs one attempt of the node, or closes its graph; empty for a composite node.
        fan_out: Opens the branches of a composite node; empty for others.
        fan_in: Joins them.
        is_finished: Whether it had ended in the run that is continued, so that it need not be called, nor anything in it: a
            renderer lets it pass to *next*. Only nodes of the outermost graph are, from its beginning on.
    """

    key: str
    node: Node
    role: Role
    path: str
    options: Any
    next: str
    on_failure: str
    branches: Mapping[str, str]
    command: Command
    fan_out: Command
    fan_in: Command
    is_finished: bool = False

    @property
    def place(self) -> str:
        """Where it was defined, as `file:line`; empty for a pipeline written in Python."""
        place = self.node.place
        return f"{place.path}:{place.line}" if place else ""


class RenderedGraph(NamedTuple):
    """One graph: the outermost, or a branch.

    Attributes:
        key: As that of a node, and different from that of any node.
        graph: The definition.
        path: The names of the steps and branches that lead to it; none for the outermost.
        start_at: The key of its first node.
        nodes: In declared order.
        items: The names (`iterate_as`) of the items of the maps around it, outermost first.
    """

    key: str
    graph: Graph
    path: tuple[str, ...]
    start_at: str
    nodes: tuple[RenderedNode, ...]
    items: tuple[str, ...]


class RenderPlan(NamedTuple):
    """A whole pipeline. Graphs nest without limit, so they are a list, and no reader has to recurse.

    Attributes:
        graphs: The outermost first, each before those that its nodes hold: in reverse, every graph comes after what it needs.
        dag_hash: The hash of the outermost graph.
        magnus_version: The version that made the plan.
        pipeline_file: The pipeline file as the nodes name it.
        config_file: The configuration file likewise; None for the usual places.
        parameters_file: The parameters file likewise; None for none.
        tag: The user's mark.
        stop: Closes the run as failed for a reason, after it was ended from outside.
        original_run_id: The run that is continued; empty for none.
    """

    graphs: tuple[RenderedGraph, ...]
    dag_hash: str
    magnus_version: str
    pipeline_file: str
    config_file: str | None
    parameters_file: str | None
    tag: str
    stop: Command
    original_run_id: str = ""

    @property
    def root(self) -> RenderedGraph:
        """The outermost graph."""
        return self.graphs[0]

    @property
    def max_time_seconds(self) -> float:
        """How long the run may take in all."""
        return self.root.graph.max_time_seconds
