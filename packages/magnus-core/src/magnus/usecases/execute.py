"""Runs a pipeline from its definition to its last record."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from magnus.bootstrap import Setup
from magnus.definition.config import load_config
from magnus.definition.options import option_values
from magnus.domain.verdict import Judgement
from magnus.engine.code_identity import CodeIdentities
from magnus.engine.nesting import find_surroundings
from magnus.engine.reentry import refuse_reentry
from magnus.engine.workers.keeper import new_keeper
from magnus.errors import ConfigurationError, JobSubmissionError
from magnus.plugins.discovery import find_plugins
from magnus.plugins.manager import AdapterManager
from magnus.ports.executor import InteractiveExecutor, OrchestrationExecutor
from magnus.usecases.continued import open_continued, tell_changes
from magnus.usecases.execution import Execution
from magnus.usecases.opening import open_run_log_store
from magnus.usecases.reading import read_definition
from magnus.usecases.reaping import release_run
from magnus.usecases.render import render
from magnus.usecases.request_check import check_request, read_parameters

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus.definition.config import Config
    from magnus.domain.graph import Graph
    from magnus.engine.context import Services
    from magnus.engine.nesting import Surroundings
    from magnus.engine.reporting import Reporter
    from magnus.engine.terminal import Terminal
    from magnus.engine.workers.keeper import Keeper
    from magnus.ports.executor import Executor
    from magnus.usecases.outcome import Outcome, Request


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
    refuse_reentry("execute()")
    surroundings = find_surroundings(environ)
    environ = surroundings.environ
    if request.debugs:
        config = _for_debugger(config)
    identities = CodeIdentities()
    setup = Setup(config, adapters)
    executor = setup.build_executor()
    keeper = new_keeper()
    if isinstance(executor, InteractiveExecutor) and executor.uses_workers:
        with suppress(JobSubmissionError):  # said when a step needs it
            keeper.start()  # it gets ready while everything is checked
    with ExitStack() as stack:
        stack.callback(keeper.close)
        stack.callback(executor.close)
        return _execute(graph, setup, executor, keeper, identities, request, surroundings, terminal, reporter)


def _for_debugger(config: Config) -> Config:
    """Return the configuration with which steps run in this process.

    Raises:
        ConfigurationError: The executor cannot do that.
    """
    block = config.executor
    if not hasattr(block.options, "in_process"):
        message = (
            f"--pdb needs steps in this process, and executor '{block.type}' runs them elsewhere; "
            "use it with the executor 'local'"
        )
        raise ConfigurationError(message)
    options = replace(block.options, in_process=True, enable_parallel=False)
    return config.with_block(block._replace(options=options, raw=option_values(options)))


def _execute(  # noqa: PLR0913 - everything that is known by now
    graph: Graph,
    setup: Setup,
    executor: Executor,
    keeper: Keeper,
    identities: CodeIdentities,
    request: Request,
    surroundings: Surroundings,
    terminal: Terminal,
    reporter: Reporter,
) -> Outcome:
    adapters = setup.adapters
    environ = surroundings.environ
    values = read_parameters(request, environ)
    check_request(request, graph, values, setup)
    setup.node_options().check(graph)
    findings = setup.refuse(graph, strict=request.strict)
    for finding in findings:
        if finding.verdict.judgement is Judgement.WARNING:
            reporter.warning(str(finding))
    needs = setup.compute_needs()
    if isinstance(executor, OrchestrationExecutor):
        return render(executor, graph, setup, request, environ, reporter)
    if not isinstance(executor, InteractiveExecutor):
        message = (
            f"executor '{setup.executor.type}' neither runs steps nor renders; report this to its authors"
        )
        raise ConfigurationError(message)
    with ExitStack() as stack:
        services = setup.build_services()
        stack.callback(services.close)
        if request.use_cached is not None:
            for line in _release(request, request.use_cached, setup, services, environ):
                reporter.warning(line)
        continued = open_continued(request, graph, services, values, environ, adapters, stack)
        if continued is not None:
            tell_changes(continued, reporter, strict=request.strict)
        execution = Execution(
            setup, graph, request, executor, services, needs, continued, surroundings, keeper
        )
        return execution.run(values, identities, terminal, reporter)


def _release(
    request: Request, run_id: str, setup: Setup, services: Services, environ: Mapping[str, str]
) -> list[str]:
    """End what is left of the run that is to be continued, in the stores that hold it."""
    if request.cached_config is None:
        return release_run(setup, services.run_log_store, run_id)
    other = Setup(
        load_config(request.cached_config, environ=environ, adapters=setup.adapters), setup.adapters
    )
    with open_run_log_store(other) as store:
        return release_run(other, store, run_id)
