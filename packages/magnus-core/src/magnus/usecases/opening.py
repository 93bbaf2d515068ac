"""Opens what the commands that look at things look at: a configuration, and one service of it at a time."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from magnus.bootstrap import Setup
from magnus.definition.config import load_config
from magnus.domain.capabilities import ServiceKind
from magnus.plugins.discovery import find_plugins
from magnus.plugins.manager import AdapterManager

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from magnus.ports.catalog import Catalog
    from magnus.ports.run_log_store import RunLogStore


def load_setup(config_file: str | None, environ: Mapping[str, str]) -> Setup:
    """Load the configuration; builds no service.

    Raises:
        ConfigurationError: The configuration is wrong.
        ServiceError: An adapter that it names cannot be imported.
    """
    adapters = AdapterManager(find_plugins())
    return Setup(load_config(config_file, environ=environ, adapters=adapters), adapters)


@contextmanager
def open_run_log_store(setup: Setup) -> Iterator[RunLogStore]:
    """Build the run log store, and close it in the end."""
    block = setup.services[ServiceKind.RUN_LOG_STORE]
    store: RunLogStore = block.adapter(block.options)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def open_catalog(setup: Setup) -> Iterator[Catalog]:
    """Build the catalog, and close it in the end."""
    block = setup.services[ServiceKind.CATALOG]
    catalog: Catalog = block.adapter(block.options)
    try:
        yield catalog
    finally:
        catalog.close()
