"""`magnus catalog`: list, get, verify, gc."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from magnus.cli.options import ConfigFile, Json

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Look at the files that runs left in the catalog.",
)

DAMAGED_EXIT_CODE = 3

Patterns = Annotated[
    list[str] | None, typer.Argument(metavar="[PATTERN]...", help="Globs; all files if none.")
]


@app.command("list")
def list_files(
    run_id: Annotated[
        str | None, typer.Argument(metavar="[RUN_ID]", help="The run; without it, all runs.")
    ] = None,
    patterns: Patterns = None,
    config_file: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """List the files of a run, or the runs that have files."""
    from magnus.cli.catalog_list import print_files, print_run_ids
    from magnus.usecases import catalog as usecases
    from magnus.usecases.opening import load_setup, open_catalog

    with open_catalog(load_setup(config_file, os.environ)) as catalog:
        if run_id is None:
            print_run_ids(usecases.list_runs(catalog), as_json=as_json)
        else:
            print_files(usecases.list_files(catalog, run_id, patterns or ()), as_json=as_json)


@app.command()
def get(
    run_id: Annotated[str, typer.Argument(metavar="RUN_ID", help="The run.")],
    patterns: Patterns = None,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FOLDER", help="Where to bring them.")
    ] = ".",
    config_file: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Bring files of a run from the catalog to a folder; files of the same name there are replaced."""
    from pathlib import Path

    from magnus.cli.catalog_list import print_files
    from magnus.usecases import catalog as usecases
    from magnus.usecases.opening import load_setup, open_catalog

    with open_catalog(load_setup(config_file, os.environ)) as catalog:
        print_files(usecases.get(catalog, run_id, patterns or (), Path(output)), as_json=as_json)


@app.command()
def verify(
    run_ids: Annotated[
        list[str] | None, typer.Argument(metavar="[RUN_ID]...", help="The runs; all if none.")
    ] = None,
    config_file: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Check that what is stored is what was put; exits with 3 if something is missing or damaged."""
    from magnus.cli.catalog_list import print_verification
    from magnus.usecases import catalog as usecases
    from magnus.usecases.opening import load_setup, open_catalog

    with open_catalog(load_setup(config_file, os.environ)) as catalog:
        damage = usecases.verify(catalog, run_ids or ())
    print_verification(damage, as_json=as_json)
    if any(damage.values()):
        raise typer.Exit(DAMAGED_EXIT_CODE)


@app.command()
def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    runs_without_log: Annotated[
        bool, typer.Option("--runs-without-log", help="First remove the files of runs that have no run log.")
    ] = False,
    config_file: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Remove stored contents that no run refers to."""
    from magnus.cli.catalog_list import print_garbage, print_runs_without_log
    from magnus.usecases import catalog as usecases
    from magnus.usecases.opening import load_setup, open_catalog, open_run_log_store

    setup = load_setup(config_file, os.environ)
    with open_catalog(setup) as catalog, open_run_log_store(setup) as store:
        if runs_without_log:
            usecases.check_store_persists(setup)
            without = usecases.delete_runs_without_log(catalog, store, dry_run=dry_run)
        else:
            without = usecases.runs_without_log(catalog, store)
        report = usecases.collect_garbage(catalog, dry_run=dry_run, store=store)
    print_runs_without_log(without, are_removed=runs_without_log, dry_run=dry_run)
    print_garbage(report, dry_run=dry_run, as_json=as_json)
