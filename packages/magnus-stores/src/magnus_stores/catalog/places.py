"""Where files are brought to."""

from __future__ import annotations

import os

from magnus.errors import CatalogError
from magnus_stores.catalog.failures import reported


class Places:
    """Makes the folders that files are brought to, and sees that no link leads out of the compute data folder."""

    def __init__(self, catalog: str, base: str) -> None:
        """Begin with the compute data folder *base*; *catalog* is what messages call whoever brings the files."""
        self._catalog = catalog
        self._base = base
        self._real_base = ""
        self._ready: set[str] = set()

    def prepare(self, name: str) -> str:
        """Return the folder of `base / name`, which exists afterwards."""
        folder = name.rpartition("/")[0]
        parent = f"{self._base}/{folder}" if folder else self._base
        if folder not in self._ready:
            with reported(self._catalog, "make the folder", parent):
                self._real_base = self._real_base or os.path.realpath(self._base)
                real = os.path.realpath(parent) if folder else self._real_base
                if real != self._real_base and not real.startswith(f"{self._real_base.rstrip('/')}/"):
                    raise CatalogError(
                        f"{name} would be brought to {real}, outside the compute data folder {self._real_base}, "
                        f"because a link leads there; remove the link"
                    )
                if not os.path.isdir(real):
                    os.makedirs(real, exist_ok=True)
            self._ready.add(folder)
        return parent
