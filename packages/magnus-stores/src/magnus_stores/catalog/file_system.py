"""A catalog in a folder: contents stored once, and for each run a journal of its entries and a tree to look at."""

from __future__ import annotations

import errno
import os
import shutil
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from magnus.domain.capabilities import Reach, ServiceCapabilities
from magnus.domain.file_patterns import NOTES_FOLDER
from magnus.domain.names import run_id_problem
from magnus.errors import CatalogError
from magnus.ports.catalog import TEMPORARY_PREFIX, Catalog, EntryChanges, GarbageReport
from magnus_stores.catalog.entries import (
    OBJECTS,
    RUNS,
    Content,
    check_hash,
    check_name,
    content_of,
    damaged,
    entry_of,
)
from magnus_stores.catalog.failures import reported
from magnus_stores.catalog.files import remove
from magnus_stores.catalog.locking import locked
from magnus_stores.catalog.object_store import CorruptContentError, ObjectStore
from magnus_stores.catalog.places import Places
from magnus_stores.catalog.run_index import RunIndex

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from magnus.ports.catalog import CatalogEntry

_NAME = "file-system"
_NOTES = f"{NOTES_FOLDER}/"
_INDEX_SUFFIX = ".jsonl"
_NO_LINKS = frozenset({errno.EPERM, errno.EACCES, errno.EMLINK, errno.EXDEV, errno.ENOTSUP, errno.ENOSYS})


@dataclass(frozen=True, slots=True)
class FileSystemCatalogOptions:
    """Where the catalog is, and where steps have their files.

    Attributes:
        catalog_location: The catalog's folder; a relative one is taken from the working directory of the process.
        compute_data_folder: The folder of a step's files, relative to its working directory.
    """

    catalog_location: str = ".catalog"
    compute_data_folder: str = "data"


