"""Templates that say what follows what: one for each graph, and one for each composite node.

Argo knows of a task only a phase: Succeeded, or, for any exit code but 0, Failed. It walks on in both cases, omits a task to
which nothing leads, and gives an omitted task the phase of what came before it when it tells the phase of the whole. So

- the fail node follows where the success node is omitted, and the success node comes after everything else. Then the last
  task of every graph is the fail node: if it was omitted, the success node came before it and the graph has succeeded;
- a branch that has failed closes itself and succeeds, for magnus. One that fails for Argo could not be walked to its end;
  then its node is not joined, and fails for Argo without an end in the run log. Where a failure leads to, a command is guarded:
  it refuses to run if the run log does not lead there. So the workflow fails, and what is open is closed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magnus.domain.render_plan import Token
from magnus.domain.role import Role
from magnus_executor_argo.depends import WORDS
from magnus_executor_argo.pods import (
    MAP_VARIABLE,
    TOKENS,
    Tag,
    comment_of,
    inputs,
    join_template,
    open_template,
    work_template,
)
from magnus_executor_argo.yaml_text import Commented, OneLine

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from magnus.domain.render_plan import RenderedGraph, RenderedNode, RenderPlan

OPEN, BRANCHES, JOIN = "open", "branches", "join"
"""What the tasks of a composite node are called; keys of branches are longer."""

_PHASES = ("Succeeded", "Failed", "Errored", "Skipped", "Omitted")


def graph_templates(graph: RenderedGraph) -> Iterator[Commented]:
    """Yield the template of *graph*, and those of its nodes."""
    guarded = {node.on_failure for node in graph.nodes if not node.is_finished}
    place = graph.graph.place
    where = f"the branch {'.'.join(graph.path)}" if graph.path else "the outermost graph"
    tasks = [
        _task(_task_name(node.key), node.key, graph, depends, comment_of(node, node.node.name))
        for node, depends in _order(graph)
    ]
    comment = f"{place.path}:{place.line}: {where}" if place else where
    if passed := ", ".join(node.node.name for node in graph.nodes if node.is_finished):
        comment = f"{comment}; had ended before, and is passed: {passed}"
    yield Commented(comment, {"name": graph.key, **inputs(graph), "dag": {"failFast": False, "tasks": tasks}})
    for node, _ in _order(graph):
        if node.role is Role.COMPOSITE:
            yield from _composite_templates(node, graph, guarded=node.key in guarded)
        else:
            yield work_template(node, graph, guarded=node.key in guarded)


def needed_graphs(plan: RenderPlan) -> list[RenderedGraph]:
    """Return the graphs that are walked, without those of nodes that had ended before."""
    passed: set[str] = set()
    needed = []
    for graph in plan.graphs:
        for node in graph.nodes:
            if graph.key in passed or node.is_finished:
                passed.update(node.branches.values())
        if graph.key not in passed:
            needed.append(graph)
    return needed


def _order(graph: RenderedGraph) -> Iterator[tuple[RenderedNode, str]]:
    """Yield the nodes that may be reached, in declared order, each with what it depends on."""
    ways = _ways(graph)
    nodes = [node for node in graph.nodes if node.key in ways]
    fail = next(node.key for node in graph.nodes if node.node.type == "fail")
    success = next((node.key for node in nodes if node.node.type == "success"), "")
    # They would come after everything else as the fail node does; so the success node comes after them, whichever way.
    ends = [node.key for node in nodes if {node.next, node.on_failure} == {fail}]
    for node in nodes:
        depends = " || ".join(ways[node.key])
        if node.key == success and ends:
            others = " && ".join(f"({_ended(key)})" for key in ends)
            depends = f"({depends}) && {others}" if depends else others
        elif node.key == fail and success:
            depends = f"{_task_name(success)}.Omitted"
        yield node, depends


def _ended(key: str) -> str:
    return " || ".join(f"{_task_name(key)}.{phase}" for phase in _PHASES)


def _task_name(key: str) -> str:
    """Return what the task of a node is called, so that expressions can name it."""
    return f"{key}--step" if key in WORDS else key


def _ways(graph: RenderedGraph) -> Mapping[str, list[str]]:
    """Return the nodes that may be reached, each with the ways that lead there; those that had ended before are passed."""
    nodes = {node.key: node for node in graph.nodes}

    def passed(key: str) -> str:
        while nodes[key].is_finished:
            key = nodes[key].next
        return key

    start = passed(graph.start_at)
    ways: dict[str, list[str]] = {start: []}
    waiting = [start]
    for key in waiting:
        node = nodes[key]
        name = _task_name(key)
        leads = [(node.next, f"{name}.Succeeded"), (node.on_failure, f"{name}.Failed || {name}.Errored")]
        for following, way in leads if node.next else []:
            target = passed(following)
            if target not in ways:
                waiting.append(target)
            ways.setdefault(target, []).append(way)
    return ways


def _composite_templates(node: RenderedNode, graph: RenderedGraph, *, guarded: bool) -> Iterator[Commented]:
    names = {task: f"{node.key}--{task}" for task in (OPEN, JOIN)}
    who = node.node.name
    tasks = [_task(OPEN, names[OPEN], graph, "", f"opens the branches of {who}")]
    is_map = node.node.map is not None
    for name, key in node.branches.items():
        what = f"the branch {name}"
        if is_map:
            task = _task(
                BRANCHES, key, graph, f"{OPEN}.Succeeded", f"{what}, for each of its items", "{{item}}"
            )
            task["withParam"] = Tag(f"{{{{tasks.{OPEN}.outputs.parameters.items}}}}")
        else:
            task = _task(key, key, graph, f"{OPEN}.Succeeded", what)
        tasks.append(task)
    ends = [f"{task['name']}.Succeeded" for task in tasks[1:]]
    joins = f"{BRANCHES}.Succeeded || {BRANCHES}.Skipped" if is_map else " && ".join(ends)
    tasks.append(_task(JOIN, names[JOIN], graph, joins, f"joins them, and fails if {who} does"))
    together = most_at_once(node)
    yield Commented(
        comment_of(node, ".".join((*graph.path, node.node.name))),
        {
            "name": node.key,
            **inputs(graph),
            **({} if together is None else {"parallelism": together}),
            "dag": {"failFast": False, "tasks": tasks},
        },
    )
    yield open_template(node, graph, names[OPEN], guarded=guarded)
    yield join_template(node, graph, names[JOIN])


def most_at_once(node: RenderedNode) -> int | None:
    """Return how many branches of a composite node may run at the same time; None for any number."""
    settings = node.node.map
    if settings is None and len(node.branches) == 1:
        return None
    if not node.options.enable_parallel:
        return 1
    return settings.max_concurrency if settings else None


def _task(
    name: str, template: str, graph: RenderedGraph, depends: str, comment: str, item: str = ""
) -> Commented:
    """Return one task; *item* is what it gives on in place of what it was given itself."""
    value = Tag(item) if item else TOKENS[Token.MAP_VARIABLE] if graph.items else ""
    task: dict[str, Any] = {"name": name, "template": template}
    if depends:
        task["depends"] = depends
    if value:
        task["arguments"] = {"parameters": [OneLine(name=MAP_VARIABLE, value=value)]}
    return Commented(comment, task)
