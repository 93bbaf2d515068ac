"""`magnus runs`: list, show, compare, logs, delete, attach, reap."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from typing import Annotated

import typer

from magnus.cli.options import ConfigFile, Json, Level, LogLevel

app = typer.Typer(
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    help="Look at what runs did.",
)


class _Status(StrEnum):
    """The statuses that a run can be listed by."""

    SUCCESS = "SUCCESS"
    FAIL = "FAIL"
    PROCESSING = "PROCESSING"
    TRIGGERED = "TRIGGERED"
    LOST = "LOST"


RunArgument = Annotated[str, typer.Argument(metavar="RUN_ID", help="The run.")]
StepArgument = Annotated[
    str | None, typer.Argument(metavar="[STEP]", help="A step by its dotted name, as `runs show` prints it.")
]


@app.command("list")
def list_runs(
    tag: Annotated[str | None, typer.Option("--tag", help="Only runs with this tag.")] = None,
    status: Annotated[
        _Status | None, typer.Option("--status", case_sensitive=False, help="Only runs with this status.")
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="At most so many.")] = None,
    config_file: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """List the runs of the run log store, newest first."""
    from magnus.cli.run_list import print_runs
    from magnus.usecases.opening import load_setup, open_run_log_store
    from magnus.usecases.runs import list_runs as find_runs

    wanted = str(status) if status is not None else None
    with open_run_log_store(load_setup(config_file, os.environ)) as store:
        print_runs(find_runs(store, tag=tag, status=wanted, limit=limit), as_json=as_json)


@app.command()
def show(
    run_id: RunArgument, step: StepArgument = None, config_file: ConfigFile = None, as_json: Json = False
) -> None:
    """Show a run, or one step of it: attempts, messages, metrics, parameters and files."""
    from magnus.cli.json_output import print_json
    from magnus.cli.run_tree import print_run, print_step
    from magnus.domain.run_log import full_dict, full_step_dict
    from magnus.usecases.opening import load_setup, open_run_log_store
    from magnus.usecases.runs import is_lost, read_run, select_step

    with open_run_log_store(load_setup(config_file, os.environ)) as store:
        run = read_run(store, run_id)
    lost = is_lost(run)
    if step is None:
        print_json({**full_dict(run), "lost": lost}) if as_json else print_run(run, lost=lost)
    else:
        log = select_step(run, step)
        print_json(full_step_dict(log)) if as_json else print_step(log, lost=lost)


@app.command()
def compare(
    run_id: RunArgument,
    other_run_id: Annotated[str, typer.Argument(metavar="OTHER_RUN_ID", help="The run to compare it with.")],
    config_file: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Compare the canonical parts of two runs: what equal inputs give on every executor.

    Exits with 0 if they are equal, and with 1 if not, naming the first difference.
    """
    from magnus.cli.run_list import print_difference
    from magnus.domain.canonical import first_difference
    from magnus.usecases.opening import load_setup, open_run_log_store
    from magnus.usecases.runs import check_runs, read_run

    with open_run_log_store(load_setup(config_file, os.environ)) as store:
        check_runs(store, [run_id, other_run_id])
        difference = first_difference(read_run(store, run_id), read_run(store, other_run_id))
    print_difference(run_id, other_run_id, difference, as_json=as_json)
    if difference is not None:
        raise typer.Exit(1)


@app.command()
def logs(run_id: RunArgument, step: StepArgument = None, config_file: ConfigFile = None) -> None:
    """Print what the steps of a run printed; whose it is stands on stderr."""
    from magnus.cli.tables import remark
    from magnus.usecases.opening import load_setup, open_catalog, open_run_log_store
    from magnus.usecases.runs import read_run
    from magnus.usecases.step_logs import read_logs

    setup = load_setup(config_file, os.environ)
    with open_run_log_store(setup) as store:
        run = read_run(store, run_id)
    count = 0
    with open_catalog(setup) as catalog:
        for name, content in read_logs(catalog, run, step):
            remark(f"==> {name}")
            sys.stdout.flush()
            sys.stdout.buffer.write(content)
            sys.stdout.flush()
            count += 1
    if not count:
        remark("no step has left a log")


@app.command()
def delete(
    run_ids: Annotated[list[str], typer.Argument(metavar="RUN_ID...", help="The runs.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Also a run that is still running.")] = False,
    config_file: ConfigFile = None,
) -> None:
    """Delete runs: their logs, and their entries in the catalog.

    The contents of files stay until `magnus catalog gc` finds that no run refers to them.
    """
    from magnus.cli.tables import remark
    from magnus.errors import ConfigurationError
    from magnus.usecases.opening import load_setup, open_catalog, open_run_log_store
    from magnus.usecases.runs import check_deletable, delete_runs

    setup = load_setup(config_file, os.environ)
    with open_run_log_store(setup) as store, open_catalog(setup) as catalog:
        check_deletable(store, catalog, run_ids, force=force)
        if not yes:
            if not sys.stdin.isatty():
                raise ConfigurationError(
                    "deleting runs cannot be undone: say --yes, as there is nobody to ask"
                )
            typer.confirm(f"delete {', '.join(run_ids)}?", abort=True, err=True)
        delete_runs(store, catalog, run_ids, force=force)
    remark(f"deleted: {', '.join(dict.fromkeys(run_ids))}")


@app.command()
def attach(
    run_id: RunArgument,
    file: Annotated[
        str | None,
        typer.Option("--file", "-f", help="The pipeline file, if the run log does not hold the dag whole."),
    ] = None,
    config_file: ConfigFile = None,
    as_json: Json = False,
    log_level: Level = LogLevel.INFO,
) -> None:
    """Go on with a run that was left while its jobs went on, or whose magnus was killed; nothing is started twice."""
    from magnus.cli.running import run_and_exit
    from magnus.usecases.attaching import attach as work
    from magnus.usecases.outcome import Request

    request = Request(pipeline_file=file, config_file=config_file, run_id=run_id)
    run_and_exit(request, as_json=as_json, log_level=log_level, work=work)


@app.command()
def reap(
    run_id: Annotated[str | None, typer.Argument(metavar="[RUN_ID]", help="The run.")] = None,
    every: Annotated[
        bool,
        typer.Option(
            "--all", help="All lost runs, and the temporary folders of all runs whose process is gone."
        ),
    ] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Close the run although its process, on another machine, cannot be looked at."
        ),
    ] = False,
    config_file: ConfigFile = None,
) -> None:
    """Close a run whose process is gone, and end what it has left: processes, containers, jobs, temporary folders.

    A run that still goes on is left alone.
    """
    from magnus.cli.tables import remark
    from magnus.errors import ConfigurationError
    from magnus.usecases.opening import load_setup
    from magnus.usecases.reaping import reap_all, reap_run

    if (run_id is None) is not every:
        raise ConfigurationError("name a run, or say --all")
    setup = load_setup(config_file, os.environ)
    for line in reap_all(setup) if run_id is None else reap_run(setup, run_id, force=force):
        remark(line)
