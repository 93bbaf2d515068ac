from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from magnus.testing.run_log_store import RunLogStoreContract
from magnus_stores.run_log.s3 import S3RunLogOptions, S3RunLogStore

if TYPE_CHECKING:
    from collections.abc import Callable


class TestS3RunLogStore(RunLogStoreContract):
    """The store `s3` keeps the promises."""

    @pytest.fixture
    def make_run_log_store(self, bucket: str) -> Callable[[], S3RunLogStore]:
        """Make clients of one bucket."""
        return partial(S3RunLogStore, S3RunLogOptions(bucket=bucket, prefix="some/runs"))
