"""A catalog in memory, for tests of what uses a catalog."""

from __future__ import annotations

import hashlib
import stat
from typing import TYPE_CHECKING, Any

from magnus.domain.capabilities import Reach, ServiceCapabilities
from magnus.errors import CatalogError
from magnus.ports.catalog import Catalog, CatalogEntry, GarbageReport

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path


class FakeCatalog(Catalog):
    """Keeps contents in this process.

    Attributes:
        contents: By SHA-256; a test may change them.
        runs: The entries of each run by name.
    """

    compute_data_folder = "data"

    def __init__(self) -> None:
        """Hold nothing."""
        super().__init__()
        self.contents: dict[str, bytes] = {}
        self.runs: dict[str, dict[str, CatalogEntry]] = {}

    @classmethod
    def capabilities(cls, options: Any) -> ServiceCapabilities:
        """Reach no further than this process."""
        return ServiceCapabilities(reach=Reach.PROCESS, concurrent_writers=False, persistent=False)

    def put(self, run_id: str, folder: Path, names: Sequence[str]) -> list[CatalogEntry]:
        """Read the files."""
        return [self._put_one(run_id, folder, name) for name in names]

    def get(self, run_id: str, folder: Path, entries: Sequence[CatalogEntry]) -> None:
        """Write the files, after their contents were verified."""
        for entry in entries:
            content = self.contents.get(entry.data_hash)
            if content is None or _hash(content) != entry.data_hash:
                raise CatalogError(
                    f"the content of {entry.name} (run {run_id}) is missing or does not match its hash"
                )
            target = folder / entry.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            if entry.is_executable:
                target.chmod(target.stat().st_mode | 0o111)

    def put_as(self, run_id: str, folder: Path, names: Mapping[str, str]) -> list[CatalogEntry]:
        """Read the files."""
        return [self._put_one(run_id, folder, path, name) for name, path in names.items()]

    def change_entries(self, run_id: str, entries: Sequence[CatalogEntry], removed: Sequence[str]) -> None:
        """Change the dictionary."""
        own = self.runs.setdefault(run_id, {})
        for name in removed:
            own.pop(name, None)
        own.update((entry.name, entry) for entry in entries)

    def list_entries(self, run_id: str) -> list[CatalogEntry]:
        """Return what the run has."""
        entries = self.runs.get(run_id, {})
        return [entries[name] for name in sorted(entries)]

    def sync_between_runs(self, previous_run_id: str, run_id: str) -> int:
        """Copy the entries that are missing."""
        previous = self.runs.get(previous_run_id, {})
        own = self.runs.setdefault(run_id, {})
        missing = {name: entry for name, entry in previous.items() if name not in own}
        own.update(missing)
        return len(missing)

    def list_runs(self) -> Iterator[str]:
        """Yield the runs."""
        yield from list(self.runs)

    def delete_run(self, run_id: str) -> None:
        """Drop the entries of the run."""
        self.runs.pop(run_id, None)

    def verify(self, run_id: str) -> list[str]:
        """Hash every content of the run."""
        return [
            f"{entry.name}: its content is missing or does not match its hash"
            for entry in self.list_entries(run_id)
            if _hash(self.contents.get(entry.data_hash, b"")) != entry.data_hash
        ]

    def collect_garbage(self, *, dry_run: bool) -> GarbageReport:
        """Drop the contents that no run has."""
        needed = {entry.data_hash for entries in self.runs.values() for entry in entries.values()}
        garbage = {
            data_hash: content for data_hash, content in self.contents.items() if data_hash not in needed
        }
        if not dry_run:
            for data_hash in garbage:
                del self.contents[data_hash]
        return GarbageReport(len(garbage), sum(map(len, garbage.values())))

    def _put_one(self, run_id: str, folder: Path, path: str, name: str = "") -> CatalogEntry:
        try:
            content = (folder / path).read_bytes()
            mode = (folder / path).stat().st_mode
        except OSError as error:
            raise CatalogError(f"the file {folder / path} could not be read: {error.strerror}") from error
        data_hash = _hash(content)
        self.contents[data_hash] = content
        entry = CatalogEntry(name or path, data_hash, len(content), data_hash, bool(mode & stat.S_IXUSR))
        self.runs.setdefault(run_id, {})[entry.name] = entry
        return entry


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
