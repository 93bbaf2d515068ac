"""A graph as Mermaid, which many web pages draw."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnus.domain.role import TERMINAL_TYPES
from magnus.usecases.drawing.labels import branch_title, shortened, subtitle
from magnus.usecases.drawing.outline import FAILS, Closed, Edge, Leaf, outline

if TYPE_CHECKING:
    from magnus.domain.graph import Graph
    from magnus.domain.nodes import Node

_LONGEST_SUBTITLE = 60


def to_mermaid(graph: Graph) -> str:
    """Return *graph* as a Mermaid flowchart."""
    lines = ["flowchart TD"]
    depth = 1
    failing: list[int] = []
    edges = 0
    for item in outline(graph):
        if isinstance(item, Closed):
            depth -= 1
            lines.append(f"{'  ' * depth}end")
        elif isinstance(item, Edge):
            if item.kind == FAILS:
                failing.append(edges)
                lines.append(f"{'  ' * depth}{item.source} -. on_failure .-> {item.target}")
            else:
                lines.append(f"{'  ' * depth}{item.source} --> {item.target}")
            edges += 1
        elif isinstance(item, Leaf):
            lines.append(f"{'  ' * depth}{item.id}{_shape(item.node)}")
        else:
            title = _escaped(branch_title(item.node, item.branch)) if item.branch else _label(item.node)
            lines.append(f'{"  " * depth}subgraph {item.id}["{title}"]')
            depth += 1
    if failing:
        lines.append(f"  linkStyle {','.join(map(str, failing))} stroke:#c0392b,color:#c0392b")
    return "\n".join(lines) + "\n"


def _shape(node: Node) -> str:
    label = _label(node)
    if node.type in TERMINAL_TYPES:
        return f'(["{label}"])'
    return f'["{label}"]' if node.task is not None else f'("{label}")'


def _label(node: Node) -> str:
    second = shortened(subtitle(node), _LONGEST_SUBTITLE)
    return f"{_escaped(node.name)}<br/>{_escaped(second)}" if second else _escaped(node.name)


def _escaped(text: str) -> str:
    """Return *text* with everything but letters, digits and spaces as Mermaid's entity codes: it knows no other quoting."""
    return "".join(
        character if character.isalnum() or character in " _-,:" else f"#{ord(character)};"
        for character in text
    )
