from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from magnus.builtin import node_types
from magnus.definition.pipeline import build_graph
from magnus.domain.graph import Graph
from magnus.domain.names import in_command
from magnus.domain.nodes import Node
from magnus.domain.render_plan import RenderedGraph, RenderedNode, RenderPlan, Token
from magnus.engine.rendering import Given, build_plan
from magnus.plugins.discovery import find_plugins
from magnus.plugins.manager import AdapterManager
from magnus.ports.node_type import Role
from magnus.usecases.node_address import find_node

if TYPE_CHECKING:
    from magnus.ports.node_type import NodeType
    from magnus.ports.task_type import TaskType

GIVEN = Given("the pipeline.yaml", "config.yaml", "p.yaml", "a tag", "1.2.3")


class Types:
    """Knows the types of nodes; the options of a node are its `executor_config`."""

    _KNOWN = {  # noqa: RUF012 - a constant
        "task": node_types.TaskNode,
        "success": node_types.SuccessNode,
        "fail": node_types.FailNode,
        "as-is": node_types.AsIsNode,
        "parallel": node_types.ParallelNode,
        "map": node_types.MapNode,
        "dag": node_types.DagNode,
    }

    def node_type(self, name: str) -> NodeType:
        """Return a built-in one."""
        return self._KNOWN[name]()

    def task_type(self, name: str) -> TaskType:
        """Nobody asks."""
        raise NotImplementedError

    def task_options(self, node: Node) -> Any:
        """Nobody asks."""
        raise NotImplementedError

    def executor_options(self, node: Node) -> Any:
        """Return what can be recognised."""
        return dict(node.executor_config)


def graph(start_at: str, **steps: Any) -> dict[str, Any]:
    """Return a graph with ends called `s` and `f`."""
    return {"start_at": start_at, "steps": steps | {"s": {"type": "success"}, "f": {"type": "fail"}}}


def task(**more: Any) -> dict[str, Any]:
    """Return a task that leads to success."""
    return {"type": "task", "command": "m.f", "next": "s"} | more


def plan_of(dag: dict[str, Any], given: Given = GIVEN) -> RenderPlan:
    """Return the plan."""
    return build_plan(build_graph(dag, adapters=AdapterManager(find_plugins())), Types(), given)


def nodes_of(plan: RenderPlan) -> dict[str, RenderedNode]:
    """Return all nodes by what `--step-name` calls them."""
    return {node.path: node for each in plan.graphs for node in each.nodes}


NESTED = graph(
    "each one",
    **{
        "each one": {
            "type": "map",
            "iterate_on": "xs",
            "iterate_as": "x",
            "branch": graph(
                "split",
                split={
                    "type": "parallel",
                    "branches": {
                        "ä": graph("w", w=task(on_failure="r"), r=task()),
                        "b": graph(
                            "deep",
                            deep={
                                "type": "map",
                                "iterate_on": "ys",
                                "iterate_as": "y",
                                "branch": graph("w", w=task()),
                                "next": "s",
                            },
                        ),
                    },
                    "next": "s",
                },
            ),
            "next": "last",
        },
        "last": task(executor_config={"image": "i"}, retry=3),
    },
)


def test_a_command_names_the_node_and_what_the_user_gave() -> None:
    """As an argument vector; the run's id is for the target to fill in."""
    node = nodes_of(plan_of(NESTED))["last"]
    assert node.command == (
        *("magnus", "execute_single_node", "--step-name", "last", "--run-id", Token.RUN_ID),
        *("--file", "the pipeline.yaml", "--config-file", "config.yaml"),
        *("--parameters-file", "p.yaml", "--tag", "a tag"),
    )
    assert (node.fan_out, node.fan_in) == ((), ())


def test_what_the_user_did_not_give_is_not_in_a_command() -> None:
    """The node finds it where the user would."""
    node = nodes_of(plan_of(NESTED, Given("p.yaml")))["last"]
    assert node.command[6:] == ("--file", "p.yaml")


def test_inside_a_map_a_command_takes_the_items() -> None:
    """In the path `%` stands for them; names that a shell could stumble over are encoded."""
    nodes = nodes_of(plan_of(NESTED))
    inner = nodes["each%20one.%.split.b.deep.%.w"]
    assert inner.command[2:8] == (
        *("--step-name", inner.path, "--run-id", Token.RUN_ID),
        *("--map-variable", Token.MAP_VARIABLE),
    )
    assert "each%20one.%.split.%C3%A4.w" in nodes
    assert Token.MAP_VARIABLE not in nodes["each%20one"].fan_out


def test_a_composite_node_is_opened_and_joined() -> None:
    """Both ends of it are commands; there is none for the node itself."""
    node = nodes_of(plan_of(NESTED))["each%20one.%.split"]
    assert node.command == ()
    assert node.fan_out[:6] == ("magnus", "fan", "--mode", "out", "--step-name", node.path)
    assert node.fan_in[:6] == ("magnus", "fan", "--mode", "in", "--step-name", node.path)
    assert node.role is Role.COMPOSITE


def test_every_path_is_understood_where_the_node_runs() -> None:
    """With the items that the map variable gives."""
    dag = build_graph(NESTED, adapters=AdapterManager(find_plugins()))
    plan = build_plan(dag, Types(), GIVEN)
    for each in plan.graphs:
        for node in each.nodes:
            found = find_node(dag, node.path, dict.fromkeys(each.items, 1) or None)
            assert found.node == node.node


