"""Runs a workflow by the rules of Argo: dags, phases, pods that are made again, deadlines."""

from __future__ import annotations

import itertools
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from magnus.ports.emulator import ContainerCommand
from magnus_executor_argo.checking import RUN_ID, STATUS
from magnus_executor_argo.dag_run import DagRun
from magnus_executor_argo.pod_run import PodRun
from magnus_executor_argo.variables import filled_in
from magnus_executor_argo.workflow import Ended, Phase

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus.ports.emulator import EmulatedCompute
    from magnus_executor_argo.workflow import Template, Workflow

MOST_PODS = 16
"""As many run at the same time on this machine, however many a cluster would run."""


class WorkflowRun:
    """One run of a workflow."""

    def __init__(self, workflow: Workflow, run_id: str, compute: EmulatedCompute) -> None:
        """Call the run *run_id*."""
        self.compute = compute
        self._workflow = workflow
        self._values = {RUN_ID: run_id}
        self._until: float | None = None
        self._pods = threading.BoundedSemaphore(min(workflow.parallelism or MOST_PODS, MOST_PODS))
        self._numbers = itertools.count()

    def run(self) -> Phase:
        """Run it to its end, and what is to be run afterwards; return how Argo would show it."""
        if self._workflow.deadline_seconds is not None:
            self._until = self.compute.now() + self._workflow.deadline_seconds
        phase = self.call(self._workflow.entrypoint, {}, self._workflow.entrypoint).phase
        if phase is not Phase.SUCCEEDED:
            self.compute.report(f"the workflow has ended as {phase}")
        if self._workflow.on_exit:
            self._until = None
            self._values[STATUS] = phase
            after = self.call(self._workflow.on_exit, {}, "onExit").phase
            if phase is Phase.SUCCEEDED and after.is_bad:
                return after
        return phase

    def call(self, name: str, arguments: Mapping[str, str], who: str) -> Ended:
        """Call the template *name*; *who* is what messages call that."""
        template = self._workflow.templates[name]
        values = self._values | {f"inputs.parameters.{key}": value for key, value in arguments.items()}
        if not template.is_dag:
            return PodRun(self, template, values, who).run()
        return Ended(DagRun(self, template, values, who).run())

    def is_pod(self, name: str) -> bool:
        """Whether the template *name* is a pod."""
        return not self._workflow.templates[name].is_dag

    def seconds_left(self) -> float | None:
        """Return for how long the workflow may go on; None for any time."""
        return None if self._until is None else self._until - self.compute.now()

    def make_pod(self, template: Template, values: Mapping[str, str], who: str) -> tuple[int, Ended]:
        """Make a pod, and return its exit code and its end."""
        folder = Path(self.compute.folder) / str(next(self._numbers))
        # The file systems of containers are their own, and processes share one: each gets its files at another place.
        files = {path: str(folder / Path(path).name) for path in template.outputs.values()}
        words = [filled_in(word, values) for word in template.command]
        for path, own in files.items():
            words = [word.replace(path, own) for word in words]
        environment = {name: filled_in(value, values) for name, value in template.environment.items()}
        with self._pods:  # what it waits for here is not taken from its own time
            left = self.seconds_left()
            limits = [template.deadline_seconds, None if left is None else max(left, 0.0)]
            limit = min((each for each in limits if each is not None), default=None)
            end = self.compute.run(ContainerCommand(tuple(words), who, template.image, environment, limit))
        if end.timed_out:
            self.compute.report(f"'{who}' was ended: its deadline was exceeded")
        if end.exit_code != 0 or end.timed_out:
            return end.exit_code, Ended(Phase.FAILED)
        try:
            outputs = {
                name: Path(files[path]).read_text(encoding="utf-8") for name, path in template.outputs.items()
            }
        except OSError as error:
            self.compute.report(f"'{who}': its output cannot be read: {error.strerror}")
            return end.exit_code, Ended(Phase.ERROR)
        return end.exit_code, Ended(Phase.SUCCEEDED, outputs)
