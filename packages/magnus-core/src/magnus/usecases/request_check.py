"""What a request says besides its files: parameters, the run id, the step that is asked for; and what is wrong with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnus.bootstrap import Toolbox
from magnus.definition.parameters_file import load_parameters_file
from magnus.domain.names import run_id_problem
from magnus.domain.parameters import Values, encode_all, from_environment
from magnus.errors import ConfigurationError, ParametersError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from magnus.bootstrap import Setup
    from magnus.domain.graph import Graph
    from magnus.domain.nodes import Node
    from magnus.usecases.outcome import Request


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
    if setup.executor_capabilities().runs_tasks:
        problems += _problems_in_source(graph, setup)
    if problems:
        raise ParametersError(problems)


def _problems_in_source(graph: Graph, setup: Setup) -> Iterator[Problem]:
    """Yield what is wrong with the code that tasks name; each command is looked at once."""
    types = Toolbox(setup)
    seen: set[tuple[str, str]] = set()
    for _, node in graph.walk():
        if node.task is None or (key := (node.task.command_type, node.task.command)) in seen:
            continue
        seen.add(key)
        if text := types.task_type(node.task.command_type).find_problem_in_source(node.task.command):
            yield _problem(node, f"step '{node.name}': {text}")


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
