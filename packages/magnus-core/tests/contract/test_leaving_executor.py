from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from magnus.domain.capabilities import ExecutorCapabilities, Feature, Placement
from magnus.domain.run_log import Status
from magnus.plugins import AdapterSpec, hookimpl
from magnus.testing.executor import ExecutorContract
from magnus.testing.fakes import FakeCompute, LeavingExecutor

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from magnus.domain.jobs import Job
    from magnus.ports.executor import StepRunner

FAKES = "magnus_contract_fakes"


class Leaving(LeavingExecutor):
    """Its compute is this process, which does a job when it is waited for."""

    def __init__(self, options: Any = None) -> None:
        """Want three jobs of a map together."""
        super().__init__(FakeCompute(lambda _job: Status.FAIL), 1, 3)

    @classmethod
    def capabilities(cls, options: Any) -> ExecutorCapabilities:
        """Do one job at a time."""
        return ExecutorCapabilities(
            Placement.SAME_PROCESS, refused_features={Feature.TIMEOUT: "nothing here can be ended"}
        )

    def trigger_job(self, job: Job, run_here: StepRunner) -> Status:
        """See the port."""
        self.compute.run = run_here.run_in_process
        return super().trigger_job(job, run_here)


@hookimpl
def magnus_executors() -> list[AdapterSpec]:
    """Offer it."""
    return [AdapterSpec("leaving", f"{FAKES}:Leaving", port_api=1)]


class TestLeavingExecutor(ExecutorContract):
    """The fake that leaves its jobs."""

    @pytest.fixture
    def blocks(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mapping[str, Any]:
        """Install it for the length of a test."""
        module = ModuleType(FAKES)
        module.__dict__.update(Leaving=Leaving, magnus_executors=magnus_executors)
        monkeypatch.setitem(sys.modules, FAKES, module)
        metadata = tmp_path / "installed" / f"{FAKES}-1.dist-info"
        metadata.mkdir(parents=True)
        (metadata / "entry_points.txt").write_text(f"[magnus]\nfakes = {FAKES}\n")
        monkeypatch.syspath_prepend(str(metadata.parent))
        return {
            "executor": {"type": "leaving"},
            "run_log_store": {"type": "buffered"},
            "catalog": {"type": "do-nothing"},
        }
