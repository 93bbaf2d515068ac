"""Runs workflows of Argo that magnus has rendered, on this machine."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from magnus.ports.emulator import Emulator as EmulatorPort
from magnus_executor_argo.checking import check_workflow
from magnus_executor_argo.reading import read_workflow
from magnus_executor_argo.run import WorkflowRun
from magnus_executor_argo.workflow import Phase

if TYPE_CHECKING:
    from magnus.ports.emulator import EmulatedCompute

_ARGO = re.compile(r"^apiVersion: ['\"]?argoproj\.io/", re.MULTILINE)


class Emulator(EmulatorPort):
    """Dag templates with `depends`, `withParam` and `parallelism`, pods with `retryStrategy` and deadlines, `onExit`."""

    @classmethod
    def recognises(cls, text: str) -> bool:
        """Whether it says so in its `apiVersion`."""
        return _ARGO.search(text) is not None

    def __init__(self, text: str, path: str) -> None:
        """See the port."""
        self._workflow = read_workflow(text, path)
        check_workflow(self._workflow, path)

    def run(self, run_id: str, compute: EmulatedCompute) -> bool:
        """See the port."""
        secrets = {name for template in self._workflow.templates.values() for name in template.secrets}
        for name in sorted(secrets):
            compute.report(f"{name} comes from a secret of the cluster; here it is what the environment says")
        return WorkflowRun(self._workflow, run_id, compute).run() is Phase.SUCCEEDED
