from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from magnus.domain.graph import Graph, find_problems
from magnus.domain.nodes import Node, Place

if TYPE_CHECKING:
    from collections.abc import Iterable


def node(name: str, to: str | None = None, *, kind: str = "", **more: Any) -> Node:
    """Return a node that leads to *to*; a task unless *kind* says otherwise."""
    definition = {"type": kind or "task", **({"next": to} if to else {})}
    return Node(name, kind or "task", definition, next=to, **more)


DONE, FAILED = node("done", kind="success"), node("failed", kind="fail")


def graph_of(nodes: Iterable[Node], start_at: str = "a", **more: Any) -> Graph:
    """Return a graph of *nodes* and one of each terminal ones."""
    return Graph(start_at, {item.name: item for item in (*nodes, DONE, FAILED)}, **more)


def messages(graph: Graph) -> list[str]:
    """Return what is wrong with *graph*."""
    return [problem.message for problem in find_problems(graph)]


def test_a_graph_that_obeys_every_rule_has_no_problem() -> None:
    """A fail node needs no edge, and two nodes may lead to one."""
    assert messages(graph_of([node("a", "b", on_failure="c"), node("b", "done"), node("c", "done")])) == []


@pytest.mark.parametrize("kind", ["success", "fail"])
def test_a_graph_needs_both_ends(kind: str) -> None:
    """The missing one is named by its type."""
    whole = graph_of([node("a", "b", on_failure="done"), node("b", "done")])
    graph = whole._replace(nodes={name: item for name, item in whole.nodes.items() if item.type != kind})
    found = [problem.message for problem in find_problems(graph, edges_known=False)]
    assert found[0] == f"the graph has no node of type '{kind}'; it needs exactly one"


@pytest.mark.parametrize("kind", ["success", "fail"])
def test_a_graph_has_each_end_once(kind: str) -> None:
    """Every further one is told where it stands."""
    extra = node("extra", kind=kind, place=Place("p.yaml", 9, 5))
    graph = graph_of([node("a", "done", on_failure="extra"), extra])
    problem, *rest = find_problems(graph)
    other = "done" if kind == "success" else "failed"
    assert problem.message == (
        f"'{other}' is a second node of type '{kind}' beside 'extra'; a graph has exactly one"
    )
    assert (problem.path, rest) == (None, [])  # it stands where 'done' and 'failed' do: nowhere


def test_a_start_that_is_no_step_is_told_with_the_nearest_name() -> None:
    """At the place of the graph, and what cannot be reached then is no further problem with *edges_known* false."""
    graph = graph_of([node("prepare", "done")], "prepair", place=Place("p.yaml", 2, 3))
    (problem,) = find_problems(graph, edges_known=False)
    assert str(problem) == (
        "p.yaml:2:3: start_at names 'prepair', which is not a step. Did you mean 'prepare'?"
    )


@pytest.mark.parametrize("key", ["next", "on_failure"])
def test_an_edge_that_leads_nowhere_is_told_with_the_steps_there_are(key: str) -> None:
    """At the place of the step that it leaves."""
    edge: dict[str, Any] = {key: "zzz"}
    start = node("a", "done", place=Place("p.yaml", 4, 5))._replace(**edge)
    found = find_problems(graph_of([start]), edges_known=False)
    assert [str(problem) for problem in found] == [
        f"p.yaml:4:5: step 'a': {key} names 'zzz', which is not a step; the steps are 'a', 'done', 'failed'"
    ]


def test_only_the_first_steps_of_a_large_graph_are_listed() -> None:
    """A message is read by a person."""
    chain = [node(f"step {number}", f"step {number + 1}") for number in range(50)]
    (message,) = [
        problem.message
        for problem in find_problems(graph_of([*chain, node("step 50", "###")], "step 0"), edges_known=False)
    ]
    assert message.endswith("'step 6', 'step 7', ...")


