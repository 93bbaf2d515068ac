"""What the pipeline consists of, in values of ours: tasks, and sub-pipelines that hold them. Pure, and free of kfp.

Kubeflow ends a pipeline at the first task that fails, and no task can follow several of which one was skipped. So every
node is a task that is called in order, reached or not, and succeeds unless magnus cannot go on: it finds in the run log what it
has to do.
"""

from __future__ import annotations

import math
import re
from pathlib import PurePath
from typing import TYPE_CHECKING, NamedTuple

from magnus.domain.limits import Limits, limits_of
from magnus.domain.nodes import RetryPolicy
from magnus.domain.role import Role
from magnus_executor_kubeflow.config import EXECUTOR
from magnus_executor_kubeflow.order import in_order

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from magnus.domain.render_plan import Command, RenderedGraph, RenderedNode, RenderPlan
    from magnus_executor_kubeflow.config import KubeflowOptions

REASON = "Kubeflow ended the pipeline before the run had ended"
"""Why a run is closed that was open when the pipeline had ended."""

IN_ORDER = "--in-order"


_OF_KFP = re.compile(r"(?:exit-handler|for-loop)-\d+")
"""What kfp calls what we do not name."""


class Retry(NamedTuple):
    """How Kubeflow tries a task again: never later than magnus would.

    Attributes:
        times: After the first attempt.
        pause_seconds: Before the second.
        factor: By which each pause is longer than the one before; Argo takes whole numbers only.
    """

    times: int
    pause_seconds: int
    factor: int


class ContainerTask(NamedTuple):
    """A task that calls magnus.

    Attributes:
        name: Unique in the pipeline.
        command: What is called.
        place: Where the node was defined, and what it is called, for people.
        after: The names of tasks that must have ended.
        image: The image.
        environment: The variables.
        limits: What the pod may use.
        accelerator_type: What graphics processors are called.
        has_item: Whether it is told the items of the maps around it.
        gives_items: Whether it hands on what a map iterates on.
        retry: How it is tried again; None for not at all.
    """

    name: str
    command: Command
    place: str
    after: tuple[str, ...]
    image: str
    environment: Mapping[str, str]
    limits: Limits = Limits()
    accelerator_type: str = ""
    has_item: bool = False
    gives_items: bool = False
    retry: Retry | None = None


class BranchTask(NamedTuple):
    """A task that is a branch.

    Attributes:
        name: Unique in the pipeline; that of the sub-pipeline.
        place: As that of other tasks.
        after: Likewise.
        has_item: Whether it is told the items of the maps around it.
    """

    name: str
    place: str
    after: tuple[str, ...]
    has_item: bool


class EachTask(NamedTuple):
    """A task that is a branch for each item of a map.

    Attributes:
        name: Unique in the pipeline.
        place: As that of other tasks.
        after: Likewise.
        branch: The name of the sub-pipeline.
        items_from: The name of the task that gives the items.
        at_once: How many branches may run at the same time; None for any number.
    """

    name: str
    place: str
    after: tuple[str, ...]
    branch: str
    items_from: str
    at_once: int | None


Task = ContainerTask | BranchTask | EachTask


class SubPipeline(NamedTuple):
    """A graph.

    Attributes:
        name: Unique in the pipeline.
        tasks: Each after those that it waits for.
        has_item: Whether it is told the items of maps.
    """

    name: str
    tasks: tuple[Task, ...]
    has_item: bool


class Layout(NamedTuple):
    """The whole pipeline.

    Attributes:
        name: What Kubeflow calls it.
        description: What stands above it, line by line.
        branches: Each after those that its tasks name.
        root: The outermost graph.
        closing: The task that closes the run when all has ended, whichever way.
        run_id_is_parameter: Whether the run's id is a parameter, and not what Kubeflow calls its run.
    """

    name: str
    description: tuple[str, ...]
    branches: tuple[SubPipeline, ...]
    root: SubPipeline
    closing: ContainerTask
    run_id_is_parameter: bool


def lay_out(plan: RenderPlan, options: KubeflowOptions) -> Layout:
    """Return what the pipeline of *plan* consists of."""
    names = _Names(plan)
    graphs = [_graph(graph, names, options) for graph in reversed(_called(plan))]
    closing = ContainerTask(
        name=names.take("close-run"),
        command=plan.stop,
        place="closes the run if something has ended the pipeline before",
        after=(),
        image=options.docker_image,
        environment=options.environment,
    )
    return Layout(
        name=options.pipeline_name or _name_of(plan.pipeline_file),
        description=(
            f"The dag of {_one_line(plan.pipeline_file)}, rendered by magnus {plan.magnus_version} ({EXECUTOR}).",
            f"dag hash: {plan.dag_hash}",
            *([f"continues the run: {plan.original_run_id}"] if plan.original_run_id else []),
        ),
        branches=tuple(graphs[:-1]),
        root=graphs[-1],
        closing=closing,
        run_id_is_parameter=options.run_id_from == "parameter",
    )


def _called(plan: RenderPlan) -> list[RenderedGraph]:
    """Return the graphs of *plan* of which something has to be called."""
    called = []
    needed = {plan.root.key}
    for graph in plan.graphs:
        if graph.key in needed:
            called.append(graph)
            for node in graph.nodes:
                needed.update([] if node.is_finished else node.branches.values())
    return called


