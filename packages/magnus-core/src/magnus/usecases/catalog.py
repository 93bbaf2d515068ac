"""What a person can ask of a catalog: the functions behind `magnus catalog`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnus.domain.capabilities import ServiceKind
from magnus.domain.file_patterns import FilePattern
from magnus.domain.file_scopes import Found, Place, is_note, readable_name, split_stored
from magnus.domain.patterns import pattern_problem
from magnus.engine.masking import Masker
from magnus.engine.recorder import RunRecorder
from magnus.engine.step_files import forget_all_staged, reading
from magnus.errors import ConfigurationError, ExecutionError, MagnusError, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from magnus.bootstrap import Setup
    from magnus.domain.file_scopes import ScopedEntries
    from magnus.ports.catalog import Catalog, CatalogEntry, GarbageReport
    from magnus.ports.run_log_store import RunLogStore


def list_runs(catalog: Catalog) -> list[str]:
    """Return the ids of the runs that have files in *catalog*, in order."""
    return sorted(catalog.list_runs())


def list_files(catalog: Catalog, run_id: str, patterns: Sequence[str] = ()) -> list[CatalogEntry]:
    """Return the files of a run, ordered by name: those that *patterns* mean, or all, its logs included.

    A file of a branch is called `<node>/<branch or item>/<name>`; a pattern that means the plain name means it too.

    Raises:
        ConfigurationError: A pattern cannot be used, or the run has no files.
    """
    entries = _entries(catalog, run_id)
    if not patterns:
        return [entry for _, entry in entries]
    exact = {entry.name for _, entry in entries} | {plain for plain, _ in entries}
    compiled = [
        FilePattern.exactly(pattern) if pattern in exact else _compiled(pattern) for pattern in patterns
    ]
    return [
        entry
        for plain, entry in entries
        if any(pattern.matches(entry.name) or pattern.matches(plain) for pattern in compiled)
    ]


def _entries(catalog: Catalog, run_id: str) -> list[tuple[str, CatalogEntry]]:
    """Return the plain name and the entry, with the name that people call it by, of each file of a run."""
    stored = [entry for entry in catalog.list_entries(run_id) if not is_note(entry.name)]
    if not stored:
        raise ConfigurationError(_no_files(catalog, run_id))
    entries = [
        (split_stored(entry.name)[1], entry._replace(name=readable_name(entry.name))) for entry in stored
    ]
    return sorted(entries, key=lambda each: each[1].name)


def get(catalog: Catalog, run_id: str, patterns: Sequence[str], destination: Path) -> list[CatalogEntry]:
    """Bring the files of a run that *patterns* mean, or all, its logs included, to *destination*; return them.

    A pattern means what it would mean to a step behind the last one of the outermost graph.

    Raises:
        ConfigurationError: A pattern cannot be used, matches nothing or means different contents of branches, or the run has
            no files.
        CatalogError: A file could not be brought.
    """
    selected = {entry.name: entry for entry in list_files(catalog, run_id)}
    if patterns:
        selected = {}
    unmatched = []
    with reading(catalog, run_id) as entries:
        for pattern in patterns:
            found = _find(entries, pattern)
            selected |= {each.name: each.entry._replace(name=each.name) for each in found}
            if not found:
                unmatched.append(pattern)
    if unmatched:
        raise ConfigurationError(
            [
                Problem(
                    f"no file of run {run_id} matches {pattern!r}; `magnus catalog list {run_id}` shows its files"
                )
                for pattern in unmatched
            ]
        )
    wanted = [selected[name] for name in sorted(selected)]
    catalog.get(run_id, destination, wanted)
    return wanted


def _find(entries: ScopedEntries[CatalogEntry], pattern: str) -> list[Found[CatalogEntry]]:
    try:
        exact = entries.find_exactly(pattern, Place())
        return [Found(pattern, exact)] if exact else entries.find(_compiled(pattern), Place())
    except ExecutionError as error:
        raise ConfigurationError(str(error)) from error


def verify(catalog: Catalog, run_ids: Sequence[str] = ()) -> dict[str, list[str]]:
    """Check the stored files of *run_ids*, or of all runs; return what is wrong, by run, for every run checked.

    Raises:
        ConfigurationError: One of *run_ids* has no files.
    """
    known = list_runs(catalog)
    unknown = [run_id for run_id in run_ids if run_id not in known]
    if unknown:
        raise ConfigurationError([Problem(_no_files(catalog, run_id)) for run_id in unknown])
    return {run_id: _verify(catalog, run_id) for run_id in run_ids or known}


def _verify(catalog: Catalog, run_id: str) -> list[str]:
    """Return what is wrong with the files of a run, each called as people call it."""
    messages = catalog.verify(run_id)
    if not messages:
        return []
    names = sorted((entry.name for entry in catalog.list_entries(run_id)), key=len, reverse=True)
    shown = []
    for message in messages:
        name = next((name for name in names if message.startswith(f"{name}:")), "")
        if not is_note(name):
            shown.append(readable_name(name) + message[len(name) :])
    return shown


def collect_garbage(catalog: Catalog, *, dry_run: bool, store: RunLogStore | None = None) -> GarbageReport:
    """Remove what no run refers to, or with *dry_run* only count it.

    Args:
        catalog: The catalog.
        dry_run: Only count.
        store: The run logs, to find what killed attempts of runs that have ended have left staged; that is removed first.
    """
    if store is not None and not dry_run:
        for run_id in list_runs(catalog):
            if _has_ended(store, run_id):
                forget_all_staged(catalog, run_id)
    return catalog.collect_garbage(dry_run=dry_run)


def check_store_persists(setup: Setup) -> None:
    """Refuse a run log store that forgets its runs: all runs of the catalog would count as runs without a log.

    Raises:
        ConfigurationError: It does.
    """
    block = setup.services[ServiceKind.RUN_LOG_STORE]
    if not block.adapter.capabilities(block.options).persistent:
        message = (
            f"the run log store '{block.type}' keeps no logs, so every run would count as one without a log; name the "
            "configuration of the runs by -c"
        )
        raise ConfigurationError(message)


def runs_without_log(catalog: Catalog, store: RunLogStore) -> list[str]:
    """Return the runs that have files in the catalog and no log, in order; no command but `runs delete` knows them."""
    logged = set(store.list_runs())
    return [run_id for run_id in list_runs(catalog) if run_id not in logged]


def delete_runs_without_log(catalog: Catalog, store: RunLogStore, *, dry_run: bool) -> list[str]:
    """Remove the files of the runs that have no log, or with *dry_run* only find them; return these runs."""
    found = runs_without_log(catalog, store)
    if not dry_run:
        for run_id in found:
            catalog.delete_run(run_id)
    return found


def _has_ended(store: RunLogStore, run_id: str) -> bool:
    """Return whether a run is certain to be over; one whose log is missing or damaged is left alone."""
    try:
        return RunRecorder(store, run_id, Masker()).get_run_log().status.has_ended
    except MagnusError:
        return False


def _compiled(pattern: str) -> FilePattern:
    if problem := pattern_problem(pattern):
        raise ConfigurationError(problem)
    return FilePattern(pattern)


def _no_files(catalog: Catalog, run_id: str) -> str:
    if catalog.stores_nothing:
        return f"the configured catalog keeps no files, so it has none of run {run_id}; name another one with `-c`"
    return f"the catalog has no files of run {run_id}; `magnus catalog list` shows the runs that have some"
