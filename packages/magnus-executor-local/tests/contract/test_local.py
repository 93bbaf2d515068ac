from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from magnus.testing.executor import ExecutorContract

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def blocks_with(folder: Path, **options: Any) -> dict[str, Any]:
    """Return a configuration whose run log is kept in *folder*."""
    return {
        "executor": {"type": "local", "config": options},
        "run_log_store": {"type": "file-system", "config": {"log_folder": str(folder / "runs")}},
        "catalog": {"type": "do-nothing"},
    }


class TestSequentialLocalExecutor(ExecutorContract):
    """Steps in this process."""

    @pytest.fixture
    def blocks(self, tmp_path: Path) -> Mapping[str, Any]:
        """Return the defaults."""
        return blocks_with(tmp_path)


class TestParallelLocalExecutor(ExecutorContract):
    """Branches in worker processes."""

    @pytest.fixture
    def blocks(self, tmp_path: Path) -> Mapping[str, Any]:
        """Return room for two jobs."""
        return blocks_with(tmp_path, enable_parallel=True, max_workers=2)
