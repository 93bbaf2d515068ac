"""Puts the nodes of one graph into layers and gives them places: longest path, barycentres, then straightened columns.

Edges that cross layers go through points of their own. All such edges of one kind to one node share them, so that
a chain of 20,000 nodes whose failures all lead to one node needs 20,000 points, and not the square of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING

from magnus.domain.role import TERMINAL_TYPES
from magnus.usecases.drawing.outline import FAILS, SUCCEEDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from magnus.domain.graph import Graph

GAP_X = 28.0
GAP_Y = 44.0
_POINT_WIDTH = 10.0
_SWEEPS = 6


@dataclass(slots=True)
class Spot:
    """Something that has a place in a layer: a node, or a point that an edge goes through.

    Attributes:
        key: The node's name, or layer, target and kind of the edges that go through a point.
        width: In pixels.
        height: In pixels; 0 for a point.
        x: The middle, from the left border.
        y: The upper border, from the top.
        layer_top: The upper border of its layer.
        layer_bottom: The lower border of its layer.
        up: The spots of the layer above that lead here.
        down: The spots of the layer below that this leads to.
    """

    key: str | tuple[int, str, str]
    width: float
    height: float
    x: float = 0.0
    y: float = 0.0
    layer_top: float = 0.0
    layer_bottom: float = 0.0
    up: list[Spot] = field(default_factory=list)
    down: list[Spot] = field(default_factory=list)

    @property
    def is_point(self) -> bool:
        """Whether it is no node."""
        return isinstance(self.key, tuple)

    @property
    def is_linked(self) -> bool:
        """Whether an edge leads here or away."""
        return bool(self.up or self.down)


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of an edge between two neighbouring layers; several edges may share it.

    Attributes:
        start: Where it comes from.
        end: Where it goes.
        kind: `next` or `on_failure`.
    """

    start: Spot
    end: Spot
    kind: str


@dataclass(frozen=True, slots=True)
class Placed:
    """A graph with a place for everything.

    Attributes:
        width: In pixels.
        height: In pixels.
        spots: By the names of the nodes.
        segments: The edges, in pieces.
    """

    width: float
    height: float
    spots: Mapping[str, Spot]
    segments: Sequence[Segment]


def place(graph: Graph, sizes: Mapping[str, tuple[float, float]]) -> Placed:
    """Give every node of *graph* (not of its branches) a place; *sizes* holds their widths and heights."""
    numbers = _layer_numbers(graph)
    spots = {name: Spot(name, *sizes[name]) for name in graph.nodes}
    layers: list[list[Spot]] = [[] for _ in range(max(numbers.values()) + 1)]
    for name, spot in spots.items():
        layers[numbers[name]].append(spot)
    segments = _segments(graph, numbers, spots, layers)
    for segment in segments:
        segment.start.down.append(segment.end)
        segment.end.up.append(segment.start)
    _order(layers)
    width = _columns(layers)
    height = _rows(layers)
    return Placed(width, height, spots, segments)


def _layer_numbers(graph: Graph) -> dict[str, int]:
    """Return the length of the longest path to each node; the fail node stands at the end, wherever it is led to from."""
    targets = {
        name: [target for target in (node.next, node.on_failure) if target is not None]
        for name, node in graph.nodes.items()
    }
    waiting = dict.fromkeys(graph.nodes, 0)
    for names in targets.values():
        for name in names:
            waiting[name] += 1
    numbers = dict.fromkeys(graph.nodes, 0)
    ready = [name for name, count in waiting.items() if not count]
    while ready:
        name = ready.pop()
        for target in targets[name]:
            numbers[target] = max(numbers[target], numbers[name] + 1)
            waiting[target] -= 1
            if not waiting[target]:
                ready.append(target)
    last = max(numbers.values())
    for name, node in graph.nodes.items():
        if node.type in TERMINAL_TYPES:
            numbers[name] = last
    return numbers


