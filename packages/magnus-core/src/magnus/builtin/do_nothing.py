"""Services that do nothing: what a run has when it asks for no catalog, no secrets and no tracker."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from magnus.domain.capabilities import Reach, ServiceCapabilities
from magnus.errors import CatalogError, SecretNotFoundError
from magnus.ports.catalog import Catalog, CatalogEntry, EntryChanges, GarbageReport
from magnus.ports.experiment_tracker import ExperimentTracker
from magnus.ports.secrets import Secrets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from magnus.ports.experiment_tracker import Metric


@dataclass(frozen=True, slots=True)
class DoNothingCatalogOptions:
    """Where steps have their files.

    Attributes:
        compute_data_folder: The folder of a step's files, relative to its working directory.
    """

    compute_data_folder: str = "data"


class DoNothingCatalog(Catalog):
    """Accepts every file and keeps none; the run log still says what was put, by name, hash and size."""

    Options = DoNothingCatalogOptions
    stores_nothing = True

    @classmethod
    def capabilities(cls, options: Any) -> ServiceCapabilities:
        """Matter to no one."""
        return ServiceCapabilities(reach=Reach.NETWORK, persistent=False, inert=True)

    @property
    def compute_data_folder(self) -> str:
        """The folder of a step's files, relative to its working directory."""
        return str(self.options.compute_data_folder)

    def put(self, run_id: str, folder: Path, names: Sequence[str]) -> list[CatalogEntry]:
        """Look at the files, and leave them where they are."""
        return [_described(folder, name) for name in names]

    def get(self, run_id: str, folder: Path, entries: Sequence[CatalogEntry]) -> None:
        """Refuse: there is nothing to bring."""
        if entries:
            raise CatalogError(
                f"the do-nothing catalog keeps no files, so it cannot bring {entries[0].name!r} of run {run_id}"
            )

    def put_as(self, run_id: str, folder: Path, names: Mapping[str, str]) -> list[CatalogEntry]:
        """Look at the files, and leave them where they are."""
        return [_described(folder, path)._replace(name=name) for name, path in names.items()]

    def change_entries(self, run_id: str, entries: Sequence[CatalogEntry], removed: Sequence[str]) -> None:
        """Have nothing to change."""

    def read_changes(self, run_id: str, mark: object | None = None) -> EntryChanges:
        """Have nothing that could have changed."""
        return EntryChanges(None, ())

    def list_entries(self, run_id: str) -> list[CatalogEntry]:
        """List nothing."""
        return []

    def sync_between_runs(self, previous_run_id: str, run_id: str) -> int:
        """Give nothing on."""
        return 0

    def list_runs(self) -> Iterator[str]:
        """Know no run."""
        return iter(())

    def delete_run(self, run_id: str) -> None:
        """Have nothing to forget."""

    def verify(self, run_id: str) -> list[str]:
        """Have nothing that could be wrong."""
        return []

    def collect_garbage(self, *, dry_run: bool) -> GarbageReport:
        """Have nothing to remove."""
        return GarbageReport(objects=0, size=0)


class DoNothingSecrets(Secrets):
    """Holds no secret."""

    @classmethod
    def capabilities(cls, options: Any) -> ServiceCapabilities:
        """Matter to no one."""
        return ServiceCapabilities(reach=Reach.NETWORK, persistent=False, inert=True)

    def get(self, name: str) -> str:
        """Refuse, and say how to have secrets."""
        raise SecretNotFoundError(
            f"no secret {name!r}: the do-nothing secrets manager holds none; configure another, for example "
            "'secrets: {type: dotenv}'"
        )

    def get_all(self) -> dict[str, str]:
        """Return nothing."""
        return {}


class DoNothingTracker(ExperimentTracker):
    """Records nothing; what is tracked is in the run log all the same."""

    @classmethod
    def capabilities(cls, options: Any) -> ServiceCapabilities:
        """Matter to no one."""
        return ServiceCapabilities(reach=Reach.NETWORK, persistent=False, inert=True)

    def log_metrics(self, run_id: str, tag: str, step_name: str, metrics: Sequence[Metric]) -> None:
        """Record nothing."""

    def log_parameters(self, run_id: str, tag: str, parameters: Mapping[str, Any]) -> None:
        """Record nothing."""


def _described(folder: Path, name: str) -> CatalogEntry:
    try:
        with (folder / name).open("rb") as file:
            data_hash = hashlib.file_digest(file, "sha256").hexdigest()
            is_executable = bool(os.fstat(file.fileno()).st_mode & stat.S_IXUSR)
            return CatalogEntry(name, data_hash, file.tell(), "", is_executable)
    except OSError as error:
        raise CatalogError(f"the file {folder / name} could not be read: {error.strerror}") from error