def test_graphs_come_before_those_that_they_hold() -> None:
    """In declared order, each with the items of the maps around it."""
    plan = plan_of(NESTED)
    assert [(each.path, each.items) for each in plan.graphs] == [
        ((), ()),
        (("each one", "x"), ("x",)),
        (("each one", "x", "split", "ä"), ("x",)),
        (("each one", "x", "split", "b"), ("x",)),
        (("each one", "x", "split", "b", "deep", "y"), ("x", "y")),
    ]
    by_key = {each.key: each for each in plan.graphs}
    split = nodes_of(plan)["each%20one.%.split"]
    assert [(name, by_key[key].path[-1]) for name, key in split.branches.items()] == [("ä", "ä"), ("b", "b")]


def test_edges_lead_to_keys() -> None:
    """After a failure to `on_failure`, or else to the graph's fail node; the ends lead nowhere."""
    plan = plan_of(NESTED)
    nodes = nodes_of(plan)
    prefix = "each%20one.%.split.%C3%A4."
    work, repair, fail = (nodes[prefix + name] for name in ("w", "r", "f"))
    assert (work.next, work.on_failure) == (nodes[prefix + "s"].key, repair.key)
    assert repair.on_failure == fail.key
    assert (fail.next, fail.on_failure, fail.role) == ("", "", Role.TERMINAL)
    assert plan.root.start_at == nodes["each%20one"].key


def test_a_node_brings_what_was_said_of_it() -> None:
    """Its definition, and the executor's options for it."""
    node = nodes_of(plan_of(NESTED))["last"]
    assert (node.node.retry.max_attempts, node.options, node.place) == (3, {"image": "i"}, "")


def test_the_run_can_be_closed_from_outside() -> None:
    """By its last fail node, with the reason for the target to fill in."""
    plan = plan_of(NESTED)
    assert plan.stop[:4] == ("magnus", "execute_single_node", "--step-name", "f")
    assert plan.stop[-2:] == ("--stopped-because", Token.REASON)


def test_the_plan_says_what_it_is_a_plan_of() -> None:
    """For the header of what is rendered."""
    plan = plan_of({**NESTED, "max_time": 60})
    assert (plan.magnus_version, plan.max_time_seconds) == ("1.2.3", 60)
    assert plan.dag_hash == plan.root.graph.hash()


AWKWARD = (
    "a b",
    "a-b",
    "A B",
    "ä b",
    "日本",
    "esac",
    "1st",
    "'\"$(x)`",
    "x" * 200,
    "x" * 199 + "y",
    "main",
    "a--b",
    "-",
)


def test_keys_are_short_ascii_and_unique_whatever_the_names() -> None:
    """Also where names differ only in what a key cannot hold."""
    steps = {name: task(next=after) for name, after in zip(AWKWARD, [*AWKWARD[1:], "s"], strict=True)}
    branch = graph(AWKWARD[0], **steps)
    plan = plan_of(
        graph("a", a={"type": "parallel", "branches": dict.fromkeys(AWKWARD, branch), "next": "s"})
    )
    keys = [each.key for each in plan.graphs] + [node.key for each in plan.graphs for node in each.nodes]
    assert len(keys) == len(set(keys)) > 200
    assert [
        key for key in keys if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", key) or len(key) > 40
    ] == []


def test_the_key_of_a_node_stays_when_others_come() -> None:
    """So that two renderings differ where the dags do."""
    before = nodes_of(plan_of(graph("a b", **{"a b": task(), "c": task()} | {"a b": task(next="c")})))
    after = nodes_of(plan_of(graph("A-B", **{"A-B": task(next="a b"), "a b": task(next="c"), "c": task()})))
    assert {path: node.key for path, node in before.items()}.items() <= {
        path: node.key for path, node in after.items()
    }.items()
    assert after["c"].key == "c"


def test_equal_input_gives_an_equal_plan() -> None:
    """Field by field."""
    assert plan_of(NESTED) == plan_of(NESTED)


def test_depth_has_no_limit_of_its_own() -> None:
    """A graph inside a graph, deeper than Python calls functions."""
    success, fail = Node("s", "success", {}), Node("f", "fail", {})
    inner = Graph("s", {"s": success, "f": fail})
    for _ in range(1200):
        holder = Node("d", "dag", {}, next="s", branches={"dag": inner})
        inner = Graph("d", {"d": holder, "s": success, "f": fail})
    graphs: list[RenderedGraph] = []
    waiting = build_plan(_Unhashed(*inner), Types(), GIVEN)
    graphs.extend(waiting.graphs)
    assert len(graphs) == 1201


class _Unhashed(Graph):
    """Its hash is not asked for: text that deep no JSON encoder writes."""

    __slots__ = ()

    def hash(self) -> str:
        """Return nothing."""
        return ""


def test_a_path_holds_nothing_that_a_shell_takes_apart() -> None:
    """Whatever people call things."""
    assert in_command(("a b", "%", "~x")) == "a%20b.%.%7Ex"
    assert re.fullmatch(r"[A-Za-z0-9_.%-]+", in_command(("'\"$(x)`*\\;&|<>~#!", "日本")))
