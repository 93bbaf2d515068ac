"""Judges a pipeline with a configuration before anything runs: the function behind `magnus check`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from magnus.bootstrap import Setup, Toolbox
from magnus.definition.config import load_config
from magnus.definition.pipeline import load_pipeline
from magnus.definition.variables import PREFIX
from magnus.engine.integration import Finding, refusals
from magnus.errors import ConfigurationError, InputError, Problem
from magnus.plugins.discovery import find_plugins
from magnus.plugins.manager import AdapterManager
from magnus.usecases.request_check import check_request, read_parameters

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from magnus.domain.graph import Graph
    from magnus.domain.parameters import Values
    from magnus.usecases.outcome import Request


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What was found.

    Attributes:
        findings: Every verdict: of the executor with each service, and with each feature and task type of the dag.
        refused: Those that would stop a run.
        permissions: What the identity of the compute must be allowed, as its platform wants it written. Empty if it needs
            nothing, if nobody knows, or if the run would be refused.
    """

    findings: Sequence[Finding]
    refused: Sequence[Finding]
    permissions: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Checked:
    """A pipeline whose files are right, with its configuration.

    Attributes:
        graph: The pipeline.
        setup: The configuration.
        values: The parameters that a run would start from.
        variables: Name to value of the variables that pipeline and configuration used.
    """

    graph: Graph
    setup: Setup
    values: Values
    variables: Mapping[str, str]


def check(request: Request, environ: Mapping[str, str], *, wants_permissions: bool = False) -> CheckReport:
    """Judge the pipeline of *request*; makes no file, container or job.

    Raises:
        InputError: A file is wrong; then there is nothing to judge.
        ServiceError: An adapter that the configuration names cannot be imported.
    """
    checked = load_checked(request, environ)
    findings = checked.setup.judge(checked.graph)
    refused = refusals(findings, strict=request.strict)
    permissions = checked.setup.permissions() if wants_permissions and not refused else ""
    return CheckReport(findings, refused, permissions)


def load_checked(request: Request, environ: Mapping[str, str]) -> Checked:
    """Load pipeline, configuration and parameters of *request* and check all that can be known; raises like `check`."""
    adapters = AdapterManager(find_plugins())
    pipeline = load_pipeline(request.pipeline_file or "pipeline.yaml", environ=environ, adapters=adapters)
    config = load_config(
        request.config_file, environ=environ, adapters=adapters, pipeline_blocks=pipeline.blocks
    )
    setup = Setup(config, adapters)
    values = read_parameters(request, environ)
    check_request(request, pipeline.graph, values, setup)
    setup.node_options().check(pipeline.graph)
    _check_task_options(Toolbox(setup), pipeline.graph)
    used = {name: environ[PREFIX + name] for name in sorted(pipeline.variables | config.variables)}
    return Checked(pipeline.graph, setup, values, used)


def _check_task_options(toolbox: Toolbox, graph: Graph) -> None:
    """Refuse a `command_config` that its task type cannot use; a run would find it when the step begins."""
    problems: list[Problem] = []
    for _, node in graph.walk():
        try:
            toolbox.task_options(node)
        except InputError as error:
            place = node.place
            where = (place.path, place.line, place.column) if place is not None else ()
            problems += [
                Problem(problem.message, *where) if problem.path is None else problem
                for problem in error.problems
            ]
    if problems:
        raise ConfigurationError(problems)
