"""What is written on a drawing of a graph, whatever its format."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnus.domain.role import TERMINAL_TYPES

if TYPE_CHECKING:
    from magnus.domain.nodes import Node


def subtitle(node: Node) -> str:
    """Return the second line of a node: what it does, as far as the name does not say it."""
    if node.task is not None:
        return f"{node.task.command_type}: {' '.join(node.task.command.split())}"
    if node.map is not None:
        return f"map {node.map.iterate_as} in {node.map.iterate_on}"
    return node.type if node.type not in TERMINAL_TYPES else ""


def branch_title(node: Node, branch: str) -> str:
    """Return the title of a branch of *node*."""
    return f"for each {node.map.iterate_as}" if node.map is not None else branch


def shortened(text: str, most: int) -> str:
    """Return *text* with at most *most* characters."""
    return text if len(text) <= most else f"{text[: most - 1]}…"
