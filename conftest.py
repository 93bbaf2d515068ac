"""Loads what the contract suites need, for every package of the workspace, and keeps together what must not be taken apart."""

from __future__ import annotations

import signal

import pytest

pytest_plugins = ["magnus.testing.plugin"]

# A shell that starts the tests in the background has them ignore interrupts, and every child of theirs too; `nohup` hang-ups.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

# What is expensive to start is started in one process: the tests that use it stay together, by the first of these fixtures. A
# test that asks for one while it runs, or that must not run beside certain others, says so: `@pytest.mark.xdist_group(name)`.
_TOGETHER = (
    "digits",
    "environment",
    "made_runs",
    "mlflow_server",
    "postgresql_in_containers",
    "postgresql_server",
)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tell `pytest -n` which tests to keep together, and to begin with the long ones, so that all cores end at one time."""
    if not _in_groups(config):
        return
    for item in items:
        fixtures = getattr(item, "fixturenames", ())
        shared = next((name for name in _TOGETHER if name in fixtures), None)
        if shared and not item.get_closest_marker("xdist_group"):
            item.add_marker(pytest.mark.xdist_group(shared))
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse to go on where groups are not kept: nothing else would tell."""
    if _in_groups(session.config):
        for item in session.items:
            if item.get_closest_marker("xdist_group") and "@" not in item.nodeid:
                raise pytest.UsageError(
                    f"pytest {pytest.__version__} and pytest-xdist do not go together; ./dev sync"
                )


def _in_groups(config: pytest.Config) -> bool:
    """Tell whether this is one of the processes among which `pytest -n --dist loadgroup` divides the tests."""
    return bool(getattr(config.option, "loadgroup", False))
