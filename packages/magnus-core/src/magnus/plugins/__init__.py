"""How adapters register: pluggy hooks, found through the entry-point group `magnus`."""

from __future__ import annotations

from magnus.plugins.markers import hookimpl
from magnus.plugins.spec import AdapterSpec, IntegrationSpec

__all__ = ["AdapterSpec", "IntegrationSpec", "hookimpl"]
