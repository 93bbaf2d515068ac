"""A graph as a picture that stands alone: SVG, with no script, font or address from elsewhere."""

from __future__ import annotations

import unicodedata
from html import escape
from typing import TYPE_CHECKING

from magnus.domain.role import TERMINAL_TYPES
from magnus.usecases.drawing.labels import branch_title, shortened, subtitle
from magnus.usecases.drawing.layers import GAP_X, Placed, Segment, place
from magnus.usecases.drawing.outline import FAILS, SUCCEEDS
from magnus.usecases.drawing.style import STYLE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from magnus.domain.graph import Graph
    from magnus.domain.nodes import Node

_MARGIN = 24.0
_PADDING = 18.0
_HEADER = 46.0
_BRANCH_HEADER = 28.0
_LEGEND = 56.0
_ARROW = 10.0
_LEGEND_WIDTH = 480.0
_CHARACTER = 7.6
_SMALL_CHARACTER = 6.5
_LONGEST = 40


def to_svg(graph: Graph) -> str:
    """Return *graph* as an SVG document."""
    picture = _Picture(graph)
    width = max(picture.width, _LEGEND_WIDTH) + 2 * _MARGIN
    height = picture.height + 2 * _MARGIN + _LEGEND
    title = escape(_clean(graph.name or "pipeline"))
    left = (width - picture.width) / 2
    return "\n".join(
        [
            _opening(width, height),
            f"<title>{title}</title>",
            f"<style>{STYLE}</style>",
            _arrow(SUCCEEDS),
            _arrow(FAILS),
            '<rect class="paper" width="100%" height="100%"/>',
            *picture.draw(left, _MARGIN),
            *_legend(_MARGIN, height - _LEGEND / 2),
            "</svg>",
            "",
        ]
    )


def _opening(width: float, height: float) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" role="img" class="magnus">'
    )


def _arrow(kind: str) -> str:
    return (
        f'<defs><marker id="arrow-{kind}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" '
        f'orient="auto"><path class="tip {kind}" d="M0,0.5 L10,5 L0,9.5 z"/></marker></defs>'
    )


def _legend(x: float, y: float) -> Iterator[str]:
    for kind, text, offset in ((SUCCEEDS, "next, after success", 0.0), (FAILS, "on_failure", 190.0)):
        yield f'<path class="edge {kind}" d="M{x + offset:.1f},{y:.1f} h34" marker-end="url(#arrow-{kind})"/>'
        yield f'<text class="second" x="{x + offset + 42:.1f}" y="{y + 4:.1f}">{text}</text>'
    yield f'<text class="second" x="{x:.1f}" y="{y + 22:.1f}">any other failure leads to the fail node</text>'


class _Picture:
    """A graph, the graphs inside it, and where everything goes."""

    def __init__(self, graph: Graph) -> None:
        """Lay *graph* out, the inner graphs first."""
        self._graph = graph
        self._placed: dict[int, Placed] = {}
        for inner in reversed(_all_graphs(graph)):
            sizes = {name: self._size(node) for name, node in inner.nodes.items()}
            self._placed[id(inner)] = place(inner, sizes)
        self.width = self._placed[id(graph)].width
        self.height = self._placed[id(graph)].height

    def draw(self, x: float, y: float) -> Iterator[str]:
        """Yield the elements, with the upper left corner at *x*, *y*."""
        pending = [(self._graph, x, y)]
        while pending:
            graph, left, top = pending.pop()
            placed = self._placed[id(graph)]
            yield from (_edge(segment, left, top) for segment in placed.segments)
            for name, node in graph.nodes.items():
                spot = placed.spots[name]
                corner = (left + spot.x - spot.width / 2, top + spot.y)
                if not node.branches:
                    yield from _node(node, *corner, spot.width, spot.height)
                    continue
                yield from _composite(node, *corner, spot.width, spot.height)
                for title, inner, box in self._branch_boxes(node, *corner, spot.width):
                    yield from _branch(title, *box)
                    pending.append((inner, box[0] + _PADDING, box[1] + _BRANCH_HEADER + _PADDING / 2))

    def _size(self, node: Node) -> tuple[float, float]:
        """Return width and height of a node, whose inner graphs are laid out already."""
        own = _label_width(node)
        if not node.branches:
            return max(own, 110.0), 48.0 if subtitle(node) else 34.0
        boxes = [self._branch_size(node, name, graph) for name, graph in node.branches.items()]
        width = sum(width for width, _ in boxes) + GAP_X / 2 * (len(boxes) - 1) + 2 * _PADDING
        return max(own, width), _HEADER + max(height for _, height in boxes) + _PADDING

    def _branch_size(self, node: Node, name: str, graph: Graph) -> tuple[float, float]:
        placed = self._placed[id(graph)]
        title = _text_width(shortened(branch_title(node, name), _LONGEST), _SMALL_CHARACTER)
        return max(placed.width, title) + 2 * _PADDING, placed.height + _BRANCH_HEADER + 1.5 * _PADDING

    def _branch_boxes(
        self, node: Node, x: float, y: float, width: float
    ) -> Iterator[tuple[str, Graph, tuple[float, float, float, float]]]:
        sizes = [self._branch_size(node, name, graph) for name, graph in node.branches.items()]
        used = sum(size[0] for size in sizes) + GAP_X / 2 * (len(sizes) - 1)
        left = x + (width - used) / 2
        tallest = max(size[1] for size in sizes)
        for (name, graph), (branch_width, _) in zip(node.branches.items(), sizes, strict=True):
            yield branch_title(node, name), graph, (left, y + _HEADER, branch_width, tallest)
            left += branch_width + GAP_X / 2