def _graph(graph: RenderedGraph, names: _Names, options: KubeflowOptions) -> SubPipeline:
    ends: dict[str, tuple[str, ...]] = {}
    tasks: list[Task] = []
    for node, awaited in in_order(graph.nodes):
        after = tuple(dict.fromkeys(name for key in awaited for name in ends[key]))
        if node.is_finished:
            ends[node.key] = after
        else:
            tasks += _node(node, graph, after, names, options)
            ends[node.key] = (tasks[-1].name,)
    return SubPipeline(names.of(graph.key), tuple(tasks), has_item=bool(graph.items))


def _node(
    node: RenderedNode, graph: RenderedGraph, after: tuple[str, ...], names: _Names, options: KubeflowOptions
) -> Iterator[Task]:
    """Yield the tasks of a node; what comes after the node waits for the last."""
    text = _one_line(f"{node.node.name}, {node.node.type}")
    place = f"{_one_line(node.place)}: {text}" if node.place else text
    has_item = bool(graph.items)
    common = ContainerTask(
        name=names.of(node.key),
        command=(*node.command, IN_ORDER),
        place=place,
        after=after,
        image=node.options.docker_image,
        environment=node.options.environment,
        has_item=has_item,
        retry=retry_of(RetryPolicy(), node.options.restarts),
    )
    if node.role is not Role.COMPOSITE:
        if node.role is Role.WORK:
            common = common._replace(
                limits=limits_of(node.node, EXECUTOR, node.options, options),
                accelerator_type=node.options.accelerator_type,
                retry=retry_of(node.node.retry, node.options.restarts),
            )
        yield common
        return
    opening = common._replace(
        command=(*node.fan_out, IN_ORDER),
        place=f"{place}: opens its branches",
        gives_items=bool(node.node.map),
    )
    yield opening
    branches: list[str] = []
    if node.node.map is not None:
        (branch,) = (names.of(key) for key in node.branches.values())
        each = EachTask(
            names.take(f"{node.key}-each"),
            f"{place}: a branch for each {_one_line(node.node.map.iterate_as)}",
            (opening.name,),
            branch,
            opening.name,
            _at_once(node),
        )
        yield each
        branches.append(each.name)
    else:
        for name, key in node.branches.items():
            branch = names.of(key)
            waits_for = branches[-1:] if not node.options.enable_parallel and branches else [opening.name]
            yield BranchTask(branch, f"{place}: {_one_line(name)}", tuple(waits_for), has_item)
            branches.append(branch)
    yield common._replace(
        name=names.take(f"{node.key}-join"),
        command=(*node.fan_in, IN_ORDER),
        place=f"{place}: joins its branches",
        after=tuple(branches),
    )


def _at_once(node: RenderedNode) -> int | None:
    if not node.options.enable_parallel:
        return 1
    settings = node.node.map
    limits = [node.options.parallelism, settings.max_concurrency if settings else None]
    return min((limit for limit in limits if limit is not None), default=None)


def retry_of(policy: RetryPolicy, restarts: int) -> Retry | None:
    """Return how Kubeflow is to try again: as often as magnus may ask for, with pauses that are never longer than its own.

    Kubeflow cannot tell an attempt that failed from a pod that was lost, so *restarts* come on top.

    What Kubeflow calls the longest pause is for Argo the time in which it tries at all, so it limits no pause here: pauses
    grow only if none would come to be longer than magnus allows.
    """
    times = policy.max_attempts - 1 + restarts
    if times == 0:
        return None
    least = 1 - policy.backoff.jitter
    longest = math.floor(policy.backoff.maximum * least)
    first = min(math.floor(policy.backoff.initial * least), longest)
    factor = math.floor(min(policy.backoff.factor, longest + 1))
    grows = first > 0 and factor > 1 and (times - 1) * math.log(factor) <= math.log(longest / first)
    return Retry(times, first, factor if grows else 1)


def _name_of(pipeline_file: str) -> str:
    """Return what Kubeflow can call the pipeline of a file."""
    return re.sub(r"[^a-z0-9]+", "-", PurePath(pipeline_file).stem.lower())[:60].strip("-") or "pipeline"


def _one_line(text: str) -> str:
    """Return *text* so that it cannot leave the line of a comment, and YAML takes it."""
    return "".join(each if each.isprintable() else "?" for each in " ".join(text.split()))


class _Names:
    """Gives every task and sub-pipeline a name: that of its node or graph, unless kfp gives it to something of its own."""

    def __init__(self, plan: RenderPlan) -> None:
        keys = [key for graph in plan.graphs for key in (graph.key, *(node.key for node in graph.nodes))]
        self._taken = set(keys)
        self._of = {key: self.take(f"{key}-step") if _OF_KFP.fullmatch(key) else key for key in keys}

    def of(self, key: str) -> str:
        """Return the name of a node or graph."""
        return self._of[key]

    def take(self, wanted: str) -> str:
        """Return a name for something that is neither."""
        name = wanted
        number = 1
        while name in self._taken:
            number += 1
            name = f"{wanted}-{number}"
        self._taken.add(name)
        return name
