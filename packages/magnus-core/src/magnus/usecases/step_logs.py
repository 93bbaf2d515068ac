"""Brings what the steps of a run printed from the catalog: the function behind `magnus runs logs`."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from magnus.domain.file_patterns import LOG_FOLDER
from magnus.errors import ConfigurationError
from magnus.ports.catalog import CatalogEntry
from magnus.usecases.runs import select_step, steps_within

if TYPE_CHECKING:
    from collections.abc import Iterator

    from magnus.domain.run_log import RunLog, StepLog
    from magnus.ports.catalog import Catalog


def read_logs(catalog: Catalog, run: RunLog, step_name: str | None = None) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of the logs of a run, in the order in which the steps began.

    Args:
        catalog: Where they are.
        run: The whole run log.
        step_name: Only this step and what is inside it; None for all.

    Raises:
        ConfigurationError: The run has no such step, or the catalog keeps no files.
        CatalogError: A log is missing or damaged.
    """
    first = list(run.steps.values()) if step_name is None else [select_step(run, step_name)]
    entries = [entry for step in first for inner in steps_within(step) for entry in _log_entries(inner)]
    if entries and catalog.stores_nothing:
        raise ConfigurationError(
            "the configured catalog keeps no files, so it has no logs; name the configuration of the run by -c"
        )
    # One after another: a log may be as large as the disk allows, and the reader may want only the first.
    for entry in entries:
        with TemporaryDirectory(prefix="magnus-logs-") as folder:
            catalog.get(run.run_id, Path(folder), [entry])
            content = Path(folder, entry.name).read_bytes()
        yield entry.name, content


def _log_entries(step: StepLog) -> list[CatalogEntry]:
    return [
        CatalogEntry(entry.name, entry.data_hash, entry.size, entry.catalog_relative_path)
        for entry in step.data_catalog
        if entry.stage == "log" and entry.name.startswith(f"{LOG_FOLDER}/")
    ]
