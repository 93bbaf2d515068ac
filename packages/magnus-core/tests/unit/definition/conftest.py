"""A manager that knows the built-in types and adapters made for these tests, whatever else is installed."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import pytest

from magnus.domain.capabilities import ExecutorCapabilities, Placement, Reach, ServiceCapabilities
from magnus.plugins import AdapterSpec, hookimpl
from magnus.plugins.discovery import PluginSource
from magnus.plugins.manager import AdapterManager
from magnus.ports.catalog import Catalog
from magnus.ports.executor import CommonOptions, Executor
from magnus.ports.run_log_store import RunLogStore

FAKES = "magnus_definition_fakes"


@dataclass(frozen=True, slots=True)
class Limits:
    """Options inside options."""

    cpu: float = 1.0


@dataclass(frozen=True, slots=True)
class FakeOptions(CommonOptions):
    """Options of every shape that an adapter may have."""

    k1: str = "v1"
    k2: Any = None
    k3: str = "v3"
    max_workers: int | None = None
    environment: dict[str, str] = field(default_factory=dict)
    limits: Limits = Limits()

    def __post_init__(self) -> None:
        """Refuse what no type can say."""
        if self.k3 == "refused":
            message = "k3 must not be 'refused'"
            raise ValueError(message)


class FakeExecutor(Executor):
    """An executor that is only configured."""

    Options = FakeOptions

    @classmethod
    def capabilities(cls, options: Any) -> ExecutorCapabilities:
        """Do nothing special."""
        return ExecutorCapabilities(Placement.SAME_PROCESS)


@dataclass(frozen=True, slots=True)
class FolderOptions:
    """Where a store keeps things."""

    folder: str = "here"


def _store(port: type[Any]) -> type[Any]:
    """Make a class of *port* that can be configured and nothing else."""
    body: dict[str, Any] = dict.fromkeys(port.__abstractmethods__, lambda *_: None)
    body["capabilities"] = classmethod(lambda _cls, _options: ServiceCapabilities(Reach.HOST))
    return type(f"Fake{port.__name__}", (port,), {**body, "Options": FolderOptions})


@hookimpl
def magnus_executors() -> list[AdapterSpec]:
    """Offer one executor under two names."""
    return [AdapterSpec(name, f"{FAKES}:FakeExecutor", port_api=1) for name in ("local", "local-container")]


@hookimpl
def magnus_run_log_stores() -> list[AdapterSpec]:
    """Offer a store under the default's name."""
    return [AdapterSpec("file-system", f"{FAKES}:FakeRunLogStore", port_api=1)]


@hookimpl
def magnus_catalogs() -> list[AdapterSpec]:
    """Offer a catalog under the default's name."""
    return [AdapterSpec("file-system", f"{FAKES}:FakeCatalog", port_api=1)]


@pytest.fixture
def adapters(monkeypatch: pytest.MonkeyPatch) -> AdapterManager:
    """Return a manager of the built-in adapters and the fakes."""
    module = ModuleType(FAKES)
    module.__dict__.update(
        FakeExecutor=FakeExecutor,
        FakeRunLogStore=_store(RunLogStore),
        FakeCatalog=_store(Catalog),
        magnus_executors=magnus_executors,
        magnus_run_log_stores=magnus_run_log_stores,
        magnus_catalogs=magnus_catalogs,
    )
    monkeypatch.setitem(sys.modules, FAKES, module)
    return AdapterManager(
        [
            PluginSource("builtin", "magnus.builtin.plugin", "magnus-core 1"),
            PluginSource("fakes", FAKES, "fakes 1"),
        ]
    )
