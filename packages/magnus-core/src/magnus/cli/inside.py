"""Runs a part of a run from the command line, for executors and orchestrators."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from magnus.cli.reporters import make_reporter
from magnus.engine.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from magnus.engine.reporting import Reporter
    from magnus.usecases.inside_run import Part

    T = TypeVar("T")

StepName = Annotated[str, typer.Option("--step-name", help="The step's dotted path, as in the run log.")]
GivenRunId = Annotated[str, typer.Option("--run-id", help="The run; it begins if it does not exist.")]
Definition = Annotated[
    str | None,
    typer.Option("--file", "-f", help="The pipeline file; without it the run log's own definition."),
]
MapVariable = Annotated[
    str | None,
    typer.Option("--map-variable", help="The items of the maps around it: a JSON object, outermost first."),
]
InOrder = Annotated[
    bool,
    typer.Option(
        "--in-order",
        help="Called for every node of a graph in turn: do nothing if it was not reached, and exit with 0 after a failure too.",
    ),
]
IfReached = Annotated[
    bool,
    typer.Option(
        "--if-reached",
        help="Refuse a node to which the steps before it, as they have ended, do not lead: one ended without a trace.",
    ),
]


def take_part(
    work: Callable[[Part, Mapping[str, str], Terminal, Reporter], T], part: Part, log_level: str
) -> T:
    """Do *work*, with people told on stderr how it goes, and return what came of it."""
    with Terminal(hides_prints=True) as terminal:
        return work(part, os.environ, terminal, make_reporter(terminal, log_level))
