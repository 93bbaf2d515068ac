"""A graph in the language of Graphviz."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnus.usecases.drawing.labels import branch_title, shortened, subtitle
from magnus.usecases.drawing.outline import FAILS, Closed, Edge, Leaf, outline

if TYPE_CHECKING:
    from magnus.domain.graph import Graph
    from magnus.domain.nodes import Node

_LONGEST_SUBTITLE = 60
_ATTRIBUTES = {
    "success": 'shape=box, style="rounded,filled", fillcolor="#e3f6e8"',
    "fail": 'shape=box, style="rounded,filled", fillcolor="#fbe4e4"',
}


def to_dot(graph: Graph) -> str:
    """Return *graph* as a Graphviz digraph: composite nodes and branches are clusters."""
    lines = [
        f"digraph {_quoted(graph.name or 'pipeline')} {{",
        "  compound=true;",
        '  node [shape=box, fontname="sans-serif"];',
        '  edge [fontname="sans-serif"];',
    ]
    depth = 1
    anchors: dict[str, str] = {}
    opened: list[str] = []
    for item in outline(graph):
        indent = "  " * depth
        if isinstance(item, Closed):
            depth -= 1
            opened.pop()
            lines.append(f"{'  ' * depth}}}")
        elif isinstance(item, Edge):
            lines.append(f"{indent}{_edge(item, anchors)}")
        elif isinstance(item, Leaf):
            for cluster in opened:
                anchors.setdefault(cluster, item.id)
            extra = _ATTRIBUTES.get(item.node.type, "")
            lines.append(f"{indent}{item.id} [label={_label(item.node)}{', ' if extra else ''}{extra}];")
        else:
            opened.append(item.id)
            label = _quoted(branch_title(item.node, item.branch)) if item.branch else _label(item.node)
            lines += [f"{indent}subgraph cluster_{item.id} {{", f"{indent}  label={label};"]
            depth += 1
    return "\n".join([*lines, "}"]) + "\n"


def _edge(edge: Edge, anchors: dict[str, str]) -> str:
    """Return an edge; one from or to a cluster is drawn from or to a node inside it, and cut off at its border."""
    attributes = []
    if edge.source in anchors:
        attributes.append(f"ltail=cluster_{edge.source}")
    if edge.target in anchors:
        attributes.append(f"lhead=cluster_{edge.target}")
    if edge.kind == FAILS:
        attributes += ['label="on_failure"', "style=dashed", 'color="#c0392b"', 'fontcolor="#c0392b"']
    ends = f"{anchors.get(edge.source, edge.source)} -> {anchors.get(edge.target, edge.target)}"
    return f"{ends} [{', '.join(attributes)}];" if attributes else f"{ends};"


def _label(node: Node) -> str:
    second = shortened(subtitle(node), _LONGEST_SUBTITLE)
    return _quoted(f"{node.name}\n{second}" if second else node.name)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "")
    return f'"{escaped}"'
