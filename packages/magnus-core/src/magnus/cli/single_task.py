"""What the commands that run one notebook or one function share."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from magnus.usecases.outcome import Request
    from magnus.usecases.single_task import SingleTask

DataFolder = Annotated[
    str | None,
    typer.Option("--data-folder", "-d", help="Where its files are; else as the catalog is configured."),
]
PutInCatalog = Annotated[
    list[str] | None,
    typer.Option(
        "--put-in-catalog", "--put", metavar="PATTERN", help="Files to keep in the catalog; may be repeated."
    ),
]


def run_task_and_exit(task: SingleTask, request: Request, *, as_json: bool, log_level: str) -> None:
    """Run *task* as a run of its own; exits with 1 if it failed."""
    from magnus.cli.running import run_and_exit
    from magnus.usecases.single_task import execute_task

    run_and_exit(request, as_json=as_json, log_level=log_level, work=partial(execute_task, task))
