"""Says what each node of a pipeline would do, and why: the function behind `magnus plan`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from magnus.domain.names import branch_name, step_name
from magnus.engine.masking import mask_config
from magnus.usecases.check import load_checked
from magnus.usecases.continued import load_continued
from magnus.usecases.opening import open_run_log_store
from magnus.usecases.skipping import ANY_ITEM, Decision, foretell

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from magnus.domain.graph import Graph
    from magnus.domain.nodes import Node
    from magnus.usecases.check import Checked
    from magnus.usecases.outcome import Request


@dataclass(frozen=True, slots=True)
class Way:
    """A way that leads to a node.

    Attributes:
        node: The node that it comes from.
        when: `success` or `failure` of that node.
    """

    node: str
    when: str


@dataclass(frozen=True, slots=True)
class PlannedNode:
    """What one node would do.

    Attributes:
        step: Its internal name, with `*` for the items of maps.
        node: Its definition; credentials may stand in its command and options.
        command: What it runs, credentials masked; empty for a node without a task.
        executor_config: Its overrides of the executor's options, credentials masked.
        where: The executor's name and the place where it runs steps; empty for what runs nothing.
        ways: How the graph comes to it; none for the first node of its graph.
        decisions: In a re-run: for each step that the name stands for, whether it would be skipped.
    """

    step: str
    node: Node
    command: str
    executor_config: Mapping[str, Any]
    where: str
    ways: Sequence[Way]
    decisions: Sequence[Decision] = ()

    @property
    def depth(self) -> int:
        """How many composite nodes it is inside of."""
        return self.step.count(".") // 2


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do.

    Attributes:
        nodes: In the order of the definition, what is inside a node after it.
        changes: In a re-run: how the dag differs from that of the earlier run; empty if it does not.
    """

    nodes: Sequence[PlannedNode]
    changes: str = ""


def make_plan(request: Request, environ: Mapping[str, str]) -> Plan:
    """Return the plan for the pipeline of *request*; runs and makes nothing.

    Raises:
        InputError: A file is wrong, the configuration refuses the pipeline, or the run to continue does not exist.
        ServiceError: An adapter cannot be imported, or the run log store cannot be read.
    """
    checked = load_checked(request, environ)
    checked.setup.refuse(checked.graph, strict=request.strict)
    nodes = _planned(checked)
    if request.use_cached is None:
        return Plan(nodes)
    with open_run_log_store(checked.setup) as store:
        explicit = frozenset(checked.values)
        rerun, old_values, changes, _ = load_continued(store, request.use_cached, checked.graph, explicit)
        decisions = foretell(checked.graph, rerun, {**old_values, **checked.values})
    return Plan([replace(node, decisions=decisions.get(node.step, ())) for node in nodes], changes)


def _planned(checked: Checked) -> list[PlannedNode]:
    setup = checked.setup
    capabilities = setup.executor_capabilities()
    planned = []
    for step, node, ways in _walk(checked.graph):
        placement = capabilities.placement
        if node.timeout_seconds is not None and capabilities.timeout_placement is not None:
            placement = capabilities.timeout_placement
        has_task = node.task is not None
        config = mask_config(
            {"command": node.task.command if node.task else "", "options": node.executor_config},
            checked.variables,
        ).value
        where = f"{setup.executor.type} ({placement})" if has_task else ""
        planned.append(PlannedNode(step, node, config["command"], config["options"], where, ways))
    return planned


def _walk(graph: Graph) -> Iterator[tuple[str, Node, list[Way]]]:
    """Yield every node with its name and what leads to it, what is inside a node directly after it."""
    # Explicit stack: pipelines nest without limit.
    pending = [("", iter(graph.nodes.values()), _ways(graph))]
    while pending:
        branch, nodes, ways = pending[-1]
        node = next(nodes, None)
        if node is None:
            pending.pop()
            continue
        step = step_name(branch, node.name)
        yield step, node, ways.get(node.name, [])
        for name, inner in reversed(list(node.branches.items())):
            key = ANY_ITEM if node.map is not None else name
            pending.append((branch_name(step, key), iter(inner.nodes.values()), _ways(inner)))


def _ways(graph: Graph) -> dict[str, list[Way]]:
    ways: dict[str, list[Way]] = {}
    for node in graph.nodes.values():
        if node.next is not None:
            ways.setdefault(node.next, []).append(Way(node.name, "success"))
        if node.on_failure is not None:
            ways.setdefault(node.on_failure, []).append(Way(node.name, "failure"))
    return ways
