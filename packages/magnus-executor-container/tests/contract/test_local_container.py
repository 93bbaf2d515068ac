"""The contract of executors where no engine is needed; tests-integration has it for containers, beside their image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from magnus.testing.executor import ExecutorContract

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# Where no engine runs, the contract holds too: what is asked of one is only what containers a run has left.
pytestmark = pytest.mark.usefixtures("kit")


def blocks_with(folder: Path, **options: Any) -> dict[str, Any]:
    """Return a configuration whose run log is kept in *folder*."""
    return {
        "executor": {"type": "local-container", "config": {"run_in_local": True, **options}},
        "run_log_store": {"type": "file-system", "config": {"log_folder": str(folder / "runs")}},
        "catalog": {"type": "do-nothing"},
    }


class TestSequentialOnThisMachine(ExecutorContract):
    """No container at all: steps in this process, or in one of their own where they must be stoppable."""

    @pytest.fixture
    def blocks(self, tmp_path: Path) -> Mapping[str, Any]:
        """Return `run_in_local`."""
        return blocks_with(tmp_path)


class TestParallelOnThisMachine(ExecutorContract):
    """No container at all: every step in a process of its own."""

    @pytest.fixture
    def blocks(self, tmp_path: Path) -> Mapping[str, Any]:
        """Return `run_in_local` and room for two jobs."""
        return blocks_with(tmp_path, enable_parallel=True, max_workers=2)
