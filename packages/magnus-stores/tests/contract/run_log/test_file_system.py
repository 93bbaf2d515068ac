from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from magnus.testing.run_log_store import RunLogStoreContract
from magnus_stores.run_log.file_system import FileSystemOptions, FileSystemRunLogStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class TestFileSystemRunLogStore(RunLogStoreContract):
    """The store `file-system` keeps the promises."""

    @pytest.fixture
    def make_run_log_store(self, tmp_path: Path) -> Callable[[], FileSystemRunLogStore]:
        """Make stores in one folder."""
        return partial(FileSystemRunLogStore, FileSystemOptions(log_folder=str(tmp_path / "runs")))