def _segments(
    graph: Graph, numbers: Mapping[str, int], spots: Mapping[str, Spot], layers: list[list[Spot]]
) -> list[Segment]:
    points: dict[tuple[int, str, str], Spot] = {}
    segments: list[Segment] = []
    for name, node in graph.nodes.items():
        for kind, target in ((SUCCEEDS, node.next), (FAILS, node.on_failure)):
            if target is None:
                continue
            here = spots[name]
            for layer in range(numbers[name] + 1, numbers[target]):
                key = (layer, target, kind)
                is_known = key in points
                if not is_known:
                    points[key] = Spot(key, _POINT_WIDTH, 0.0)
                    layers[layer].append(points[key])
                segments.append(Segment(here, points[key], kind))
                here = points[key]
                if is_known:  # from here on the way has been laid by another edge
                    break
            else:
                segments.append(Segment(here, spots[target], kind))
    return segments


def _order(layers: list[list[Spot]]) -> None:
    """Order each layer by where its neighbours stand, down and up again, so that few edges cross."""
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        for layer, before in _pairs(layers, down=down):
            at = {id(spot): index / max(len(before) - 1, 1) for index, spot in enumerate(before)}
            middle = {}
            for index, spot in enumerate(layer):
                near = [at[id(other)] for other in (spot.up if down else spot.down)]
                own = index / max(len(layer) - 1, 1) if spot.is_linked else inf
                middle[id(spot)] = sum(near) / len(near) if near else own
            layer.sort(key=lambda spot: middle[id(spot)])


def _pairs(layers: list[list[Spot]], *, down: bool) -> list[tuple[list[Spot], list[Spot]]]:
    if down:
        return list(zip(layers[1:], layers, strict=False))
    return list(zip(reversed(layers[:-1]), reversed(layers[1:]), strict=False))


def _columns(layers: list[list[Spot]]) -> float:
    """Give every spot its *x* near those of its neighbours, without overlaps; return the width of all."""
    for layer in layers:
        _spread(layer, [0.0] * len(layer))
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        for layer, _ in _pairs(layers, down=down):
            wanted = []
            for spot in layer:
                near = [other.x for other in (spot.up if down else spot.down)]
                wanted.append(sum(near) / len(near) if near else spot.x)
            _spread(layer, wanted)
    for layer in layers:
        for index, spot in enumerate(layer):
            if index and not spot.is_linked:  # nothing holds it where it is: it stands beside its neighbour
                spot.x = layer[index - 1].x + _distance(layer[index - 1], spot)
    left = min(spot.x - spot.width / 2 for layer in layers for spot in layer)
    right = max(spot.x + spot.width / 2 for layer in layers for spot in layer)
    for layer in layers:
        for spot in layer:
            spot.x -= left
    return right - left


def _spread(layer: list[Spot], wanted: list[float]) -> None:
    """Put the spots of a layer near where they are *wanted*: the mean of pushing to the right and to the left."""
    rightwards: list[float] = []
    for index, spot in enumerate(layer):
        least = rightwards[-1] + _distance(layer[index - 1], spot) if rightwards else wanted[index]
        rightwards.append(max(wanted[index], least))
    leftwards = list(wanted)
    for index in range(len(layer) - 2, -1, -1):
        most = leftwards[index + 1] - _distance(layer[index], layer[index + 1])
        leftwards[index] = min(wanted[index], most)
    for spot, one, other in zip(layer, rightwards, leftwards, strict=True):
        spot.x = (one + other) / 2


def _distance(left: Spot, right: Spot) -> float:
    return (left.width + right.width) / 2 + GAP_X


def _rows(layers: list[list[Spot]]) -> float:
    """Give every spot its *y*, nodes in the middle of their layer; return the height of all."""
    top = 0.0
    for layer in layers:
        height = max(spot.height for spot in layer)
        for spot in layer:
            if spot.is_point:  # an edge goes straight through the whole layer
                spot.height = height
            spot.y = top + (height - spot.height) / 2
            spot.layer_top, spot.layer_bottom = top, top + height
        top += height + GAP_Y
    return top - GAP_Y
