"""The executor `aws-step-functions`: the dag as a state machine, whose tasks are jobs of AWS Batch that call magnus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magnus.domain.capabilities import ExecutorCapabilities, Placement
from magnus.ports.executor import OrchestrationExecutor
from magnus_executor_stepfunctions.config import StepFunctionsOptions
from magnus_executor_stepfunctions.judging import judge_nodes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from magnus.domain.graph import Graph
    from magnus.domain.nodes import Node
    from magnus.domain.render_plan import RenderPlan
    from magnus.ports.executor import ComputeNeeds, Objection

_TASK_TYPES = frozenset({"python", "python-lambda", "shell", "notebook"})
"""A job has no engine for containers of its own."""


class StepFunctionsExecutor(OrchestrationExecutor):
    """Renders a definition in the Amazon States Language."""

    Options = StepFunctionsOptions

    default_output = "state-machine.json"

    @classmethod
    def capabilities(cls, options: Any) -> ExecutorCapabilities:
        """See the port."""
        return ExecutorCapabilities(
            placement=Placement.REMOTE,
            concurrent_branches=options.enable_parallel,
            task_types=_TASK_TYPES,
        )

    @classmethod
    def judge_graph(
        cls,
        options: Any,
        graph: Graph,
        options_of: Callable[[Node], Any],
        needs: Callable[[], Sequence[ComputeNeeds]],
    ) -> list[Objection]:
        """Find what jobs cannot be asked for, and maps whose items have no place."""
        return [
            *super().judge_graph(options, graph, options_of, needs),
            *judge_nodes(options, graph, options_of),
        ]

    def render(self, plan: RenderPlan) -> str:
        """Return the definition."""
        from magnus_executor_stepfunctions.machine import render_machine

        return render_machine(plan, self.options)

    def put_items(self, place: str, text: str) -> None:
        """Put the items into S3, if the state machine can take them."""
        from magnus_executor_stepfunctions.client import put_object
        from magnus_executor_stepfunctions.items import check_items

        bucket, key = check_items(place, text)
        put_object(bucket, key, text, self.options.region, self.options.endpoint_url)