class FileSystemCatalog(Catalog):
    """Keeps files in a folder that all who use the catalog can reach.

    ```text
    <catalog_location>/
      .objects/ab/abcdef...   contents by their SHA-256
      .runs/<run_id>.jsonl    the entries of a run: the truth
      <run_id>/<name>         the same as read-only files, hard links to the contents: for people
      .lock                   shared by who puts, alone for who collects garbage
    ```

    A killed process leaves nothing but a temporary file. A machine that loses power may lose what the kernel had not
    written yet; `verify` and every `get` notice.
    """

    Options = FileSystemCatalogOptions

    def __init__(self, options: FileSystemCatalogOptions | None = None) -> None:
        """Take the location from the working directory as it is now: a task may change it later."""
        super().__init__(options)
        self._root = os.path.abspath(os.path.expanduser(self.options.catalog_location))
        self._objects = ObjectStore(f"{self._root}/{OBJECTS}")
        self._indexes: dict[str, RunIndex] = {}

    @classmethod
    def capabilities(cls, options: Any) -> ServiceCapabilities:
        """Reach every process of the machine."""
        return ServiceCapabilities(reach=Reach.HOST)

    @property
    def compute_data_folder(self) -> str:
        """The folder of a step's files, relative to its working directory."""
        return str(self.options.compute_data_folder)

    def put(self, run_id: str, folder: Path, names: Sequence[str]) -> list[CatalogEntry]:
        """Store the files whose content is not there yet, then write the entries in one go."""
        stored = {entry.name: entry for entry in self.put_as(run_id, folder, {name: name for name in names})}
        return [stored[name] for name in names]

    def put_as(self, run_id: str, folder: Path, names: Mapping[str, str]) -> list[CatalogEntry]:
        """Store the files whose content is not there yet, then write the entries in one go."""
        index = self._index(run_id)
        contents: dict[str, Content] = {}
        with self._keep_contents():
            # Around the loop and not in it, where it would cost a tenth of a small file; the error names the file.
            with reported(_NAME, "store files of", str(folder)):
                for name, path in names.items():
                    check_name(name)
                    check_name(path)
                    contents[name] = self._objects.add(f"{folder}/{path}")
            if names:
                with reported(_NAME, "list the entries of", f"run {run_id}"):
                    self._record(run_id, index, contents)
        return [entry_of(name, content) for name, content in contents.items()]

    def get(self, run_id: str, folder: Path, entries: Sequence[CatalogEntry]) -> None:
        """Copy each content beside its target, verify it, and move it to its place."""
        base = str(folder)
        places = Places(_NAME, base)
        temporary_name = f"{TEMPORARY_PREFIX}{os.path.basename(self._objects.temporary_path())}"
        with reported(_NAME, "bring files to", base):
            for entry in entries:
                check_name(entry.name)
                check_hash(entry)
                parent = places.prepare(entry.name)
                content = content_of(entry)
                try:
                    self._objects.bring(content, f"{base}/{entry.name}", f"{parent}/{temporary_name}")
                except CorruptContentError:
                    raise CatalogError(damaged(run_id, entry, "does not match its hash")) from None
                except FileNotFoundError as error:
                    raise CatalogError(damaged(run_id, entry, f"is missing ({error.filename})")) from error

    def list_entries(self, run_id: str) -> list[CatalogEntry]:
        """Read what the run's journal has got since it was last read."""
        with reported(_NAME, "read the entries of", f"run {run_id}"):
            contents = self._index(run_id).read()
            return [entry_of(name, contents[name]) for name in sorted(contents)]

    def change_entries(self, run_id: str, entries: Sequence[CatalogEntry], removed: Sequence[str]) -> None:
        """Append lines to the journal, then follow in the tree."""
        for entry in entries:
            check_name(entry.name)
            check_hash(entry)
        if not entries and not removed:
            return
        with self._keep_contents(), reported(_NAME, "change the entries of", f"run {run_id}"):
            contents = {entry.name: content_of(entry) for entry in entries}
            self._record(run_id, self._index(run_id), contents, removed=removed)

    def read_changes(self, run_id: str, mark: object | None = None) -> EntryChanges:
        """Read what the run's journal has got since it was last read."""
        with reported(_NAME, "read the entries of", f"run {run_id}"):
            changes = self._index(run_id).read_changes(mark)
        changed = [entry_of(name, content) for name, content in changes.contents.items() if content]
        removed = [name for name, content in changes.contents.items() if content is None]
        return EntryChanges(changes.mark, changed, removed, changes.is_complete)

    def sync_between_runs(self, previous_run_id: str, run_id: str) -> int:
        """Add lines to the journal and links to the tree; no content is read."""
        index = self._index(run_id)
        with self._keep_contents(), reported(_NAME, "give the entries to", f"run {run_id}"):
            previous = dict(self._index(previous_run_id).read())
            known = index.read()
            missing = {name: content for name, content in previous.items() if name not in known}
            if missing:
                self._record(run_id, index, missing, replace=False)
            return len(missing)

    def list_runs(self) -> Iterator[str]:
        """Look which journals there are."""
        try:
            names = os.listdir(f"{self._root}/{RUNS}")
        except FileNotFoundError:
            return
        yield from (name.removesuffix(_INDEX_SUFFIX) for name in names if name.endswith(_INDEX_SUFFIX))

    def delete_run(self, run_id: str) -> None:
        """Move the tree away and delete the journal."""
        index = self._index(run_id)
        if not os.path.exists(index.path):
            return
        removed = self._objects.temporary_path()
        with self._keep_contents(), reported(_NAME, "delete", f"run {run_id}"), index.locked():
            os.makedirs(os.path.dirname(removed), exist_ok=True)
            try:
                os.rename(f"{self._root}/{run_id}", removed)
            except FileNotFoundError:
                removed = ""
            os.unlink(index.path)
            if removed:
                shutil.rmtree(removed)

    def verify(self, run_id: str) -> list[str]:
        """Hash every content of the run."""
        messages = []
        for entry in self.list_entries(run_id):
            with reported(_NAME, "verify", f"{entry.name} of run {run_id}"):
                problem = self._objects.problem(Content(entry.data_hash, entry.size))
            if problem:
                messages.append(f"{entry.name}: {problem}")
        return messages

    def collect_garbage(self, *, dry_run: bool) -> GarbageReport:
        """Wait until no one puts, and keep those who want to waiting."""
        objects = size = 0
        with (
            reported(_NAME, "collect the garbage of", self._root),
            locked(f"{self._root}/.lock", exclusive=True),
        ):
            contents = {
                content
                for run_id in self.list_runs()
                for content in RunIndex(self._index_path(run_id)).read().values()
            }
            needed = {content.data_hash for content in contents}
            for path, bytes_stored in self._objects.unneeded(needed):
                objects += 1
                size += bytes_stored
                if not dry_run:
                    os.unlink(path)
            if not dry_run:
                self._objects.tidy({content.size for content in contents})
        return GarbageReport(objects, size)

    def _keep_contents(self) -> AbstractContextManager[int]:
        """Hold off whoever collects garbage, until what is being put is listed."""
        return locked(f"{self._root}/.lock", exclusive=False)

    def _index_path(self, run_id: str) -> str:
        return f"{self._root}/{RUNS}/{run_id}{_INDEX_SUFFIX}"

    def _index(self, run_id: str) -> RunIndex:
        index = self._indexes.get(run_id)
        if index is None:
            if problem := run_id_problem(run_id):
                raise CatalogError(problem)
            index = self._indexes[run_id] = RunIndex(self._index_path(run_id))
        return index

    def _record(
        self,
        run_id: str,
        index: RunIndex,
        contents: Mapping[str, Content],
        *,
        replace: bool = True,
        removed: Sequence[str] = (),
    ) -> None:
        with index.locked() as descriptor:
            known = index.read_from(descriptor)
            if replace:
                new = {name: content for name, content in contents.items() if known.get(name) != content}
            else:
                new = contents = {name: content for name, content in contents.items() if name not in known}
            gone = [name for name in removed if name in known]
            if new or gone:
                index.append(descriptor, new, gone)
            # After the journal, and while its lock is held: the tree then shows what the journal says last.
            for name, content in contents.items():
                if not name.startswith(_NOTES):
                    self._show(run_id, name, content)
            for name in gone:
                with suppress(NotADirectoryError, IsADirectoryError, PermissionError):
                    remove(f"{self._root}/{run_id}/{name}")

    def _show(self, run_id: str, name: str, content: Content) -> None:
        """Link an entry into the tree of its run; the tree is for people, so what cannot stand there is left out."""
        source = self._objects.path_of(content.data_hash)
        target = f"{self._root}/{run_id}/{name}"
        try:
            try:
                os.link(source, target)
            except FileNotFoundError:
                os.makedirs(os.path.dirname(target), exist_ok=True)
                os.link(source, target)
        except FileExistsError:
            # A folder where the file should be, or a file where its folder should be, stays.
            if os.path.isfile(target) and not os.path.samefile(source, target):
                self._replace_shown(content, source, target)
        except NotADirectoryError:
            return
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            self._objects.copy(content, target)

    def _replace_shown(self, content: Content, source: str, target: str) -> None:
        temporary = self._objects.temporary_path()
        try:
            os.link(source, temporary)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            self._objects.copy(content, target)
        else:
            os.replace(temporary, target)
