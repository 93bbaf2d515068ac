"""Runs a pipeline from its definition to its last record."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from magnus.bootstrap import Setup, open_run
from magnus.definition.parameters_file import load_parameters_file
from magnus.definition.variables import PREFIX
from magnus.domain.names import run_id_problem
from magnus.domain.nothing import NOTHING
from magnus.domain.parameters import Values, encode_all, from_environment
from magnus.domain.run_log import RunLog, Status
from magnus.domain.verdict import Judgement
from magnus.engine.code_identity import CodeIdentities
from magnus.engine.interrupt import StopRun
from magnus.engine.masking import Masker, mask_config
from magnus.engine.recorder import read_run_log
from magnus.engine.traversal import Traversal
from magnus.errors import ConfigurationError, InterruptedRunError
from magnus.plugins.discovery import find_plugins
from magnus.plugins.manager import AdapterManager
from magnus.ports.executor import InteractiveExecutor, OrchestrationExecutor
from magnus.usecases.continued import load_rerun
from magnus.usecases.reading import read_definition
from magnus.usecases.run_ids import new_run_id
from magnus.usecases.worker_preamble import WORKER_COMMAND, WorkerPreamble

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus.definition.config import Config
    from magnus.domain.graph import Graph
    from magnus.engine.context import Services
    from magnus.engine.recorder import RunRecorder
    from magnus.engine.rerun import Rerun
    from magnus.engine.reporting import Reporter
    from magnus.engine.step import StepRunner
    from magnus.engine.terminal import Terminal
    from magnus.ports.executor import Executor


class Request(NamedTuple):
    """What a person asks for when they execute a pipeline.

    Attributes:
        pipeline_file: The definition; None where a graph is given.
        config_file: The configuration; None for the usual places.
        parameters_file: The parameters; None for none.
        run_id: None to have one made.
        tag: The user's own mark.
        use_cached: The run to continue.
        strict: Whether what cannot be judged, or a changed dag in a re-run, is refused.
        single_step: The only step of the outermost graph to run.
        output: Where an orchestration executor writes; `-` for stdout, None for its own default.
        parameters: Given in Python; they win over the file and lose to the environment.
        wants_run_log: Whether the outcome is to hold the whole run log.
    """

    pipeline_file: str | None = None
    config_file: str | None = None
    parameters_file: str | None = None
    run_id: str | None = None
    tag: str = ""
    use_cached: str | None = None
    strict: bool = False
    single_step: str | None = None
    output: str | None = None
    parameters: Mapping[str, Any] = NOTHING
    wants_run_log: bool = False


class Outcome(NamedTuple):
    """What came of it.

    Attributes:
        run_id: The run; empty where something was rendered instead.
        status: Of the run.
        rendered: Where the definition was written.
        run_log: The whole run log, where it was asked for.
    """

    run_id: str
    status: Status
    rendered: str = ""
    run_log: RunLog | None = None


def execute(request: Request, environ: Mapping[str, str], terminal: Terminal, reporter: Reporter) -> Outcome:
    """Load, check and run the pipeline file of *request*.

    Raises:
        MagnusError: Something in the input is wrong, a service failed, or the run was interrupted. A run that failed is no
            error: its outcome says so.
    """
    adapters = AdapterManager(find_plugins())
    pipeline, config = read_definition(request.pipeline_file or "pipeline.yaml", request.config_file, environ, adapters)
    return execute_pipeline(pipeline.graph, config, adapters, request, environ, terminal, reporter)


def execute_pipeline(  # noqa: PLR0913 - what the command line and the Python interface both have
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
    check_request(request, graph, values)
    setup.node_options().check(graph)
    findings = setup.refuse(graph, strict=request.strict)
    for finding in findings:
        if finding.verdict.judgement is Judgement.WARNING:
            reporter.warning(str(finding))
    executor = setup.build_executor()
    if isinstance(executor, OrchestrationExecutor):
        return _render(executor, graph, request)
    services = setup.build_services()
    try:
        rerun = _continued(request, graph, services, values, reporter)
    except BaseException:
        services.close()
        raise
    return _run(setup, graph, executor, services, identities, request, environ, values, rerun, terminal, reporter)


def read_parameters(request: Request, environ: Mapping[str, str]) -> Values:
    """Return what the run starts from: the file, what was given in Python, the environment; the last one wins."""
    values: Values = {}
    if request.parameters_file is not None:
        values |= encode_all(load_parameters_file(request.parameters_file), request.parameters_file)
    values |= encode_all(request.parameters, "parameters")
    return values | encode_all(from_environment(environ), "environment")


def check_request(request: Request, graph: Graph, values: Values) -> None:
    """Refuse what can be known to be wrong before anything is made."""
    if request.run_id is not None and (problem := run_id_problem(request.run_id)):
        raise ConfigurationError(problem)
    if request.single_step is not None and request.single_step not in graph.nodes:
        message = f"no step '{request.single_step}' in the outermost graph; there are {', '.join(graph.nodes)}"
        raise ConfigurationError(message)
    problems = []
    for path, node in graph.walk():
        value = values.get(node.map.iterate_on) if node.map is not None else None
        if node.map is not None and value is not None and not path and not value.text.startswith("["):
            place = f"{node.place}: " if node.place else ""
            problems.append(
                f"{place}map '{node.name}': the parameter '{node.map.iterate_on}' is no list but {value.text[:40]}; give it a list"
            )
    if problems:
        raise ConfigurationError("\n".join(problems))


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


def _continued(
    request: Request, graph: Graph, services: Services, values: Values, reporter: Reporter
) -> tuple[Rerun, Values] | None:
    if request.use_cached is None:
        return None
    rerun, old_values, changes = load_rerun(services.run_log_store, request.use_cached, graph, frozenset(values))
    if changes:
        message = f"the dag is not that of run '{request.use_cached}': {changes}"
        if request.strict:
            raise ConfigurationError(message)
        reporter.warning(message)
    return rerun, {**old_values, **values}


def _run(  # noqa: PLR0913 - the steps of one run, in order
    setup: Setup,
    graph: Graph,
    executor: Executor,
    services: Services,
    identities: CodeIdentities,
    request: Request,
    environ: Mapping[str, str],
    values: Values,
    continued: tuple[Rerun, Values] | None,
    terminal: Terminal,
    reporter: Reporter,
) -> Outcome:
    rerun, values = continued or (None, values)
    masker = Masker()
    described, credentials = mask_config(setup.described(), _variables(environ))
    for credential in credentials:
        masker.add(credential)
    run_id = request.run_id or new_run_id()
    run = open_run(
        setup,
        run_id=run_id,
        tag=request.tag,
        terminal=terminal,
        reporter=reporter,
        masker=masker,
        code_identities=identities.get(),
        services=services,
        executor=executor,
        worker_command=WORKER_COMMAND,
        worker_preamble=lambda runner: _preamble(setup, runner, masker, request.tag, run_id),
        node_command=_node_command(request),
    )
    try:
        head = RunLog(
            run_id,
            dag_hash=graph.hash(),
            tag=request.tag,
            use_cached=rerun is not None,
            original_run_id=rerun.original_run_id if rerun else "",
            start_time=run.context.clock.timestamp(),
            run_config={**described, "dag": graph.definition()},
        )
        values = {name: run.context.recorder.mask_value(value) for name, value in values.items()}
        _begin(setup, graph, run.context.recorder, executor, services, head, values)
        traversal = Traversal(
            run.context, run.step_runner, dict(values), rerun=rerun, single_step=request.single_step
        )
        run.context.interrupts.install(graph.max_time_seconds)
        reporter.run_started(head)
        try:
            status = _traverse(traversal, graph, run.context.recorder, services, head, reporter, run.context.clock.timestamp)
        finally:
            run.context.interrupts.uninstall()
        run_log = read_run_log(services.run_log_store, run_id) if request.wants_run_log else None
    finally:
        run.close()
    return Outcome(run_id, status, run_log=run_log)


def _variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that the files may have used, credentials among them."""
    return {name.removeprefix(PREFIX): value for name, value in environ.items() if name.startswith(PREFIX)}


