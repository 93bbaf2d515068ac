"""What Argo does not take: too large, too deep, too many. Checked when rendering; of maps, where their items are told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from magnus.errors import ConfigurationError
from magnus_executor_argo.dags import OPEN

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magnus.domain.render_plan import RenderedGraph
    from magnus_executor_argo.config import ArgoOptions
    from magnus_executor_argo.yaml_text import Commented

LARGEST_WORKFLOW = 1024 * 1024
"""In bytes, as JSON: what Argo keeps of a workflow with all that has become of its nodes."""

ROOM_FOR_A_NODE = 150
"""Bytes that Argo, which compresses that, needs to remember one of its nodes: a task, a pod, a dag."""

DEEPEST = 99
"""Templates that call each other in a row."""

_NODES_OF_A_POD = 2
"""The pod, and what makes it again."""


def check_depth(graphs: Sequence[RenderedGraph]) -> None:
    """Refuse graphs that lie deeper than Argo goes.

    Raises:
        ConfigurationError: One does; names it.
    """
    for graph in graphs:
        # The graph and its pods, and two templates for each node and branch that lead there.
        if (depth := len(graph.path) + 2) > DEEPEST:
            message = (
                f"executor argo: the branch '{'.'.join(graph.path)}' lies {depth} templates deep, and Argo goes at most "
                f"{DEEPEST} deep; nest fewer dags"
            )
            raise ConfigurationError(message)


def keep_size(
    graphs: Sequence[RenderedGraph],
    templates: list[Commented],
    document: dict[str, Any],
    options: ArgoOptions,
) -> None:
    """Refuse a workflow that Argo would not keep; and have maps refuse more items than it has room for.

    Args:
        graphs: What is rendered.
        templates: As they stand in *document*. Those that tell the items of maps are told how many may be.
        document: The manifest.
        options: Of the workflow.

    Raises:
        ConfigurationError: It is too large.
    """
    size = len(json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode())
    nodes = _nodes_of(graphs)
    room = 0 if options.offload_node_status else ROOM_FOR_A_NODE
    left = LARGEST_WORKFLOW - size - nodes[graphs[0].key] * room
    if left < 0:
        message = (
            f"executor argo: the workflow takes {size:,} bytes, and {nodes[graphs[0].key] * room:,} more for what becomes of "
            f"its {nodes[graphs[0].key]:,} tasks and pods; Argo keeps at most {LARGEST_WORKFLOW:,} bytes of a workflow. Divide "
            "the dag, or put steps that are alike into a map"
        )
        raise ConfigurationError(message)
    if not room:
        return
    by_name = {template["name"]: template for template in templates}
    for graph in graphs:
        for node in graph.nodes:
            opens = by_name.get(f"{node.key}--{OPEN}")
            if node.node.map is not None and opens is not None:
                (key,) = node.branches.values()
                opens["container"]["args"][-1] += f"?most={_about(left // (nodes[key] * room))}"


def _about(number: int) -> int:
    """Return *number*, rounded down to two digits: it rests on an estimate, which a few bytes more do not change."""
    digits = str(number)
    return int(digits[:2] + "0" * len(digits[2:]))


def _nodes_of(graphs: Sequence[RenderedGraph]) -> dict[str, int]:
    """Return how many nodes Argo makes of each graph, with all that it holds; of a map those of one item."""
    nodes: dict[str, int] = {}
    for graph in reversed(graphs):
        nodes[graph.key] = 1
        for node in graph.nodes:
            inside = [nodes[key] for key in node.branches.values() if key in nodes]
            nodes[graph.key] += 2 * _NODES_OF_A_POD + 1 + sum(inside) if node.branches else _NODES_OF_A_POD
    return nodes