@pytest.mark.parametrize(
    ("edges", "ring"),
    [
        ({"a": "a"}, "a -> a"),
        ({"a": "b", "b": "a"}, "a -> b -> a"),
        ({"a": "b", "b": "c", "c": "d", "d": "b"}, "b -> c -> d -> b"),
    ],
)
def test_a_cycle_is_told_once_with_its_ring(edges: dict[str, str], ring: str) -> None:
    """The steps that only lead into it are left out."""
    nodes = [node(name, to) for name, to in edges.items()]
    assert [text for text in messages(graph_of(nodes)) if "cycle" in text] == [
        f"the steps form a cycle: {ring}"
    ]


def test_a_cycle_through_a_failure_is_one_too() -> None:
    """It would go round for as long as the step fails."""
    nodes = [node("a", "done", on_failure="b"), node("b", "a")]
    assert messages(graph_of(nodes)) == ["the steps form a cycle: a -> b -> a"]


def test_two_cycles_are_both_told() -> None:
    """Also one that is never reached."""
    nodes = [node("a", "a", on_failure="done"), node("x", "y"), node("y", "x")]
    assert [text for text in messages(graph_of(nodes)) if "cycle" in text] == [
        "the steps form a cycle: a -> a",
        "the steps form a cycle: x -> y -> x",
    ]


def test_a_step_that_nothing_leads_to_is_told() -> None:
    """And so is the success node, but not the fail node."""
    nodes = [node("a", "failed"), node("lost", "done", place=Place("p.yaml", 7, 5))]
    found = [str(problem) for problem in find_problems(graph_of(nodes))]
    assert [text.partition(" is never")[0] for text in found] == ["p.yaml:7:5: step 'lost'", "step 'done'"]


def test_every_problem_of_a_graph_is_told_at_once() -> None:
    """Whoever mends the file sees them all."""
    graph = Graph("z", {item.name: item for item in (node("a", "nowhere"), node("b", "b"), DONE)})
    assert len(messages(graph)) == 7


def test_a_chain_of_20000_steps_is_checked_without_recursion() -> None:
    """Forwards, backwards, with a cycle that spans it all."""
    chain = [node(f"s{number}", f"s{number + 1}") for number in range(20_000)]
    assert messages(graph_of([*chain, node("s20000", "done")], "s0")) == []
    assert messages(graph_of(reversed([*chain, node("s20000", "done")]), "s0")) == []
    (cycle, *_) = messages(graph_of([*chain, node("s20000", "s0", on_failure="done")], "s0"))
    assert cycle.count("->") == 20_001


def test_the_hash_of_a_graph_leaves_out_what_has_no_meaning() -> None:
    """Its name, its description, where it stands, and the order of its keys."""
    nodes = [node("a", "b"), node("b", "done")]
    graph = graph_of(nodes)
    same = graph_of(reversed(nodes), name="n", description="d", place=Place("p.yaml", 1, 1))
    assert same.hash() == graph.hash()


@pytest.mark.parametrize(
    "other",
    [
        graph_of([node("a", "b"), node("b", "done")], "b"),
        graph_of([node("a", "b"), node("b", "failed")]),
        graph_of([node("a", "b"), node("c", "done")]),
        graph_of([node("a", "b"), node("b", "done")], max_time_seconds=60),
    ],
)
def test_the_hash_of_a_graph_tells_what_has_a_meaning(other: Graph) -> None:
    """Where it starts, how long it may take, and every node."""
    assert other.hash() != graph_of([node("a", "b"), node("b", "done")]).hash()


def test_every_node_of_nested_graphs_is_visited_with_the_names_that_lead_there() -> None:
    """However deep: there is no recursion."""
    depth = 2_000
    graph = graph_of([node("leaf", "done")], "leaf")
    for _ in range(depth):
        graph = graph_of([node("p", "done", kind="parallel", branches={"b": graph})], "p")
    found = {item.name: path for path, item in graph.walk() if item.name == "leaf"}
    assert found == {"leaf": ("p", "b") * depth}
    assert sum(1 for _ in graph.walk()) == 3 * (depth + 1)


def test_the_ends_of_a_graph_are_found_by_type() -> None:
    """Whatever they are called."""
    graph = graph_of([node("a", "done")])
    assert (graph.get_success_node(), graph.get_fail_node()) == (DONE, FAILED)
    assert graph.get_node_by_name("a").next == "done"
