"""The executor `argo`: the dag as a workflow of Argo, which calls magnus for every node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magnus.domain.capabilities import ExecutorCapabilities, Placement
from magnus.ports.executor import OrchestrationExecutor
from magnus_executor_argo.config import ArgoOptions
from magnus_executor_argo.items import write_items
from magnus_executor_argo.manifest import render_workflow

if TYPE_CHECKING:
    from magnus.domain.render_plan import RenderPlan

_TASK_TYPES = frozenset({"python", "python-lambda", "shell", "notebook"})
"""A task of type `container` starts one, and in a pod there is no engine that would."""


class ArgoExecutor(OrchestrationExecutor):
    """Renders a Workflow, a WorkflowTemplate or a CronWorkflow."""

    Options = ArgoOptions

    default_output = "workflow.yaml"

    @classmethod
    def capabilities(cls, options: Any) -> ExecutorCapabilities:
        """See the port."""
        return ExecutorCapabilities(
            placement=Placement.REMOTE,
            concurrent_branches=options.enable_parallel,
            task_types=_TASK_TYPES,
        )

    def render(self, plan: RenderPlan) -> str:
        """Return the manifest."""
        return render_workflow(plan, self.options)

    def put_items(self, place: str, text: str) -> None:
        """Leave the items where Argo reads them when the pod has ended."""
        write_items(place, text)
