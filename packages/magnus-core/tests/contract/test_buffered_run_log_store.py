from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from magnus.builtin.buffered import BufferedRunLogStore
from magnus.testing.run_log_store import RunLogStoreContract

if TYPE_CHECKING:
    from collections.abc import Callable


class TestBufferedRunLogStore(RunLogStoreContract):
    """The store in memory keeps the promises, as far as its capabilities declare them."""

    @pytest.fixture
    def make_run_log_store(self) -> Callable[[], BufferedRunLogStore]:
        """Return the same instance again and again, because another one shares nothing with it."""
        store = BufferedRunLogStore()
        return lambda: store


def test_instances_share_nothing() -> None:
    """What one store holds another does not see."""
    one, other = BufferedRunLogStore(), BufferedRunLogStore()
    one.create_run("run-1", [])
    assert list(one.list_runs()) == ["run-1"]
    assert list(other.list_runs()) == []
