"""Says what is installed: the function behind `magnus adapters`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from magnus.errors import MagnusError
from magnus.plugins.manager import HOOKS
from magnus.ports import PORT_API

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magnus.plugins.manager import AdapterManager, BrokenPlugin


@dataclass(frozen=True, slots=True)
class InstalledAdapter:
    """An adapter on offer.

    Attributes:
        port: What it is an adapter for.
        name: What a configuration or pipeline calls it.
        distribution: The package that offers it, with its version.
        port_api: The version of the ports that it was written for.
        error: Why it cannot be used and what to do; empty if it can.
    """

    port: str
    name: str
    distribution: str
    port_api: int
    error: str


@dataclass(frozen=True, slots=True)
class Installed:
    """All that is installed.

    Attributes:
        port_api: The version of the ports of this magnus.
        adapters: By port and name.
        broken: Plugins that could not even say what they offer.
        conflicts: Names that two packages offer, one message each.
    """

    port_api: int
    adapters: Sequence[InstalledAdapter]
    broken: Sequence[BrokenPlugin]
    conflicts: Sequence[str]


def list_adapters(manager: AdapterManager) -> Installed:
    """Return everything that *manager* knows; each adapter is imported, to find out whether it works."""
    adapters, conflicts = [], []
    for port in HOOKS:
        try:
            offers = manager.offers(port)
        except MagnusError as error:
            conflicts.append(str(error))
            continue
        for name, offer in sorted(offers.items()):
            problem = _problem(manager, port, name)
            adapters.append(InstalledAdapter(port, name, offer.distribution, offer.spec.port_api, problem))
    try:
        manager.integrations()
    except MagnusError as error:
        conflicts.append(str(error))
    return Installed(PORT_API, adapters, manager.broken, conflicts)


def _problem(manager: AdapterManager, port: str, name: str) -> str:
    try:
        manager.load(port, name)
    except MagnusError as error:
        return str(error)
    return ""
