"""The executor `kubeflow`: the dag as a pipeline of Kubeflow Pipelines, compiled to what it runs."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from magnus.domain.capabilities import ExecutorCapabilities, Placement
from magnus.ports.executor import OrchestrationExecutor
from magnus_executor_kubeflow import items, judging
from magnus_executor_kubeflow.config import KubeflowOptions
from magnus_executor_kubeflow.document import write_document
from magnus_executor_kubeflow.layout import lay_out
from magnus_executor_kubeflow.limits import check_document, check_texts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from magnus.domain.graph import Graph
    from magnus.domain.nodes import Node
    from magnus.domain.render_plan import RenderPlan
    from magnus.ports.executor import ComputeNeeds, Objection


class KubeflowExecutor(OrchestrationExecutor):
    """Renders a pipeline, in which every node is a task whose container calls magnus."""

    Options = KubeflowOptions

    default_output = "pipeline-kubeflow.yaml"

    @classmethod
    def capabilities(cls, options: Any) -> ExecutorCapabilities:
        """See the port."""
        return ExecutorCapabilities(placement=Placement.REMOTE, concurrent_branches=options.enable_parallel)

    @classmethod
    def judge_graph(
        cls,
        options: Any,
        graph: Graph,
        options_of: Callable[[Node], Any],
        needs: Callable[[], Sequence[ComputeNeeds]],
    ) -> list[Objection]:
        """Refuse what a pipeline cannot say."""
        objections = super().judge_graph(options, graph, options_of, needs)
        return objections + judging.judge_graph(options, graph, options_of)

    def render(self, plan: RenderPlan) -> str:
        """Return the pipeline."""
        check_texts(plan)
        layout = lay_out(plan, self.options)
        with warnings.catch_warnings():
            # What kfp warns of is its own, and nothing that who renders could mend.
            warnings.simplefilter("ignore")
            from magnus_executor_kubeflow.compiler import compile_pipeline

            compiled = compile_pipeline(layout)
        check_document(compiled)
        return write_document(compiled, layout)

    def put_items(self, place: str, text: str) -> None:
        """Write what a map iterates on into the file of the output parameter."""
        items.put_items(place, text)
