from __future__ import annotations

import pytest

from magnus.plugins.discovery import find_plugins
from magnus.plugins.manager import AdapterManager
from magnus.ports.integration import Integration
from magnus.usecases.integrations import judge_installed
from magnus_executor_container.container_task import ContainerTask
from magnus_executor_container.executor import LocalContainerExecutor
from magnus_executor_container.image_builder import DockerImageBuilder

RULES = {
    ("run_log_store", "file-system"),
    ("run_log_store", "chunked-fs"),
    ("run_log_store", "sql"),
    ("run_log_store", "s3"),
    ("catalog", "file-system"),
    ("catalog", "s3"),
    ("secrets", "dotenv"),
    ("secrets", "env-secrets-manager"),
    ("secrets", "aws-secrets-manager"),
    ("experiment_tracker", "mlflow"),
}


@pytest.fixture
def manager() -> AdapterManager:
    """Return a manager that knows this package as an installed one offers it, and nothing else."""
    return AdapterManager([source for source in find_plugins() if source.name == "executor-container"])


@pytest.mark.parametrize(
    ("port", "name", "adapter"),
    [
        ("executor", "local-container", LocalContainerExecutor),
        ("task type", "container", ContainerTask),
        ("image builder", "docker", DockerImageBuilder),
    ],
)
def test_the_entry_point_leads_to_every_adapter(
    manager: AdapterManager, port: str, name: str, adapter: type[object]
) -> None:
    """Each is what its port asks for: the manager checks that."""
    assert manager.broken == []
    assert manager.load(port, name) is adapter


def test_the_entry_point_leads_to_every_rule(manager: AdapterManager) -> None:
    """For each service that is not simply reached over the network."""
    offers = manager.integrations()
    assert set(offers) == {("local-container", *pair) for pair in RULES}
    for offer in offers.values():
        assert issubclass(manager.load_integration(offer), Integration)


def test_the_executor_is_judged_though_it_needs_an_image() -> None:
    """`magnus integrations` has no configuration that could name one."""
    table = judge_installed(AdapterManager(find_plugins()))
    assert "local-container" not in {each.name for each in table.unusable}
    assert "local-container" in {finding.executor for finding in table.findings}
