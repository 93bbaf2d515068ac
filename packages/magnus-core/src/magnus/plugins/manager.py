"""Finds the installed adapters and loads the ones that are used: pluggy behind typed methods."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, NamedTuple

from pluggy import PluginManager
from pluggy import PluginValidationError as _PluggyError

from magnus.errors import ConfigurationError, ServiceError
from magnus.plugins import hookspecs
from magnus.plugins.markers import PROJECT
from magnus.ports import PORT_API

if TYPE_CHECKING:
    from collections.abc import Iterable

    from magnus.plugins.discovery import PluginSource
    from magnus.plugins.spec import AdapterSpec, IntegrationSpec

HOOKS = {
    "executor": "magnus_executors",
    "run_log_store": "magnus_run_log_stores",
    "catalog": "magnus_catalogs",
    "secrets": "magnus_secrets",
    "experiment_tracker": "magnus_experiment_trackers",
    "node type": "magnus_node_types",
    "task type": "magnus_task_types",
    "image builder": "magnus_image_builders",
    "emulator": "magnus_emulators",
}
"""The hook for each port, by the name people know the port by."""

_PORTS = {
    "executor": "magnus.ports.executor:Executor",
    "run_log_store": "magnus.ports.run_log_store:RunLogStore",
    "catalog": "magnus.ports.catalog:Catalog",
    "secrets": "magnus.ports.secrets:Secrets",
    "experiment_tracker": "magnus.ports.experiment_tracker:ExperimentTracker",
    "node type": "magnus.ports.node_type:NodeType",
    "task type": "magnus.ports.task_type:TaskType",
    "integration": "magnus.ports.integration:Integration",
    "image builder": "magnus.ports.image_builder:ImageBuilder",
    "emulator": "magnus.ports.emulator:Emulator",
}

WHERE_TO_FIND = {
    ("executor", "local"): "magnus-executor-local",
    ("executor", "demo-renderer"): "magnus-executor-local",
    ("executor", "mocked"): "magnus-executor-local",
    ("executor", "local-container"): "magnus-executor-container",
    ("executor", "local-aws-batch"): "magnus-executor-awsbatch",
    ("executor", "aws-step-functions"): "magnus-executor-stepfunctions",
    ("executor", "argo"): "magnus-executor-argo",
    ("executor", "kubeflow"): "magnus-executor-kubeflow",
    ("run_log_store", "file-system"): "magnus-stores",
    ("run_log_store", "chunked-fs"): "magnus-stores",
    ("run_log_store", "sql"): "magnus-stores[sql]",
    ("run_log_store", "s3"): "magnus-stores[s3]",
    ("catalog", "file-system"): "magnus-stores",
    ("catalog", "s3"): "magnus-stores[s3]",
    ("secrets", "dotenv"): "magnus-stores",
    ("secrets", "env-secrets-manager"): "magnus-stores",
    ("secrets", "aws-secrets-manager"): "magnus-stores[s3]",
    ("experiment_tracker", "mlflow"): "magnus-stores[mlflow]",
    ("image builder", "docker"): "magnus-executor-container",
}
"""The distribution that offers each adapter of our own, for the message when it is not installed."""


class Offer(NamedTuple):
    """An adapter and who offers it."""

    spec: AdapterSpec
    distribution: str


class IntegrationOffer(NamedTuple):
    """A rule and who offers it."""

    spec: IntegrationSpec
    distribution: str


class BrokenPlugin(NamedTuple):
    """A plugin that could not be used; it stops only who asks for it.

    Attributes:
        name: Of its entry point.
        distribution: The package it came in, with its version.
        error: What went wrong.
        remedy: What to do.
    """

    name: str
    distribution: str
    error: str
    remedy: str


class AdapterManager:
    """Knows which adapters are installed, by port and name."""

    def __init__(self, sources: Iterable[PluginSource]) -> None:
        """Register the plugins of *sources* one by one; one that fails is kept as broken."""
        self._pluggy = PluginManager(PROJECT)
        self._pluggy.add_hookspecs(hookspecs)
        self.broken: list[BrokenPlugin] = []
        self._distributions: dict[Any, str] = {}
        self._offers: dict[str, dict[str, Offer]] = {}
        self._integrations: dict[tuple[str, str, str], IntegrationOffer] | None = None
        for source in sources:
            self._register(source)

    def _register(self, source: PluginSource) -> None:
        try:
            module = importlib.import_module(source.module)
            self._pluggy.register(module, name=f"{source.distribution}:{source.name}")
            self._pluggy.check_pending()
        except _PluggyError as error:
            self._pluggy.unregister(name=f"{source.distribution}:{source.name}")
            self._mark_broken(source, str(error), "upgrade it to a version for this magnus-core")
        except Exception as error:  # noqa: BLE001 - a plugin is someone else's code: it may fail in any way
            self._mark_broken(
                source, f"{type(error).__name__}: {error}", "reinstall or upgrade it, or remove it"
            )
        else:
            self._distributions[module] = source.distribution

    def _mark_broken(self, source: PluginSource, error: str, remedy: str) -> None:
        self.broken.append(BrokenPlugin(source.name, source.distribution, error, remedy))

    def offers(self, port: str) -> dict[str, Offer]:
        """Return the adapters of *port* by name.

        Raises:
            ConfigurationError: Two packages offer the same name.
        """
        if port not in self._offers:
            found: dict[str, Offer] = {}
            for distribution, spec in self._call(HOOKS[port]):
                if spec.name in found:
                    message = (
                        f"the {port} '{spec.name}' is offered by {found[spec.name].distribution} and by {distribution}; "
                        "uninstall one of them"
                    )
                    raise ConfigurationError(message)
                found[spec.name] = Offer(spec, distribution)
            self._offers[port] = found
        return self._offers[port]

    def integrations(self) -> dict[tuple[str, str, str], IntegrationOffer]:
        """Return the registered rules by (executor, service kind, service).

        Raises:
            ConfigurationError: Two packages offer a rule for the same triple.
        """
        if self._integrations is None:
            found: dict[tuple[str, str, str], IntegrationOffer] = {}
            for distribution, spec in self._call("magnus_integrations"):
                triple = (spec.executor, spec.kind, spec.service)
                if triple in found:
                    message = (
                        f"the integration of {triple[0]} with the {triple[1]} {triple[2]} is offered by "
                        f"{found[triple].distribution} and by {distribution}; uninstall one of them"
                    )
                    raise ConfigurationError(message)
                found[triple] = IntegrationOffer(spec, distribution)
            self._integrations = found
        return self._integrations

    def _call(self, hook: str) -> Iterable[tuple[str, Any]]:
        """Yield what every plugin offers; one whose hook fails is broken, the others are not."""
        for implementation in getattr(self._pluggy.hook, hook).get_hookimpls():
            distribution = self._distributions[implementation.plugin]
            try:
                specs = list(implementation.function())
            except Exception as error:  # noqa: BLE001 - a plugin is someone else's code: it may fail in any way
                text = f"{hook} raised {type(error).__name__}: {error}"
                self.broken.append(
                    BrokenPlugin(implementation.plugin_name, distribution, text, "upgrade or remove it")
                )
                continue
            for spec in specs:
                yield distribution, spec

    def load(self, port: str, name: str) -> type[Any]:
        """Import the adapter class *name* of *port*.

        Raises:
            ConfigurationError: There is none of that name, it was written for another version of the ports, or its class
                is not of that port.
            ServiceError: It is installed but cannot be imported.
        """
        offers = self.offers(port)
        if name not in offers:
            raise ConfigurationError(self.unknown(port, name))
        offer = offers[name]
        return self._load(port, f"the {port} '{name}' of {offer.distribution}", offer.spec)

    def load_integration(self, offer: IntegrationOffer) -> type[Any]:
        """Import the class of a rule; raises like `load`."""
        return self._load("integration", f"an integration of {offer.distribution}", offer.spec)

    def _load(self, port: str, what: str, spec: AdapterSpec | IntegrationSpec) -> type[Any]:
        if spec.port_api != PORT_API:
            older = "it" if spec.port_api < PORT_API else "magnus-core"
            message = f"{what} was written for port API {spec.port_api}, this magnus-core has {PORT_API}; upgrade {older}"
            raise ConfigurationError(message)
        try:
            loaded = _import_target(spec.target)
        except Exception as error:
            extra = getattr(spec, "extra", "")
            remedy = (
                f"pip install '{extra}'"
                if extra and isinstance(error, ImportError)
                else "reinstall or upgrade it"
            )
            message = f"{what} cannot be loaded: {type(error).__name__}: {error}; {remedy}"
            raise ServiceError(message) from error
        base = _import_target(_PORTS[port])
        if not (isinstance(loaded, type) and issubclass(loaded, base)):
            message = f"{what} is not a subclass of {base.__module__}.{base.__qualname__}; report this to its authors"
            raise ConfigurationError(message)
        adapter: type[Any] = loaded
        missing = sorted(getattr(adapter, "__abstractmethods__", ()))
        if missing:
            message = f"{what} lacks {', '.join(missing)}; report this to its authors"
            raise ConfigurationError(message)
        return adapter

    def unknown(self, port: str, name: str) -> str:
        """Return the message for a *name* that no package offers."""
        names = sorted(self.offers(port))
        text = f"no {port} '{name}'; installed: {', '.join(names) or 'none'}"
        package = WHERE_TO_FIND.get((port, name))
        if package:
            text += f". It comes with {package}: pip install '{package}'"
        else:
            from difflib import get_close_matches

            close = get_close_matches(name, names, n=1)
            text += f". Did you mean '{close[0]}'?" if close else ""
        if self.broken:
            text += "; not usable: " + "; ".join(
                f"{item.distribution} ({item.error})" for item in self.broken
            )
        return text


def _import_target(target: str) -> Any:
    """Return what *target* names; another package wrote it, so it may be anything."""
    module, _, name = target.partition(":")
    return getattr(importlib.import_module(module), name)
