"""Prints what is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magnus.cli.json_output import print_json
from magnus.cli.tables import print_table, remark

if TYPE_CHECKING:
    from magnus.usecases.adapters import Installed


def print_installed(installed: Installed, *, as_json: bool) -> None:
    """Print one line for each adapter; what is wrong with the broken ones goes to stderr."""
    if as_json:
        print_json(_installed_dict(installed))
        return
    rows = [
        [
            adapter.port,
            adapter.name,
            adapter.distribution,
            str(adapter.port_api),
            "broken" if adapter.error else "ok",
        ]
        for adapter in installed.adapters
    ]
    print_table(["PORT", "NAME", "PACKAGE", "PORT API", "STATE"], rows)
    for adapter in installed.adapters:
        if adapter.error:
            remark(f"broken: {adapter.error}")
    for plugin in installed.broken:
        remark(f"broken: {plugin.distribution}: {plugin.error}; {plugin.remedy}")
    for conflict in installed.conflicts:
        remark(f"broken: {conflict}")


def _installed_dict(installed: Installed) -> dict[str, Any]:
    return {
        "port_api": installed.port_api,
        "adapters": [
            {
                "port": adapter.port,
                "name": adapter.name,
                "distribution": adapter.distribution,
                "port_api": adapter.port_api,
                "error": adapter.error,
            }
            for adapter in installed.adapters
        ],
        "broken": [
            {
                "name": plugin.name,
                "distribution": plugin.distribution,
                "error": plugin.error,
                "remedy": plugin.remedy,
            }
            for plugin in installed.broken
        ],
        "conflicts": list(installed.conflicts),
    }
