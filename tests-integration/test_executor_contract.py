"""The contract of executors, kept by those whose steps run in containers of a real engine, or of an emulated AWS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from magnus.testing.executor import ExecutorContract

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from aws.account import Account

# The first session on a machine builds the image.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def blocks_with(folder: Path, **options: Any) -> dict[str, Any]:
    """Return a configuration whose run log and catalog are kept in *folder*."""
    return {
        "executor": {"type": "local-container", "config": options},
        "run_log_store": {"type": "file-system", "config": {"log_folder": str(folder / "runs")}},
        "catalog": {"type": "file-system", "config": {"catalog_location": str(folder / "kept")}},
    }


class TestSequentialContainers(ExecutorContract):
    """One container after another."""

    @pytest.fixture
    def blocks(self, tmp_path: Path, magnus_image: str) -> Mapping[str, Any]:
        """Return the image, and defaults."""
        return blocks_with(tmp_path, docker_image=magnus_image)


class TestParallelContainers(ExecutorContract):
    """Several containers at the same time."""

    @pytest.fixture
    def blocks(self, tmp_path: Path, magnus_image: str) -> Mapping[str, Any]:
        """Return room for two jobs."""
        return blocks_with(tmp_path, docker_image=magnus_image, enable_parallel=True, max_workers=2)


class TestBatchJobs(ExecutorContract):
    """Jobs of AWS Batch, arrays among them; they work in a folder that all see, as on a shared file system."""

    together = True

    @pytest.fixture
    def blocks(self, account: Account, tmp_path: Path) -> Mapping[str, Any]:
        """Return an account with an empty bucket."""
        options = {
            "job_queue": account.aws.queue(),
            "job_definition": account.definition_that_works_in(tmp_path),
            "poll_interval": 0.2,
            "enable_parallel": self.together,
        }
        return {
            "executor": {"type": "local-aws-batch", "config": options | account.place},
            **account.services(),
        }
