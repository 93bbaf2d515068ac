"""The port for catalogs of data files."""

from __future__ import annotations

import os
from abc import abstractmethod
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from magnus.ports.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
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
        is_executable: True for a file that its owner may execute.
    """

    name: str
    data_hash: str
    size: int
    location: str
    is_executable: bool = False


class EntryChanges(NamedTuple):
    """Changes to the entries of a run since they were last read.

    Attributes:
        mark: To be given to the next call of `read_changes`.
        changed: The entries that are new or have changed, each once.
        removed: The names of entries that are gone.
        is_complete: True if *changed* holds all entries of the run, and all known before are to be forgotten.
    """

    mark: object
    changed: Sequence[CatalogEntry]
    removed: Sequence[str] = ()
    is_complete: bool = False


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

        The content is that of `entry.data_hash`. The name may be another one than that under which the entry is listed: a
        step in a branch gets a file by the name that it knows. The files are ordinary ones that the step may change: a change
        never reaches the catalog.

        Raises:
            CatalogError: A content is missing, does not match its hash, or the file could not be written.
        """

    @abstractmethod
    def list_entries(self, run_id: str) -> list[CatalogEntry]:
        """Return the entries of a run, ordered by name; none for a run that has put nothing."""

    def put_as(self, run_id: str, folder: Path, names: Mapping[str, str]) -> list[CatalogEntry]:
        """Store files under other names: the regular file `folder / names[name]` as *name*; otherwise like `put`.

        The default links or copies the files to a temporary folder and calls `put`.

        Returns:
            One entry for each name, in the order given.

        Raises:
            CatalogError: A file could not be read or stored; entries of files before it may have been stored.
        """
        if all(name == path for name, path in names.items()):
            return self.put(run_id, folder, list(names))
        with _scratch_folder() as scratch:
            for name, path in names.items():
                target = scratch / name
                target.parent.mkdir(parents=True, exist_ok=True)
                source = folder / path
                if source.is_file():  # otherwise `put` reports that it is missing
                    _link_or_copy(source, target)
            return self.put(run_id, scratch, list(names))

    def change_entries(self, run_id: str, entries: Sequence[CatalogEntry], removed: Sequence[str]) -> None:
        """Record *entries*, whose contents the run holds already under other names, and remove the names *removed*.

        Moves no bytes. All changes become visible together, or none if the process is killed. A name that is not there may be
        removed. The default brings the files and puts them, and cannot remove entries: these stay, unused, until the run is
        deleted.

        Raises:
            CatalogError: The changes could not be recorded.
        """
        if entries:
            with _scratch_folder() as scratch:
                self.get(run_id, scratch, entries)
                self.put(run_id, scratch, [entry.name for entry in entries])

    def read_changes(self, run_id: str, mark: object | None = None) -> EntryChanges:
        """Return the changes to the entries of a run since the call that returned *mark*; all entries without one.

        Costs as little as possible where nothing has changed: it is called before every get. The default lists all entries.

        Args:
            run_id: The run.
            mark: From the last call for the same run, on this object.
        """
        return EntryChanges(None, self.list_entries(run_id), is_complete=True)

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


@contextmanager
def _scratch_folder() -> Iterator[Path]:
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory(prefix=TEMPORARY_PREFIX) as scratch:
        yield Path(scratch)


def _link_or_copy(source: Path, target: Path) -> None:
    import shutil

    try:
        os.link(os.path.realpath(source), target)
    except OSError:
        shutil.copy(source, target)
