"""One call of a template that is a pod, which is made as often as its template says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnus_executor_argo.workflow import Ended, Phase

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus_executor_argo.run import WorkflowRun
    from magnus_executor_argo.workflow import Template


class PodRun:
    """The pod, and those that are made after it."""

    def __init__(
        self, workflow: WorkflowRun, template: Template, values: Mapping[str, str], who: str
    ) -> None:
        self._workflow, self._template, self._values, self._who = workflow, template, values, who

    def run(self) -> Ended:
        """Run it to its last end."""
        compute, retry = self._workflow.compute, self._template.retry
        made = 0
        while True:
            made += 1
            left = self._workflow.seconds_left()
            if left is not None and left <= 0:
                compute.report(f"'{self._who}' is not run: the deadline of the workflow was exceeded")
                return Ended(Phase.FAILED)
            code, end = self._workflow.make_pod(self._template, self._values, self._who)
            if retry is None or not end.phase.is_bad:
                return end
            if made > retry.limit or not retry.expression.holds(code, end.phase):
                return end
            pause = retry.seconds * float(retry.factor) ** (made - 1)
            compute.report(f"retry {made} of '{self._who}' in {pause:g} s: it ended with {code}")
            left = self._workflow.seconds_left()
            compute.sleep(pause if left is None else min(pause, max(left, 0.0)))