def _all_graphs(graph: Graph) -> list[Graph]:
    """Return *graph* and all inside it, outer ones before inner ones."""
    found = [graph]
    for each in found:
        found.extend(inner for node in each.nodes.values() for inner in node.branches.values())
    return found


def _edge(segment: Segment, left: float, top: float) -> str:
    """Return a piece of an edge: straight past its neighbours in the layer, a curve in the gap between layers."""
    start, end = segment.start, segment.end
    x1, x2 = left + start.x, left + end.x
    y1, y2 = top + start.y + start.height, top + end.y
    # The last pixels are straight: an arrowhead points where its line ends.
    bend1, bend2 = top + start.layer_bottom, top + end.layer_top - _ARROW
    middle = (bend1 + bend2) / 2
    path = (
        f"M{x1:.1f},{y1:.1f} V{bend1:.1f} C{x1:.1f},{middle:.1f} {x2:.1f},{middle:.1f} {x2:.1f},{bend2:.1f}"
    )
    if end.is_point:
        return f'<path class="edge {segment.kind}" d="{path} V{top + end.layer_bottom:.1f}"/>'
    return f'<path class="edge {segment.kind}" d="{path} V{y2:.1f}" marker-end="url(#arrow-{segment.kind})"/>'


def _node(node: Node, x: float, y: float, width: float, height: float) -> Iterator[str]:
    kind = _css_class(node)
    radius = height / 2 if node.type in TERMINAL_TYPES else 7
    second = subtitle(node)
    yield "<g>"
    yield f"<title>{escape(_clean(_tooltip(node)))}</title>"
    yield (
        f'<rect class="node {kind}" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="{radius:.0f}"/>'
    )
    middle = x + width / 2
    yield _text("first", middle, y + (20 if second else height / 2 + 4.5), node.name)
    if second:
        yield _text("second", middle, y + 37, second)
    yield "</g>"


def _composite(node: Node, x: float, y: float, width: float, height: float) -> Iterator[str]:
    yield (
        f'<rect class="composite" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="10"/>'
    )
    yield _text("first left", x + _PADDING, y + 20, node.name)
    yield _text("second left", x + _PADDING, y + 36, subtitle(node))


def _branch(title: str, x: float, y: float, width: float, height: float) -> Iterator[str]:
    yield f'<rect class="branch" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="8"/>'
    yield _text("second left", x + _PADDING, y + 18, title)


def _text(css_class: str, x: float, y: float, text: str) -> str:
    return f'<text class="{css_class}" x="{x:.1f}" y="{y:.1f}">{escape(_clean(shortened(text, _LONGEST)))}</text>'


def _css_class(node: Node) -> str:
    if node.type in TERMINAL_TYPES:
        return node.type
    return "task" if node.task is not None else "pass"


def _tooltip(node: Node) -> str:
    second = subtitle(node)
    return f"{node.name}\n{second}" if second else node.name


def _label_width(node: Node) -> float:
    first = _text_width(shortened(node.name, _LONGEST), _CHARACTER)
    second = _text_width(shortened(subtitle(node), _LONGEST), _SMALL_CHARACTER)
    return max(first, second) + 2 * _PADDING


def _text_width(text: str, character: float) -> float:
    """Return about how wide *text* is, in pixels: East Asian characters take twice the place of others."""
    return sum(character * (1.9 if unicodedata.east_asian_width(each) in "WF" else 1.0) for each in text)


def _clean(text: str) -> str:
    """Replace what XML cannot hold."""
    return "".join(
        each if each.isprintable() or each == "\n" else "\N{REPLACEMENT CHARACTER}" for each in text
    )
