"""The file-system run log store keeps the promises of the port."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from magnus.testing.run_log_store import RunLogStoreContract
from magnus_stores.run_log.file_system import FileSystemOptions, FileSystemRunLogStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from magnus.ports.run_log_store import RunLogStore


class TestFileSystemRunLogStore(RunLogStoreContract):
    """On the disk that the tests run on."""

    @pytest.fixture
    def make_run_log_store(self, tmp_path: Path) -> Callable[[], RunLogStore]:
        """Return a function of which every call makes another client of one folder."""
        options = FileSystemOptions(log_folder=str(tmp_path / "logs"))
        return lambda: FileSystemRunLogStore(options)
