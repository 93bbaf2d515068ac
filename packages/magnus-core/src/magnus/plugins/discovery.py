"""Finds plugin modules through the entry points of installed distributions.

`importlib.metadata` would do the same, but importing it takes two and a half times as long as starting Python, for the
e-mail and zip packages behind it. The two formats read here are fixed by the packaging specifications: a `*.dist-info`
folder named after the distribution and its version, and an `entry_points.txt` of sections with `name = module` lines.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

GROUP = "magnus"

_FOLDER_ENDING = ".dist-info"


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


def find_plugins(search_path: Iterable[str] | None = None) -> list[PluginSource]:
    """Return the plugins of every installed distribution, ordered by name; imports none of them.

    Args:
        search_path: The folders to look in; `sys.path` by default. Of two versions of a distribution, the one in the
            earlier folder counts, as for imports.
    """
    found: dict[str, list[PluginSource]] = {}
    for folder in sys.path if search_path is None else search_path:
        for distribution, version, path in _distributions(folder or "."):
            if distribution not in found:
                found[distribution] = list(_entry_points(path, f"{distribution} {version}"))
    return sorted({source for sources in found.values() for source in sources})


def _distributions(folder: str) -> Iterator[tuple[str, str, str]]:
    """Yield name, version and metadata folder of the distributions that are installed in *folder*."""
    try:
        items = sorted(os.listdir(folder))
    except OSError:  # a zip file, or a folder of the search path that does not exist
        return
    for item in items:
        if item.endswith(_FOLDER_ENDING):
            name, _, version = item.removesuffix(_FOLDER_ENDING).partition("-")
            yield name.replace("_", "-").replace(".", "-").lower(), version, f"{folder}/{item}"


def _entry_points(path: str, distribution: str) -> Iterator[PluginSource]:
    try:
        with open(f"{path}/entry_points.txt", encoding="utf-8", errors="replace") as file:
            lines = file.read().splitlines()
    except OSError:
        return
    section = ""
    for raw in lines:
        line = raw.strip()
        if line.startswith("[") and line.endswith("]"):
            section = line[1:-1].strip()
        elif section == GROUP and "=" in line and not line.startswith("#"):
            name, _, module = line.partition("=")
            yield PluginSource(name.strip(), module.partition("[")[0].strip(), distribution)
