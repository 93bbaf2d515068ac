"""The executor `demo-renderer`: the dag as a bash script, which calls magnus for every node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magnus.domain.capabilities import ExecutorCapabilities, Feature, Placement
from magnus.domain.graph import DEFAULT_MAX_TIME_SECONDS
from magnus.domain.verdict import Judgement, Verdict
from magnus.ports.executor import Objection, OrchestrationExecutor
from magnus_executor_local.bash import render_script
from magnus_executor_local.config import DemoRendererOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from magnus.domain.graph import Graph
    from magnus.domain.nodes import Node
    from magnus.domain.render_plan import RenderPlan
    from magnus.ports.executor import ComputeNeeds

_NO_LIMITS = (
    "a script does not limit the processors and the memory of what it calls; remove `resources`, "
    "or set `ignore_resources: true` for this executor"
)


class DemoRenderer(OrchestrationExecutor):
    """Renders a script for this machine: the smallest whole orchestrator, to be read before another is written."""

    Options = DemoRendererOptions

    default_output = "demo-bash.sh"

    @classmethod
    def capabilities(cls, options: Any) -> ExecutorCapabilities:
        """See the port."""
        return ExecutorCapabilities(
            placement=Placement.SAME_HOST,
            concurrent_branches=options.enable_parallel,
            refused_features={} if options.ignore_resources else {Feature.RESOURCES: _NO_LIMITS},
        )

    @classmethod
    def judge_graph(
        cls,
        options: Any,
        graph: Graph,
        options_of: Callable[[Node], Any],
        needs: Callable[[], Sequence[ComputeNeeds]],
    ) -> list[Objection]:
        """Refuse a `max_time` of a branch: magnus keeps that of the whole run, and nobody that of a branch."""
        places = tuple(
            ".".join((*path, node.name))
            for path, node in graph.walk()
            if any(branch.max_time_seconds != DEFAULT_MAX_TIME_SECONDS for branch in node.branches.values())
        )
        if not places:
            return []
        verdict = Verdict(
            Judgement.ERROR,
            "no process lives as long as a branch, so nobody keeps its time",
            "limit the outermost graph by `max_time`, and steps by `timeout`",
        )
        return [Objection(verdict, "dag", Feature.MAX_TIME, places)]

    def render(self, plan: RenderPlan) -> str:
        """Return the script."""
        return render_script(plan)
