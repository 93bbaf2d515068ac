from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from magnus.testing.run_log_store import RunLogStoreContract
from magnus_stores.run_log.chunked_fs import ChunkedFileSystemOptions, ChunkedFileSystemRunLogStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class TestChunkedFileSystemRunLogStore(RunLogStoreContract):
    """The store `chunked-fs` keeps the promises."""

    @pytest.fixture
    def make_run_log_store(self, tmp_path: Path) -> Callable[[], ChunkedFileSystemRunLogStore]:
        """Make stores in one folder."""
        return partial(
            ChunkedFileSystemRunLogStore, ChunkedFileSystemOptions(log_folder=str(tmp_path / "runs"))
        )
