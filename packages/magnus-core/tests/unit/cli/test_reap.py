from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from magnus.domain.capabilities import ExecutorCapabilities, Placement
from magnus.errors import ServiceError
from magnus.plugins import AdapterSpec, hookimpl
from magnus.plugins.discovery import PluginSource, find_plugins
from magnus.ports.executor import OrchestrationExecutor
from magnus.testing.fakes import FakeExecutor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.unit.cli.conftest import Said

    from magnus.domain.render_plan import RenderPlan
    from magnus.ports.executor import ComputeNeeds

FAKES = "magnus_reap_fakes"


class ReapingExecutor(FakeExecutor):
    """Finds what a test says.

    Attributes:
        left: What it finds of which run.
        closed: How many of it were closed.
    """

    left: dict[str, list[str] | ServiceError]
    closed: int

    def reap(self, run_id: str, needs: Callable[[], Sequence[ComputeNeeds]]) -> list[str]:
        """Return it."""
        found = self.left.get(run_id, [])
        if isinstance(found, ServiceError):
            raise found
        return found

    def close(self) -> None:
        """Count it."""
        type(self).closed += 1


class RenderingExecutor(OrchestrationExecutor):
    """Hands the dag over to nobody."""

    default_output = "out"

    @classmethod
    def capabilities(cls, options: Any) -> ExecutorCapabilities:
        """Run elsewhere."""
        return ExecutorCapabilities(Placement.REMOTE)

    def render(self, plan: RenderPlan) -> str:
        """Return nothing."""
        return ""


@hookimpl
def magnus_executors() -> list[AdapterSpec]:
    """Offer both."""
    return [
        AdapterSpec("reaping", f"{FAKES}:ReapingExecutor", port_api=1),
        AdapterSpec("rendering", f"{FAKES}:RenderingExecutor", port_api=1),
    ]


@pytest.fixture
def reaping(in_copy: Path, monkeypatch: pytest.MonkeyPatch) -> type[ReapingExecutor]:
    """Return the executor that is configured in a folder with runs."""
    executor = type("Reaping", (ReapingExecutor,), {"left": {}, "closed": 0})
    module = ModuleType(FAKES)
    module.__dict__.update(
        ReapingExecutor=executor, RenderingExecutor=RenderingExecutor, magnus_executors=magnus_executors
    )
    monkeypatch.setitem(sys.modules, FAKES, module)
    sources = [*find_plugins(), PluginSource("fakes", FAKES, "fakes 1")]
    monkeypatch.setattr("magnus.usecases.opening.find_plugins", lambda: sources)
    (in_copy / "magnus-config.yaml").write_text("executor: {type: reaping}\n")
    return executor


def test_what_was_ended_is_told_line_by_line(
    magnus: Callable[..., Said], reaping: type[ReapingExecutor]
) -> None:
    """For people, on stderr; the run itself need not be known: it may have been killed before it began."""
    reaping.left["never-began"] = ["removed the one", "removed the other"]
    said = magnus("runs", "reap", "never-began")
    assert (said.code, said.out, said.err) == (0, "", "removed the one\nremoved the other\n")
    assert reaping.closed == 1


def test_where_nothing_is_left_of_a_run_that_is_said(
    magnus: Callable[..., Said], reaping: type[ReapingExecutor]
) -> None:
    """It is no failure."""
    said = magnus("runs", "reap", "failed")
    assert (said.code, said.err) == (0, "the executor 'reaping' finds nothing left of run 'failed'\n")


def test_a_run_that_nobody_knows_is_a_mistake(
    magnus: Callable[..., Said], reaping: type[ReapingExecutor]
) -> None:
    """A misspelt run id must not pass for one with nothing left."""
    said = magnus("runs", "reap", "faild")
    assert said.code == 2
    assert "faild" in said.err
    assert "nothing left" not in said.err


def test_a_compute_that_cannot_be_asked_is_a_failure(
    magnus: Callable[..., Said], reaping: type[ReapingExecutor]
) -> None:
    """Nobody may believe that nothing is left."""
    reaping.left["failed"] = ServiceError("no engine answers")
    said = magnus("runs", "reap", "failed")
    assert said.code == 3
    assert "no engine answers" in said.err
    assert reaping.closed == 1


def test_an_executor_that_only_renders_has_nothing_to_end(
    magnus: Callable[..., Said], reaping: type[ReapingExecutor], in_copy: Path
) -> None:
    """What runs belongs to the orchestrator."""
    (in_copy / "magnus-config.yaml").write_text("executor: {type: rendering}\n")
    said = magnus("runs", "reap", "failed")
    assert (said.code, said.err) == (0, "the executor 'rendering' finds nothing left of run 'failed'\n")
