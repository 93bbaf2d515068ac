from __future__ import annotations

import re
from typing import Any

import pytest

from magnus.builtin.node_types import DagNode, MapNode, ParallelNode
from magnus.domain.graph import Graph
from magnus.domain.nodes import MapSettings, Node
from magnus.domain.parameters import Value, encode_all
from magnus.errors import ExecutionError

ENDS = {"done": Node("done", "success", {}), "failed": Node("failed", "fail", {})}
GRAPH = Graph("done", ENDS)
OTHER = Graph("done", ENDS)
MAP = Node("each", "map", {}, map=MapSettings("xs", "x"), branches={"x": GRAPH})


def fan_out(value: Any) -> list[tuple[str, Graph, tuple[str, Any] | None]]:
    """Return the branches of a map over *value*."""
    return list(MapNode().fan_out(MAP, encode_all({"xs": value}, "test")))


def test_a_parallel_node_opens_its_branches_in_declared_order() -> None:
    """They have no item."""
    node = Node("p", "parallel", {}, branches={"b": GRAPH, "a": OTHER})
    assert ParallelNode().fan_out(node, {}) == [("b", GRAPH, None), ("a", OTHER, None)]


def test_a_dag_node_opens_one_branch() -> None:
    """Its name is `dag`."""
    assert DagNode().fan_out(Node("d", "dag", {}, branches={"dag": GRAPH}), {}) == [("dag", GRAPH, None)]


def test_a_map_opens_a_branch_for_every_item() -> None:
    """In the order of the list; names are reversible where the item is no plain string."""
    assert fan_out(["b", 1, "a.b"]) == [
        ("b", GRAPH, ("x", "b")),
        ("%=1", GRAPH, ("x", 1)),
        ("a%2Eb", GRAPH, ("x", "a.b")),
    ]


def test_an_empty_list_opens_no_branch() -> None:
    """The step succeeds with nothing done."""
    assert fan_out([]) == []


def test_two_equal_items_are_an_error() -> None:
    """They would share a name."""
    with pytest.raises(ExecutionError, match=re.escape("finds the item 'a' twice in the parameter 'xs'")):
        fan_out(["a", "b", "a"])


@pytest.mark.parametrize(
    ("value", "found"),
    [("abc", "text"), ({"a": 1}, "a mapping"), (None, "nothing (null)"), (3, "a whole number")],
)
def test_a_map_over_anything_but_a_list_is_an_error(value: Any, found: str) -> None:
    """It says what the parameter holds."""
    with pytest.raises(ExecutionError, match=re.escape(f"which holds {found}; expected a list")):
        fan_out(value)


def test_a_map_over_a_parameter_that_is_not_there_is_an_error() -> None:
    """The nearest name is offered."""
    with pytest.raises(
        ExecutionError, match=re.escape("no one has set; there are: xss. Did you mean 'xss'?")
    ):
        MapNode().fan_out(MAP, encode_all({"xss": []}, "test"))


def test_parallel_branches_are_joined_in_declared_order() -> None:
    """The last one wins, and a conflict is told."""
    outputs = [("b", {"k": Value("1"), "m": Value("3")}), ("a", {"k": Value("2")})]
    merged, conflicts = ParallelNode().fan_in(Node("p", "parallel", {}), outputs)
    assert {name: value.decode() for name, value in merged.items()} == {"k": 2, "m": 3}
    assert len(conflicts) == 1


def test_map_branches_are_joined_into_lists() -> None:
    """Null stands where a branch did not set a key."""
    merged, conflicts = MapNode().fan_in(MAP, [("a", {"k": Value("1")}), ("b", {})])
    assert {name: value.decode() for name, value in merged.items()} == {"k": [1, None]}
    assert conflicts == []
