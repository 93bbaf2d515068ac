"""Finds plugin modules through the entry points of installed distributions."""

from __future__ import annotations

from typing import NamedTuple

GROUP = "magnus"


class PluginSource(NamedTuple):
    """Where a plugin comes from.

    Attributes:
        name: Of the entry point.
        module: The plugin module, to be imported.
        distribution: The package, with its version.
    """

    name: str
    module: str
    distribution: str


def find_plugins() -> list[PluginSource]:
    """Return the plugins of every installed distribution, ordered by name; imports none of them."""
    from importlib.metadata import entry_points  # noqa: PLC0415 - heavy, and not needed by who lists the plugins itself

    found = {
        PluginSource(entry.name, entry.value, f"{entry.dist.name} {entry.dist.version}" if entry.dist else "unknown")
        for entry in entry_points(group=GROUP)
    }
    return sorted(found)
