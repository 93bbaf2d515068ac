"""What a person can ask of a catalog: the functions behind `magnus catalog`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnus.domain.patterns import pattern_problem
from magnus.engine.catalog_sync import select_entries
from magnus.errors import ConfigurationError, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from magnus.ports.catalog import Catalog, CatalogEntry, GarbageReport


def list_runs(catalog: Catalog) -> list[str]:
    """Return the ids of the runs that have files in *catalog*, in order."""
    return sorted(catalog.list_runs())


def list_files(catalog: Catalog, run_id: str, patterns: Sequence[str] = ()) -> list[CatalogEntry]:
    """Return the files of a run, ordered by name: those that *patterns* mean, or all, its logs included.

    Raises:
        ConfigurationError: A pattern cannot be used, or the run has no files.
    """
    _check_patterns(patterns)
    entries = catalog.list_entries(run_id)
    if not entries:
        raise ConfigurationError(_no_files(catalog, run_id))
    return select_entries(entries, patterns) if patterns else entries


def get(catalog: Catalog, run_id: str, patterns: Sequence[str], destination: Path) -> list[CatalogEntry]:
    """Bring the files of a run that *patterns* mean, or all, its logs included, to *destination*; return them.

    Raises:
        ConfigurationError: A pattern cannot be used or matches nothing, or the run has no files.
        CatalogError: A file could not be brought.
    """
    entries = list_files(catalog, run_id)
    _check_patterns(patterns)
    unmatched = [pattern for pattern in patterns if not select_entries(entries, [pattern])]
    if unmatched:
        raise ConfigurationError(
            [
                Problem(
                    f"no file of run {run_id} matches {pattern!r}; `magnus catalog list {run_id}` shows its files"
                )
                for pattern in unmatched
            ]
        )
    selected = select_entries(entries, patterns) if patterns else entries
    catalog.get(run_id, destination, selected)
    return selected


def verify(catalog: Catalog, run_ids: Sequence[str] = ()) -> dict[str, list[str]]:
    """Check the stored files of *run_ids*, or of all runs; return what is wrong, by run, for every run checked.

    Raises:
        ConfigurationError: One of *run_ids* has no files.
    """
    known = list_runs(catalog)
    unknown = [run_id for run_id in run_ids if run_id not in known]
    if unknown:
        raise ConfigurationError([Problem(_no_files(catalog, run_id)) for run_id in unknown])
    return {run_id: catalog.verify(run_id) for run_id in run_ids or known}


def collect_garbage(catalog: Catalog, *, dry_run: bool) -> GarbageReport:
    """Remove what no run refers to, or with *dry_run* only count it."""
    return catalog.collect_garbage(dry_run=dry_run)


def _check_patterns(patterns: Sequence[str]) -> None:
    if problems := [Problem(problem) for pattern in patterns if (problem := pattern_problem(pattern))]:
        raise ConfigurationError(problems)


def _no_files(catalog: Catalog, run_id: str) -> str:
    if catalog.stores_nothing:
        return f"the configured catalog keeps no files, so it has none of run {run_id}; name another one with `-c`"
    return f"the catalog has no files of run {run_id}; `magnus catalog list` shows the runs that have some"
