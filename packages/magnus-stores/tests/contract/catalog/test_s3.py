"""The catalog `s3` keeps the promises of the port."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from magnus.testing.catalog import CatalogContract
from magnus_stores.catalog.s3 import S3Catalog, S3CatalogOptions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from magnus.ports.catalog import Catalog, CatalogEntry


class TestS3Catalog(CatalogContract):
    """In a bucket of a server that stands in for AWS."""

    @pytest.fixture
    def make_catalog(self, bucket: str) -> Callable[[], S3Catalog]:
        """Return a function of which every call makes another client of one bucket."""
        return partial(S3Catalog, S3CatalogOptions(bucket=bucket, prefix="some/files"))

    @pytest.fixture
    def corrupt(self, s3: Any, bucket: str) -> Callable[[CatalogEntry], None]:
        """Return a function that flips one bit of a stored content."""

        def flip(entry: CatalogEntry) -> None:
            key = f"some/files/{entry.location}"
            content = bytearray(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
            content[-1] ^= 1
            s3.put_object(Bucket=bucket, Key=key, Body=bytes(content))

        return flip

    @pytest.mark.slow
    def test_memory_does_not_grow_with_the_file(
        self, make_catalog: Callable[[], Catalog], folder: Path, elsewhere: Path
    ) -> None:
        """The server that stands in for AWS reads the whole for each part of it."""
        super().test_memory_does_not_grow_with_the_file(make_catalog, folder, elsewhere)
