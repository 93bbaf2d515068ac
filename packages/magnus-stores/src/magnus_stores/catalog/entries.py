"""What an entry may be called, where its content lies, and what is said of a damaged one: the same in every catalog."""

from __future__ import annotations

import re
from typing import NamedTuple

from magnus.errors import CatalogError
from magnus.ports.catalog import CatalogEntry

OBJECTS = ".objects"
"""The folder of the contents, in the catalog's root."""

RUNS = ".runs"
"""The folder of what the runs hold."""

_BAD_NAME = re.compile(r"//|/\.{1,2}/|\x00")
_HASH = re.compile(r"[0-9a-f]{64}")


class Content(NamedTuple):
    """What an entry refers to: the SHA-256 in hexadecimal, the size in bytes, and if the file may be executed."""

    data_hash: str
    size: int
    is_executable: bool = False


def location_of(data_hash: str) -> str:
    """Return where a content lies, relative to the catalog's root."""
    return f"{OBJECTS}/{data_hash[:2]}/{data_hash}"


def entry_of(name: str, content: Content) -> CatalogEntry:
    """Return the entry of a file."""
    location = location_of(content.data_hash)
    return CatalogEntry(name, content.data_hash, content.size, location, content.is_executable)


def content_of(entry: CatalogEntry) -> Content:
    """Return what an entry refers to."""
    return Content(entry.data_hash, entry.size, entry.is_executable)


def check_name(name: str) -> None:
    """Refuse what leads out of the compute data folder.

    Raises:
        CatalogError: It says what a name is.
    """
    if not name or name[0] == "/" or _BAD_NAME.search(f"/{name}/"):
        raise CatalogError(
            f"the catalog cannot hold {name!r}: a name is a path below the compute data folder, without '..'"
        )


def check_hash(entry: CatalogEntry) -> None:
    """Refuse a hash that is none: it becomes a path.

    Raises:
        CatalogError: It names the entry.
    """
    if not _HASH.fullmatch(entry.data_hash):
        raise CatalogError(f"the entry {entry.name} has {entry.data_hash!r} where a SHA-256 should be")


def damaged(run_id: str, entry: CatalogEntry, problem: str) -> str:
    """Return what is wrong with the content of an entry, and what to do."""
    return (
        f"the catalog's content of {entry.name} (run {run_id}, SHA-256 {entry.data_hash}) {problem}; "
        f"`magnus catalog verify {run_id}` lists all such files; run the step that makes it again"
    )
