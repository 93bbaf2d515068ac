"""The options that several commands share."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class LogLevel(StrEnum):
    """How much is said on stderr."""

    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"
    FATAL = "FATAL"


PipelineFile = Annotated[str, typer.Option("--file", "-f", help="The pipeline file.")]
ConfigFile = Annotated[str | None, typer.Option("--config-file", "-c", help="The configuration file.")]
ParametersFile = Annotated[
    str | None, typer.Option("--parameters-file", "-p", help="YAML or JSON with the parameters.")
]
RunId = Annotated[str | None, typer.Option("--run-id", help="The run's id; one is made if none is given.")]
Tag = Annotated[str, typer.Option("--tag", help="A mark of your own for the run.")]
UseCached = Annotated[
    str | None,
    typer.Option("--use-cached", metavar="RUN_ID", help="Continue this run: what succeeded is skipped."),
]
CachedConfig = Annotated[
    str | None,
    typer.Option("--cached-config", help="The configuration whose stores hold that run, if they are others."),
]
Strict = Annotated[
    bool, typer.Option("--strict", help="Refuse what cannot be judged, and re-runs of a changed dag.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout, and nothing else there.")]
Level = Annotated[
    LogLevel, typer.Option("--log-level", help="How much is said on stderr.", case_sensitive=False)
]
