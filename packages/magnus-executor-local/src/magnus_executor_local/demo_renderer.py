"""The executor `demo-renderer`: the dag as a bash script, which calls magnus for every node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magnus.domain.capabilities import ExecutorCapabilities, Feature, Isolation, Placement
from magnus.ports.executor import OrchestrationExecutor
from magnus_executor_local.bash import render_script
from magnus_executor_local.config import DemoRendererOptions

if TYPE_CHECKING:
    from magnus.domain.render_plan import RenderPlan

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
            isolation=Isolation(options.isolation),
            refused_features={} if options.ignore_resources else {Feature.RESOURCES: _NO_LIMITS},
        )

    def render(self, plan: RenderPlan) -> str:
        """Return the script."""
        return render_script(plan)
