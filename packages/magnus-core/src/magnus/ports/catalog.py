"""The port for catalogs of data files."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from magnus.ports.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

TEMPORARY_PREFIX = ".magnus-tmp-"
"""A file in a compute data folder whose name begins so is being brought, or was left by a killed process; it is never put."""


class CatalogEntry(NamedTuple):
    """A file of one run in the catalog.

    Attributes:
        name: Its path relative to the compute data folder, with `/` between the parts; never absolute, never with `..`.
        data_hash: SHA-256 of the content, in hexadecimal.
        size: Bytes.
        location: Where it lies, relative to the catalog's own root.
    """

    name: str
    data_hash: str
    size: int
    location: str


class GarbageReport(NamedTuple):
    """What a garbage collection found.

    Attributes:
        objects: Stored contents that no run refers to.
        size: Their bytes in all.
    """

    objects: int
    size: int


class Catalog(Service):
    """Keeps the files that steps hand on, addressed by content.

    The core finds the files (globs, the compute data folder, refusing names that lead out of it) and the catalog stores
    them. It promises:

    - Equal content is stored once, across steps and runs; putting content that is there moves no bytes.
    - Every write is atomic: no one ever sees half a file, neither in the catalog nor in the compute data folder.
    - A get verifies the hash; a content that does not match is never left in the compute data folder.
    - Memory does not grow with the size of a file.

    Several processes may call any method for one run at the same time. Failures are raised as `CatalogError`.
    """

    stores_nothing: ClassVar[bool] = False
    """True for a catalog that accepts everything and keeps nothing: a `get` that matches nothing is then no failure."""

    @property
    @abstractmethod
    def compute_data_folder(self) -> str:
        """The folder, relative to the working directory of a step, where its files are unless the step says otherwise."""

    @abstractmethod
    def put(self, run_id: str, folder: Path, names: Sequence[str]) -> list[CatalogEntry]:
        """Store the regular files `folder / name` for the run, replacing entries of the same name.

        Returns:
            One entry for each name, in the order given.

        Raises:
            CatalogError: A file could not be read or stored; entries of files before it may have been stored.
        """

    @abstractmethod
    def get(self, run_id: str, folder: Path, entries: Sequence[CatalogEntry]) -> None:
        """Bring *entries* of the run to `folder / entry.name`, making folders and replacing files there.

        The files are ordinary ones that the step may change: a change never reaches the catalog.

        Raises:
            CatalogError: A content is missing, does not match its hash, or the file could not be written.
        """

    @abstractmethod
    def list_entries(self, run_id: str) -> list[CatalogEntry]:
        """Return the entries of a run, ordered by name; none for a run that has put nothing."""

    @abstractmethod
    def sync_between_runs(self, previous_run_id: str, run_id: str) -> int:
        """Give *run_id* all entries of *previous_run_id* without copying bytes; return how many.

        May be called twice; an entry that *run_id* has already is kept.
        """

    @abstractmethod
    def list_runs(self) -> Iterator[str]:
        """Yield the ids of the runs that have entries, in any order."""

    @abstractmethod
    def delete_run(self, run_id: str) -> None:
        """Forget the entries of a run; contents stay until `collect_garbage`. A run without entries is no error."""

    @abstractmethod
    def verify(self, run_id: str) -> list[str]:
        """Return one message for each entry of the run whose content is missing or does not match its hash."""

    @abstractmethod
    def collect_garbage(self, *, dry_run: bool) -> GarbageReport:
        """Remove the contents that no run refers to, and what killed writes left; with *dry_run* only count them.

        A content that is being put at the same time is never removed.
        """
