"""Runs a graph from Python: a configuration as a file or a mapping, and who is told how it goes."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from magnus.definition.config import config_from_mapping, load_config
from magnus.domain.run_log import Status
from magnus.engine.terminal import Terminal
from magnus.errors import RunFailedError
from magnus.plugins.discovery import find_plugins
from magnus.plugins.manager import AdapterManager
from magnus.sdk.nodes import plain
from magnus.sdk.reporter import LoggingReporter
from magnus.usecases.execute import execute_pipeline
from magnus.usecases.outcome import Request

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from magnus.definition.config import Config
    from magnus.domain.graph import Graph
    from magnus.domain.run_log import RunLog


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended.

    Attributes:
        run_id: The run; empty where an executor rendered the pipeline instead.
        status: `SUCCESS` or `FAIL`; compares equal to these texts.
        run_log: The whole run log; None where the pipeline was rendered.
        rendered: The file that was written where it was.
    """

    run_id: str
    status: Status
    run_log: RunLog | None
    rendered: str = ""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """What the parameters had become at the end of the run."""
        return self.run_log.parameters if self.run_log is not None else {}


@dataclass(frozen=True, slots=True)
class Ask:
    """What the caller wants of a run; see `Pipeline.execute`."""

    config: str | os.PathLike[str] | Mapping[str, Any] | None = None
    parameters_file: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    run_id: str | None = None
    tag: str = ""
    use_cached: str | None = None
    strict: bool = False
    output: str | None = None
    log_level: str = "INFO"


def run_graph(build: Callable[[AdapterManager], Graph], ask: Ask) -> RunResult:
    """Build, check and run a graph.

    Raises:
        MagnusError: Like `magnus.usecases.execute.execute`.
    """
    adapters = AdapterManager(find_plugins())
    graph = build(adapters)
    config = read_config(ask.config, adapters)
    request = Request(
        config_file=None if ask.config is None or isinstance(ask.config, Mapping) else os.fspath(ask.config),
        parameters_file=ask.parameters_file,
        parameters=plain(ask.parameters),
        run_id=ask.run_id,
        tag=ask.tag,
        use_cached=ask.use_cached,
        strict=ask.strict,
        output=ask.output,
        wants_run_log=True,
    )
    with Terminal() as terminal:
        reporter = LoggingReporter(terminal, ask.log_level)
        outcome = execute_pipeline(graph, config, adapters, request, os.environ, terminal, reporter)
    return RunResult(outcome.run_id, outcome.status, outcome.run_log, outcome.rendered)


def run_failed(result: RunResult) -> RunFailedError:
    """Return the error for a run that failed; where nothing catches it, it is shown without a traceback."""
    message = f"run '{result.run_id}' failed"
    if result.run_log is not None:
        failed = [step for step in result.run_log.walk() if step.status is Status.FAIL and not step.branches]
        if result.run_log.message:
            message += f": {result.run_log.message}"
        elif failed:
            message += f": step '{failed[0].internal_name}': {failed[0].message}"
    message += f"; look: magnus runs show {result.run_id}; resume: execute(use_cached='{result.run_id}')"
    _show_without_traceback()
    return RunFailedError(message, result)


def _show_without_traceback() -> None:
    """Have an uncaught `RunFailedError` shown as text: its traceback says nothing about the step that failed."""
    before = sys.excepthook
    if getattr(before, "shows_failed_runs", False):
        return

    def show(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        if isinstance(error, RunFailedError):
            sys.stderr.write(f"magnus: {error}\n")
        else:
            before(kind, error, traceback)

    show.shows_failed_runs = True  # type: ignore[attr-defined]
    sys.excepthook = show


def read_config(
    config: str | os.PathLike[str] | Mapping[str, Any] | None, adapters: AdapterManager
) -> Config:
    """Return the configuration that a file, or a mapping like its content, says; None for the usual places.

    Raises:
        ConfigurationError: Holds every mistake.
    """
    if isinstance(config, Mapping):
        return config_from_mapping(plain(config), adapters)
    return load_config(config, environ=os.environ, adapters=adapters)
