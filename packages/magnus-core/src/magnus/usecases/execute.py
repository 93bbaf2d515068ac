"""Runs a pipeline from its definition to its last record."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from magnus.bootstrap import Setup, Toolbox
from magnus.definition.parameters_file import load_parameters_file
from magnus.domain.names import run_id_problem
from magnus.domain.parameters import Values, encode_all, from_environment
from magnus.domain.run_log import Status
from magnus.domain.verdict import Judgement
from magnus.engine.code_identity import CodeIdentities
from magnus.errors import ConfigurationError, ParametersError, Problem
from magnus.plugins.discovery import find_plugins
from magnus.plugins.manager import AdapterManager
from magnus.ports.executor import InteractiveExecutor, OrchestrationExecutor
from magnus.usecases.continued import open_continued
from magnus.usecases.execution import Execution
from magnus.usecases.outcome import Outcome, Request
from magnus.usecases.reading import read_definition

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from magnus.definition.config import Config
    from magnus.domain.graph import Graph
    from magnus.domain.nodes import Node
    from magnus.engine.reporting import Reporter
    from magnus.engine.terminal import Terminal


def execute(request: Request, environ: Mapping[str, str], terminal: Terminal, reporter: Reporter) -> Outcome:
    """Load, check and run the pipeline file of *request*.

    Raises:
        MagnusError: Something in the input is wrong, a service failed, or the run was interrupted. A run that failed is no
            error: its outcome says so.
    """
    adapters = AdapterManager(find_plugins())
    pipeline, config = read_definition(
        request.pipeline_file or "pipeline.yaml", request.config_file, environ, adapters
    )
    return execute_pipeline(pipeline.graph, config, adapters, request, environ, terminal, reporter)


def execute_pipeline(
    graph: Graph,
    config: Config,
    adapters: AdapterManager,
    request: Request,
    environ: Mapping[str, str],
    terminal: Terminal,
    reporter: Reporter,
) -> Outcome:
    """Check and run *graph* with *config*; raises like `execute`."""
    identities = CodeIdentities()
    setup = Setup(config, adapters)
    values = read_parameters(request, environ)
    check_request(request, graph, values, setup)
    setup.node_options().check(graph)
    findings = setup.refuse(graph, strict=request.strict)
    for finding in findings:
        if finding.verdict.judgement is Judgement.WARNING:
            reporter.warning(str(finding))
    needs = setup.compute_needs()
    executor = setup.build_executor()
    if isinstance(executor, OrchestrationExecutor):
        return _render(executor, graph, request)
    if not isinstance(executor, InteractiveExecutor):
        message = (
            f"executor '{config.executor.type}' neither runs steps nor renders; report this to its authors"
        )
        raise ConfigurationError(message)
    with ExitStack() as stack:
        stack.callback(executor.close)
        services = setup.build_services()
        stack.callback(services.close)
        if request.use_cached is not None:
            for line in executor.reap(request.use_cached):
                reporter.warning(line)
        continued = open_continued(request, graph, services, values, environ, adapters, stack)
        if continued is not None and continued.changes:
            _tell_changes(request, continued.changes, reporter)
        execution = Execution(setup, graph, request, executor, services, needs, continued, environ)
        return execution.run(values, identities, terminal, reporter)


def read_parameters(request: Request, environ: Mapping[str, str]) -> Values:
    """Return what the run starts from: the file, what was given in Python, the environment; the last one wins."""
    values: Values = {}
    if request.parameters_file is not None:
        values |= encode_all(load_parameters_file(request.parameters_file), request.parameters_file)
    values |= encode_all(request.parameters, "parameters")
    return values | encode_all(from_environment(environ), "environment")


def check_request(request: Request, graph: Graph, values: Values, setup: Setup) -> None:
    """Refuse what can be known to be wrong before anything is made.

    Raises:
        ConfigurationError: The run id or the step that was asked for cannot be used.
        ParametersError: The parameters cannot be what the pipeline needs; holds every mistake.
    """
    if request.run_id is not None and (problem := run_id_problem(request.run_id)):
        raise ConfigurationError(problem)
    if request.single_step is not None and request.single_step not in graph.nodes:
        names = ", ".join(graph.nodes)
        message = f"no step '{request.single_step}' in the outermost graph; there are {names}"
        raise ConfigurationError(message)
    problems = [_problem(node, text) for node in graph.nodes.values() if (text := _map_problem(node, values))]
    first = graph.nodes[request.single_step or graph.start_at]
    if request.use_cached is None and setup.executor_capabilities().runs_tasks:
        problems += [_problem(first, text) for text in _missing_arguments(first, values, setup)]
    if problems:
        raise ParametersError(problems)


def _map_problem(node: Node, values: Values) -> str | None:
    """Return what is wrong with the parameter of a map, if the user has given it."""
    value = values.get(node.map.iterate_on) if node.map is not None else None
    if node.map is None or value is None or value.text.startswith("["):
        return None
    name = node.map.iterate_on
    return f"step '{node.name}': the map needs a list, but the parameter '{name}' is {value.text[:40]}; give it a list"


def _missing_arguments(node: Node, values: Values, setup: Setup) -> Iterator[str]:
    """Yield what the first task needs and nobody gives; of later ones a step before may still set it."""
    if node.task is None:
        return
    required = Toolbox(setup).task_type(node.task.command_type).required_parameters(node.task.command)
    for name in required:
        if name not in values:
            yield (
                f"step '{node.name}': '{node.task.command}' needs the argument '{name}', it has no default, and no parameter "
                f"of that name is given; put it in the parameters file, or set MAGNUS_PRM_{name}"
            )


def _problem(node: Node, text: str) -> Problem:
    place = node.place
    return Problem(text, place.path, place.line, place.column) if place else Problem(text)


def _render(executor: OrchestrationExecutor, graph: Graph, request: Request) -> Outcome:
    text = executor.render(graph, request.pipeline_file or "pipeline.yaml")
    target = request.output or executor.default_output
    if target == "-":
        sys.stdout.write(text)
    else:
        path = Path(target)
        temporary = path.with_name(f".{path.name}.new")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    return Outcome("", Status.SUCCESS, target)


def _tell_changes(request: Request, changes: str, reporter: Reporter) -> None:
    message = f"the dag is not that of run '{request.use_cached}': {changes}"
    if request.strict:
        raise ConfigurationError(message)
    reporter.warning(message)
