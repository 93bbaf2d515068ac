from __future__ import annotations

from magnus.plugins.discovery import find_plugins
from magnus.plugins.manager import AdapterManager
from magnus.usecases.integrations import judge_installed
from magnus_executor_container.image_builder import DockerImageBuilder


def test_the_entry_point_leads_to_the_image_builder() -> None:
    """As an installed package offers it."""
    manager = AdapterManager([source for source in find_plugins() if source.name == "executor-container"])
    assert manager.broken == []
    assert manager.load("image builder", "docker") is DockerImageBuilder


def test_the_executor_is_judged_though_it_needs_an_image() -> None:
    """`magnus integrations` has no configuration that could name one."""
    table = judge_installed(AdapterManager(find_plugins()))
    assert "local-container" not in {each.name for each in table.unusable}
    assert "local-container" in {finding.executor for finding in table.findings}
