"""What tests of runs need beside the core, which is tested without it as well."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def default_adapters() -> None:
    """Skip where the executor and the stores of the default configuration, which are other packages, are missing."""
    for module in ("magnus_executor_local", "magnus_stores"):
        pytest.importorskip(module, reason="runs need an executor and a store, which are other packages")
