"""Judges every installed executor with every installed service: the function behind `magnus integrations`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from magnus.domain.capabilities import ServiceKind
from magnus.engine.integration import Finding, judge_pair
from magnus.errors import MagnusError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magnus.domain.capabilities import ExecutorCapabilities, ServiceCapabilities
    from magnus.plugins.manager import AdapterManager


@dataclass(frozen=True, slots=True)
class Unusable:
    """An adapter, or a rule for a pair, of which nothing can be said.

    Attributes:
        subject: Its port, or `integration`.
        name: Its name.
        error: What is wrong and what to do.
    """

    subject: str
    name: str
    error: str


@dataclass(frozen=True, slots=True)
class IntegrationTable:
    """All pairs.

    Attributes:
        findings: One for each pair, by executor, kind of service and service.
        unusable: What could not be judged.
    """

    findings: Sequence[Finding]
    unusable: Sequence[Unusable]


@dataclass(frozen=True, slots=True)
class _Adapter:
    """An adapter with the options that it has when nothing is said."""

    name: str
    options: Any
    capabilities: Any


def judge_installed(adapters: AdapterManager) -> IntegrationTable:
    """Judge every pair with default options: what a configuration says may make it better or worse.

    Args:
        adapters: What is installed. All of it is imported; what is broken stops nothing but itself.
    """
    unusable = [
        Unusable("plugin", plugin.distribution, f"{plugin.error}; {plugin.remedy}")
        for plugin in adapters.broken
    ]
    executors = _load(adapters, "executor", unusable)
    services = {kind: _load(adapters, kind, unusable) for kind in ServiceKind}
    findings = []
    for executor in executors:
        for kind in ServiceKind:
            for service in services[kind]:
                finding = _judge(adapters, executor, kind, service, unusable)
                if finding is not None:
                    findings.append(finding)
    return IntegrationTable(findings, unusable)


def _load(adapters: AdapterManager, port: str, unusable: list[Unusable]) -> list[_Adapter]:
    loaded = []
    try:
        names = sorted(adapters.offers(port))
    except MagnusError as error:
        unusable.append(Unusable(port, "", str(error)))
        return []
    for name in names:
        try:
            adapter = adapters.load(port, name)
            options = _default_options(adapter)
            loaded.append(_Adapter(name, options, adapter.capabilities(options)))
        except MagnusError as error:
            unusable.append(Unusable(port, name, str(error)))
        except Exception as error:  # noqa: BLE001 - an adapter is someone else's code: it may fail in any way
            text = f"its capabilities cannot be told: {type(error).__name__}: {error}; report this to its authors"
            unusable.append(Unusable(port, name, text))
    return loaded


def _default_options(adapter: Any) -> Any:
    """Return the options that *adapter* has where a configuration gives none; stand-ins where it must give some."""
    from magnus.definition.options import build_options

    try:
        return build_options(adapter.Options, {}, adapter.__name__)
    except MagnusError:
        return _stand_in(adapter.Options)


def _stand_in(options_class: type[Any]) -> Any:
    """Return options whose required fields hold their own names, unchecked: capabilities do not depend on such values."""
    from dataclasses import MISSING, fields, is_dataclass

    if not is_dataclass(options_class):
        return options_class.model_construct()
    options = object.__new__(
        options_class
    )  # past `__post_init__`, which may ask for more than the fields say
    for field in fields(options_class):
        value = field.name if field.default is MISSING else field.default
        value = value if field.default_factory is MISSING else field.default_factory()
        object.__setattr__(options, field.name, value)
    return options


def _judge(
    adapters: AdapterManager,
    executor: _Adapter,
    kind: ServiceKind,
    service: _Adapter,
    unusable: list[Unusable],
) -> Finding | None:
    executor_can: ExecutorCapabilities = executor.capabilities
    service_can: ServiceCapabilities = service.capabilities
    try:
        offer = adapters.integrations().get((executor.name, kind, service.name))
        rule = adapters.load_integration(offer)() if offer else None
        verdict = judge_pair(executor_can, service_can, kind, rule, (executor.options, service.options))
    except Exception as error:  # noqa: BLE001 - an adapter is someone else's code: it may fail in any way
        text = str(error) if isinstance(error, MagnusError) else f"{type(error).__name__}: {error}"
        problem = Unusable("integration", f"{executor.name} x {kind} {service.name}", text)
        if problem not in unusable:
            unusable.append(problem)
        return None
    return Finding(executor.name, kind, service.name, verdict)
