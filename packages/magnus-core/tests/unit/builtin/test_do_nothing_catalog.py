from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from magnus.builtin.do_nothing import DoNothingCatalog
from magnus.errors import CatalogError

if TYPE_CHECKING:
    from pathlib import Path


def test_what_was_put_is_described_and_not_kept(tmp_path: Path) -> None:
    """The run log is as full as with any other catalog, the catalog is empty."""
    (tmp_path / "file").write_bytes(b"content")
    catalog = DoNothingCatalog()
    (entry,) = catalog.put("run", tmp_path, ["file"])
    assert (entry.name, entry.size) == ("file", 7)
    assert entry.data_hash == hashlib.sha256(b"content").hexdigest()
    assert catalog.list_entries("run") == []
    assert list(catalog.list_runs()) == []
    assert catalog.sync_between_runs("run", "other") == 0
    assert catalog.collect_garbage(dry_run=False).objects == 0
    assert catalog.verify("run") == []
    catalog.delete_run("run")


def test_what_was_not_kept_cannot_be_brought(tmp_path: Path) -> None:
    """A get of an entry fails instead of leaving the step without its file."""
    (tmp_path / "file").write_bytes(b"content")
    entries = DoNothingCatalog().put("run", tmp_path, ["file"])
    with pytest.raises(CatalogError, match="keeps no files"):
        DoNothingCatalog().get("run", tmp_path, entries)
    DoNothingCatalog().get("run", tmp_path, [])


def test_a_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    """Nothing is recorded that does not exist."""
    with pytest.raises(CatalogError, match="absent"):
        DoNothingCatalog().put("run", tmp_path, ["absent"])
