"""Goes on with a run whose traversal was detached from it or killed, while its jobs went on: `magnus runs attach`."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from magnus.bootstrap import Setup
from magnus.definition.config import load_config
from magnus.definition.pipeline import build_graph
from magnus.engine.attached import read_attached
from magnus.engine.clock import Clock
from magnus.engine.code_identity import CodeIdentities
from magnus.engine.masking import Masker
from magnus.engine.nesting import Surroundings
from magnus.engine.recorder import RunRecorder
from magnus.errors import ConfigurationError, DefinitionError
from magnus.plugins.discovery import find_plugins
from magnus.plugins.manager import AdapterManager
from magnus.ports.executor import InteractiveExecutor
from magnus.usecases.execution import Attachment, Execution
from magnus.usecases.reading import read_definition

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus.domain.graph import Graph
    from magnus.domain.run_log import RunLog
    from magnus.engine.reporting import Reporter
    from magnus.engine.terminal import Terminal
    from magnus.usecases.outcome import Outcome, Request


def attach(request: Request, environ: Mapping[str, str], terminal: Terminal, reporter: Reporter) -> Outcome:
    """Traverse the run that *request* names from where it is to its end.

    Steps that have ended stay as they are, jobs that still run are waited for, and nothing is started twice. Steps that the
    run had not come to are run, also where the run itself continues an earlier one and could have skipped them.

    Raises:
        RunLogNotFoundError: There is no such run.
        ConfigurationError: It has ended, its dag is not the one given, or the executor leaves no jobs behind.
        MagnusError: As for `execute`.
    """
    adapters = AdapterManager(find_plugins())
    if request.pipeline_file is None:
        graph, config = None, load_config(request.config_file, environ=environ, adapters=adapters)
    else:
        pipeline, config = read_definition(request.pipeline_file, request.config_file, environ, adapters)
        graph = pipeline.graph
    setup = Setup(config, adapters)
    executor = setup.build_executor()
    run_id = request.run_id or ""
    with ExitStack() as stack:
        stack.callback(executor.close)
        if not isinstance(executor, InteractiveExecutor):
            message = (
                f"the executor '{config.executor.type}' hands runs over, and has no traversal to go on with"
            )
            raise ConfigurationError(message)
        services = setup.build_services()
        stack.callback(services.close)
        recorder = RunRecorder(services.run_log_store, run_id, Masker())
        head = recorder.get_run_log()
        _refuse_ended(head)
        graph = _same_graph(graph, head, adapters)
        setup.node_options().check(graph)
        setup.refuse(graph, strict=request.strict)
        values = recorder.resolve(head.input_parameters)
        attached = read_attached(services.run_log_store, run_id, Clock().seconds_since(head.start_time))
        execution = Execution(
            setup,
            graph,
            request._replace(tag=head.tag, single_step=head.run_config.get("single_step")),
            executor,
            services,
            setup.compute_needs(),
            Attachment(head, attached),
            Surroundings(environ, head.parent_run_id, head.parent_step),
        )
        return execution.run(values, CodeIdentities(), terminal, reporter)


def _refuse_ended(head: RunLog) -> None:
    if head.status.has_ended:
        message = (
            f"run '{head.run_id}' has ended with {head.status}: there is nothing to attach to; `magnus runs show "
            f"{head.run_id}` tells what it did, `magnus execute --use-cached {head.run_id}` continues it"
        )
        raise ConfigurationError(message)


def _same_graph(graph: Graph | None, head: RunLog, adapters: AdapterManager) -> Graph:
    """Return the graph that the run was begun with: *graph*, or the one in the run log."""
    if graph is None:
        try:
            graph = build_graph(head.run_config.get("dag", {}), adapters=adapters)
        except DefinitionError as error:
            message = (
                f"the dag in the log of run '{head.run_id}' cannot be used; name its file with -f: {error}"
            )
            raise ConfigurationError(message) from error
        if graph.hash() != head.dag_hash:
            message = (
                f"the log of run '{head.run_id}' does not hold its dag whole (secrets are left out); "
                "name its file with -f"
            )
            raise ConfigurationError(message)
    elif graph.hash() != head.dag_hash:
        message = (
            f"the dag is not the one that run '{head.run_id}' was begun with; attach with that one, or continue the run "
            f"with the new one by `magnus execute --use-cached {head.run_id}`"
        )
        raise ConfigurationError(message)
    return graph
