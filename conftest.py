"""Loads what the contract suites need, for every package of the workspace, and keeps together what must not be taken apart."""

from __future__ import annotations

import signal

import pytest

pytest_plugins = ["magnus.testing.plugin"]

# A shell that starts the tests in the background has them ignore interrupts, and every child of theirs too.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Tests that share what is expensive to start, or that look at everything on the one engine, stay in one process each; the
# first fixture that a test uses decides. A test that asks for one while it runs says so itself: `@pytest.mark.xdist_group`.
_GROUPS = {
    "aws": "aws",
    "engine": "containers",
    "mlflow_server": "mlflow",
    "tracking_server": "containers",
    "digits_log": "digits",
    "environment": "environment",
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say which tests `pytest -n` must not run in different processes."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            group = next(
                (_GROUPS[name] for name in _GROUPS if name in getattr(item, "fixturenames", ())), None
            )
            if group is not None:
                item.add_marker(pytest.mark.xdist_group(group))
