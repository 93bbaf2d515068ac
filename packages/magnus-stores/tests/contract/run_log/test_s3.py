from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from magnus.testing.run_log_store import RunLogStoreContract
from magnus_stores.run_log.s3 import S3RunLogOptions, S3RunLogStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from magnus.ports.run_log_store import RunLogStore


class TestS3RunLogStore(RunLogStoreContract):
    """The store `s3` keeps the promises."""

    @pytest.fixture
    def make_run_log_store(self, bucket: str) -> Callable[[], S3RunLogStore]:
        """Make clients of one bucket."""
        return partial(S3RunLogStore, S3RunLogOptions(bucket=bucket, prefix="some/runs"))

    @pytest.mark.slow
    def test_writing_costs_the_same_however_long_the_run_is(self, store: RunLogStore) -> None:
        """Here each put is two requests; `tests/unit` counts them for a shorter run."""
        super().test_writing_costs_the_same_however_long_the_run_is(store)

    @pytest.mark.slow
    def test_many_processes_write_to_one_run_with_nothing_lost(
        self, make_run_log_store: Callable[[], RunLogStore]
    ) -> None:
        """The server that stands in for AWS answers 5,000 requests meanwhile."""
        super().test_many_processes_write_to_one_run_with_nothing_lost(make_run_log_store)

    @pytest.mark.slow
    def test_a_run_may_be_written_to_while_it_is_scanned(self, store: RunLogStore) -> None:
        """4,500 requests."""
        super().test_a_run_may_be_written_to_while_it_is_scanned(store)
