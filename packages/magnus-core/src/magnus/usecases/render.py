"""Hands a checked pipeline to an executor that renders, and writes what comes of it."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from magnus.bootstrap import Toolbox
from magnus.definition.config import FILE_VARIABLE
from magnus.definition.variables import PREFIX
from magnus.domain.run_log import Status
from magnus.engine.forwarding import own_version
from magnus.engine.masking import Masker, mask_config
from magnus.engine.rendering import Given, build_plan
from magnus.errors import ConfigurationError
from magnus.usecases.continued import open_continued, tell_changes
from magnus.usecases.finished import finished_nodes
from magnus.usecases.outcome import Outcome
from magnus.usecases.request_check import read_parameters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus.bootstrap import Setup
    from magnus.domain.graph import Graph
    from magnus.engine.reporting import Reporter
    from magnus.ports.executor import OrchestrationExecutor
    from magnus.usecases.outcome import Request


def render(
    executor: OrchestrationExecutor,
    graph: Graph,
    setup: Setup,
    request: Request,
    environ: Mapping[str, str],
    reporter: Reporter,
) -> Outcome:
    """Write *graph* in the language of *executor*; nothing runs, and no run log is made.

    Raises:
        ConfigurationError: The target cannot express something, the request asks for what only a run can give, or a secret
            would stand in the file.
    """
    given = _given(request, setup, environ)
    if given.use_cached:
        given = given._replace(finished=_finished(graph, setup, request, environ, reporter))
    text = executor.render(build_plan(graph, Toolbox(setup), given))
    _refuse_secrets(text, setup, environ)
    target = request.output or executor.default_output
    if target == "-":
        sys.stdout.write(text)
    else:
        path = Path(target)
        temporary = path.with_name(f".{path.name}.new")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(path)
    return Outcome("", Status.SUCCESS, target)


def _given(request: Request, setup: Setup, environ: Mapping[str, str]) -> Given:
    name = setup.config.executor.type
    if request.pipeline_file is None:
        message = (
            f"executor {name}: each node reads the pipeline file, and this pipeline has none; "
            "write it with `.to_yaml()`, and render that file"
        )
        raise ConfigurationError(message)
    for option, value in (
        ("--run-id", request.run_id),
        ("execute_step", request.single_step),
    ):
        if value is not None:
            message = (
                f"executor {name}: {option} is for runs, and this executor only renders; {_REMEDIES[option]}"
            )
            raise ConfigurationError(message)
    return Given(
        pipeline_file=request.pipeline_file,
        # Where the definition is used, nobody may have set the variable.
        config_file=request.config_file or environ.get(FILE_VARIABLE) or None,
        parameters_file=request.parameters_file,
        tag=request.tag,
        magnus_version=own_version(),
        use_cached=request.use_cached or "",
        cached_config=request.cached_config,
    )


_REMEDIES = {
    "--run-id": "give the run id to what is rendered",
    "execute_step": "run the step with an executor that runs, `local` for instance",
}


def _finished(
    graph: Graph, setup: Setup, request: Request, environ: Mapping[str, str], reporter: Reporter
) -> frozenset[str]:
    """Return the nodes that had ended in the run that is continued."""
    values = read_parameters(request, environ)
    with ExitStack() as stack:
        services = setup.build_services()
        stack.callback(services.close)
        continued = open_continued(request, graph, services, values, environ, setup.adapters, stack)
        if continued is None:
            return frozenset()
        tell_changes(continued, reporter, strict=request.strict)
        return finished_nodes(graph, continued.rerun, {**continued.parameters, **values})


def _refuse_secrets(text: str, setup: Setup, environ: Mapping[str, str]) -> None:
    """Refuse a credential in *text*: people keep it in repositories, and hand it to other systems."""
    variables = {key.removeprefix(PREFIX): value for key, value in environ.items() if key.startswith(PREFIX)}
    masker = Masker(mask_config(setup.described(), variables).secrets)
    masked = masker.mask(text)
    if masked == text:
        return
    lines = zip(text.splitlines(), masked.splitlines(), strict=False)
    number = next((number for number, (line, other) in enumerate(lines, start=1) if line != other), 0)
    message = (
        f"executor {setup.config.executor.type}: line {number} of what is rendered would hold a credential; take it "
        "out of the pipeline file or of the executor's options, and let the step get it from `secrets`"
    )
    raise ConfigurationError(message)
