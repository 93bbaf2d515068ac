"""The files of a step as they were before its first attempt, so that every attempt starts from the same ones."""

from __future__ import annotations

import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

from magnus.domain.capabilities import Isolation
from magnus.engine.catalog_sync import find_files
from magnus.errors import ExecutionError
from magnus.ports.catalog import TEMPORARY_PREFIX

if TYPE_CHECKING:
    from types import TracebackType

    from magnus.domain.jobs import Job
    from magnus.domain.nodes import CatalogSettings
    from magnus.engine.context import RunContext


class FolderSnapshot:
    """Remembers the files of a compute data folder that a step's patterns mean.

    Made only for a step that may be tried more than once, before the first attempt has got its files: it copies them,
    within the folder itself, which is on the same file system. Files that no pattern means are the task's own affair.
    """

    def __init__(self, folder: Path, settings: CatalogSettings) -> None:
        """Copy the files.

        Raises:
            ExecutionError: A pattern cannot be used, or names a link that leads out of the folder.
        """
        # A task may change the working directory before the snapshot is restored.
        self._folder = folder.absolute()
        self._patterns = (*settings.get, *settings.optional, *settings.put)
        self._names = find_files(self._folder, self._patterns)
        self._copies: Path | None = None
        if self._names:
            self._copies = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=self._folder))
            for name in self._names:
                _copy(self._folder / name, self._copies / name)

    def restore(self) -> None:
        """Bring the files back, and remove those that the patterns mean and that were not there.

        May be called before every further attempt.
        """
        for name in find_files(self._folder, self._patterns):
            (self._folder / name).unlink()
        if self._copies is not None:
            for name in self._names:
                _copy(self._copies / name, self._folder / name)

    def close(self) -> None:
        """Remove the copies; nothing is called after it."""
        if self._copies is not None:
            shutil.rmtree(self._copies, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def take_snapshot(context: RunContext, job: Job) -> FolderSnapshot | None:
    """Return the files as they are before *job*; None where no attempt can follow, or none would see what this one leaves."""
    settings = job.node.catalog
    capabilities = context.executor.capabilities(context.executor.options)
    is_seen = capabilities.shares_working_folder and capabilities.isolation is not Isolation.STEP
    if settings is None or not is_seen or job.attempt_number >= job.node.retry.max_attempts:
        return None
    folder = settings.compute_data_folder or context.services.catalog.compute_data_folder
    with suppress(ExecutionError):  # a pattern that cannot be used fails the attempt itself
        return FolderSnapshot(Path(context.workspaces.of(job, folder).data_folder), settings)
    return None


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_dir():
        # The failed attempt made a folder where there was a file; a copy would go into it.
        shutil.rmtree(target)
    shutil.copy2(source, target)
