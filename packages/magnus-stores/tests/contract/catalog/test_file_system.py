"""The file-system catalog keeps the promises of the port."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from magnus.testing.catalog import CatalogContract
from magnus_stores.catalog.file_system import FileSystemCatalog, FileSystemCatalogOptions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from magnus.ports.catalog import Catalog, CatalogEntry


class TestFileSystemCatalog(CatalogContract):
    """On the disk that the tests run on."""

    @pytest.fixture
    def make_catalog(self, tmp_path: Path) -> Callable[[], Catalog]:
        """Return a function of which every call makes another client of one folder."""
        options = FileSystemCatalogOptions(catalog_location=str(tmp_path / "catalog"))
        return lambda: FileSystemCatalog(options)

    @pytest.fixture
    def corrupt(self, tmp_path: Path) -> Callable[[CatalogEntry], None]:
        """Return a function that flips one bit of a stored content."""

        def flip(entry: CatalogEntry) -> None:
            path = tmp_path / "catalog" / entry.location
            content = bytearray(path.read_bytes())
            content[-1] ^= 1
            path.chmod(0o644)
            path.write_bytes(content)

        return flip
