"""What a plugin says of an adapter: names only, so that listing adapters imports none of them."""

from __future__ import annotations

from typing import NamedTuple


class AdapterSpec(NamedTuple):
    """An adapter on offer.

    Attributes:
        name: What a configuration or pipeline calls it.
        target: `package.module:Class`, imported when someone uses it.
        port_api: The `magnus.ports.PORT_API` it was written for.
        extra: What to `pip install` when importing *target* fails for a missing vendor library.
    """

    name: str
    target: str
    port_api: int
    extra: str = ""


class IntegrationSpec(NamedTuple):
    """A rule on offer for one executor together with one service.

    Attributes:
        executor: The executor's name.
        kind: `run_log_store`, `catalog`, `secrets` or `experiment_tracker`.
        service: The service's name.
        target: `package.module:Class` of an `Integration`.
        port_api: The `magnus.ports.PORT_API` it was written for.
    """

    executor: str
    kind: str
    service: str
    target: str
    port_api: int
