"""Prints what a catalog holds."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from magnus.cli.json_output import print_json
from magnus.cli.tables import print_table, remark

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from magnus.ports.catalog import CatalogEntry, GarbageReport


_NAMED_RUNS = 5


def print_run_ids(run_ids: Sequence[str], *, as_json: bool) -> None:
    """Print the runs that have files, one a line."""
    if as_json:
        print_json(list(run_ids))
        return
    for run_id in run_ids:
        sys.stdout.write(f"{run_id}\n")
    if not run_ids:
        remark("no run has files in the catalog")


def print_files(entries: Sequence[CatalogEntry], *, as_json: bool) -> None:
    """Print one line for each file; hashes in full only as JSON."""
    if as_json:
        print_json([entry._asdict() for entry in entries])
    elif entries:
        rows = [[str(entry.size), entry.data_hash[:12], entry.name] for entry in entries]
        print_table(["BYTES", "SHA256", "NAME"], rows)
    else:
        remark("no files")


def _entry_dict(entry: CatalogEntry) -> dict[str, Any]:
    return {"name": entry.name, "data_hash": entry.data_hash, "size": entry.size, "location": entry.location}


def print_verification(damage: Mapping[str, Sequence[str]], *, as_json: bool) -> None:
    """Print what is wrong with each run's files."""
    if as_json:
        print_json(damage)
        return
    for run_id, messages in damage.items():
        sys.stdout.write(f"{run_id}: {'ok' if not messages else 'damaged'}\n")
        for message in messages:
            sys.stdout.write(f"  {message}\n")


def print_runs_without_log(run_ids: Sequence[str], *, are_removed: bool, dry_run: bool) -> None:
    """Print which runs have files and no run log, for people."""
    if not run_ids:
        return
    named = ", ".join(run_ids[:_NAMED_RUNS]) + (" ..." if len(run_ids) > _NAMED_RUNS else "")
    if not are_removed:
        remark(f"no log in the run log store: {named}; --runs-without-log removes the files of these runs")
    else:
        remark(f"{'would remove' if dry_run else 'removed'} the files of runs without a log: {named}")


def print_garbage(report: GarbageReport, *, dry_run: bool, as_json: bool) -> None:
    """Print how much was removed, or would be."""
    if as_json:
        print_json({**report._asdict(), "dry_run": dry_run})
    else:
        done = "would remove" if dry_run else "removed"
        sys.stdout.write(f"{done} {report.objects} contents, {report.size} bytes\n")
