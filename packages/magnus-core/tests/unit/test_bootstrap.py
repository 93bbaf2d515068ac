from __future__ import annotations

import dataclasses
import sys
from types import ModuleType
from typing import Any

import pytest

from magnus.bootstrap import Setup
from magnus.definition.config import config_from_mapping
from magnus.domain.capabilities import ExecutorCapabilities, Placement, Reach, ServiceCapabilities
from magnus.domain.verdict import Judgement, Verdict
from magnus.plugins import AdapterSpec, IntegrationSpec, hookimpl
from magnus.plugins.discovery import PluginSource
from magnus.plugins.manager import AdapterManager
from magnus.ports.executor import ComputeNeeds, Executor
from magnus.ports.integration import Integration
from magnus.ports.run_log_store import RunLogStore

FAKES = "magnus_bootstrap_fakes"


@dataclasses.dataclass(frozen=True, slots=True)
class FolderOptions:
    """Where a store keeps things."""

    folder: str = "outside"
    words: tuple[str, ...] = ("a",)


class FakeExecutor(Executor):
    """An executor whose steps run in another place."""

    @classmethod
    def capabilities(cls, options: Any) -> ExecutorCapabilities:
        """Run there."""
        return ExecutorCapabilities(Placement.CONTAINER)


class FakeRule(Integration):
    """The folder is elsewhere inside."""

    def validate(self, executor_options: Any, service_options: Any) -> Verdict:
        """It works."""
        return Verdict(Judgement.OK, "it works")

    def configure_for_traversal(self, executor_options: Any, service_options: Any) -> ComputeNeeds:
        """Mount it."""
        return ComputeNeeds(mounts={service_options.folder: ("/inside", False)})

    def configure_for_execution(self, executor_options: Any, service_options: Any) -> Any:
        """Use it there."""
        return dataclasses.replace(service_options, folder="/inside")


@hookimpl
def magnus_executors() -> list[AdapterSpec]:
    """Offer it."""
    return [AdapterSpec("elsewhere", f"{FAKES}:FakeExecutor", port_api=1)]


@hookimpl
def magnus_run_log_stores() -> list[AdapterSpec]:
    """Offer two: one with a rule, and one without."""
    return [AdapterSpec(name, f"{FAKES}:FakeStore", port_api=1) for name in ("ruled", "free")]


@hookimpl
def magnus_integrations() -> list[IntegrationSpec]:
    """Offer the rule."""
    return [IntegrationSpec("elsewhere", "run_log_store", "ruled", f"{FAKES}:FakeRule", port_api=1)]


@pytest.fixture
def adapters(monkeypatch: pytest.MonkeyPatch) -> AdapterManager:
    """Return a manager of the built-in adapters and the fakes."""
    body: dict[str, Any] = dict.fromkeys(RunLogStore.__abstractmethods__, lambda *_: None)
    body["capabilities"] = classmethod(lambda _cls, _options: ServiceCapabilities(Reach.HOST))
    module = ModuleType(FAKES)
    module.__dict__.update(
        FakeExecutor=FakeExecutor,
        FakeRule=FakeRule,
        FakeStore=type("FakeStore", (RunLogStore,), {**body, "Options": FolderOptions}),
        magnus_executors=magnus_executors,
        magnus_run_log_stores=magnus_run_log_stores,
        magnus_integrations=magnus_integrations,
    )
    monkeypatch.setitem(sys.modules, FAKES, module)
    return AdapterManager(
        [
            PluginSource("builtin", "magnus.builtin.plugin", "magnus-core 1"),
            PluginSource("fakes", FAKES, "fakes 1"),
        ]
    )


def setup(adapters: AdapterManager, store: str, **options: Any) -> Setup:
    """Return the setup for a run log store with *options*."""
    blocks = {
        "executor": {"type": "elsewhere"},
        "run_log_store": {"type": store, "config": options},
        "catalog": {"type": "do-nothing"},
    }
    return Setup(config_from_mapping(blocks, adapters), adapters)


def test_inside_the_compute_a_service_looks_as_its_rule_says(adapters: AdapterManager) -> None:
    """Whoever describes the configuration there, for a child process, says the same."""
    outside = setup(adapters, "ruled", folder="mine")
    inside = outside.inside_compute()
    assert inside.config.run_log_store.options == FolderOptions("/inside")
    described = inside.described(["run_log_store"])["run_log_store"]
    assert described["config"] == {"folder": "/inside", "words": ("a",)}
    assert outside.config.run_log_store.options == FolderOptions("mine")


def test_what_is_described_inside_gives_the_same_setup_again(adapters: AdapterManager) -> None:
    """So that it can be handed on once more."""
    inside = setup(adapters, "ruled", folder="mine").inside_compute()
    again = config_from_mapping(inside.described(), adapters)
    assert again.run_log_store.options == inside.config.run_log_store.options


def test_a_service_without_a_rule_looks_the_same_inside(adapters: AdapterManager) -> None:
    """Options and all."""
    outside = setup(adapters, "free", folder="mine")
    inside = outside.inside_compute()
    assert inside.config == outside.config


def test_only_services_with_a_rule_need_something_of_the_compute(adapters: AdapterManager) -> None:
    """What the rule says, with the options that the service has."""
    assert setup(adapters, "free").compute_needs() == []
    assert setup(adapters, "ruled", folder="mine").compute_needs() == [
        ComputeNeeds(mounts={"mine": ("/inside", False)})
    ]