def _begin(  # noqa: PLR0913
    setup: Setup, graph: Graph, recorder: RunRecorder, executor: Executor, services: Services, head: RunLog, values: Values
) -> None:
    """Make the run: its log first, so that a run id that is taken leaves everything as it was."""
    recorder.create_run_log(head, values)
    try:
        if head.original_run_id:
            services.catalog.sync_between_runs(head.original_run_id, head.run_id)
        if values:
            plain = {name: value.decode() for name, value in values.items()}
            services.experiment_tracker.log_parameters(head.run_id, head.tag, plain)
        if isinstance(executor, InteractiveExecutor):
            executor.prepare_for_graph_execution(graph, head.run_id, setup.compute_needs())
    except BaseException as error:
        head.status, head.message = Status.FAIL, f"not started: {error}"
        recorder.set_run_log(head)
        raise


def _traverse(  # noqa: PLR0913
    traversal: Traversal, graph: Graph, recorder: RunRecorder, services: Services, head: RunLog, reporter: Reporter, now: Any
) -> Status:
    """Walk the graph, and close the run log whatever happens."""
    stopped: StopRun | None = None
    try:
        head.status = traversal.execute_graph(graph)
    except StopRun as stop:
        stopped = stop
        head.status, head.message = Status.FAIL, stop.reason
    except BaseException as error:
        head.status, head.message, head.end_time = Status.FAIL, f"{type(error).__name__}: {error}", now()
        recorder.set_run_log(head, traversal.parameters)
        raise
    head.end_time = now()
    recorder.set_run_log(head, traversal.parameters)
    services.experiment_tracker.end_run(head.run_id, head.tag, succeeded=head.status is Status.SUCCESS)
    reporter.run_ended(head)
    if stopped is not None and stopped.interrupted:
        message = f"run '{head.run_id}' was {stopped.reason}; continue it with --use-cached {head.run_id}"
        raise InterruptedRunError(message)
    return head.status


def _preamble(setup: Setup, runner: StepRunner, masker: Masker, tag: str, run_id: str) -> bytes:
    import pickle

    preamble = WorkerPreamble(
        config=setup.config,
        run_id=run_id,
        tag=tag,
        scratch=str(runner.scratch),
        secrets=tuple(masker.secrets),
        search_path=tuple(sys.path),
    )
    return pickle.dumps(preamble)


def _node_command(request: Request) -> tuple[str, ...]:
    """Return the start of the command line that runs one node of this run in a process of its own."""
    command = ["magnus", "execute_single_node", "--file", request.pipeline_file or "pipeline.yaml"]
    if request.config_file is not None:
        command += ["--config-file", request.config_file]
    return tuple(command)
