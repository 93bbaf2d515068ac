"""Takes part in a run that others traverse: opens it where a node of it runs, or begins it with its first node."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from magnus.bootstrap import Setup, open_run
from magnus.definition.config import load_config
from magnus.definition.pipeline import build_graph
from magnus.definition.variables import PREFIX
from magnus.domain.capabilities import Isolation
from magnus.domain.names import run_id_problem
from magnus.domain.run_log import RunLog, Status
from magnus.engine.code_identity import CodeIdentities
from magnus.engine.masking import Masker, mask_config
from magnus.engine.one_by_one import OneByOneExecutor
from magnus.engine.recorder import read_head
from magnus.engine.skip_ahead import SkipAhead
from magnus.engine.workspaces import Workspaces, data_folders_of, shared_base
from magnus.errors import ConfigurationError, RunLogExistsError, RunLogNotFoundError, ServiceError
from magnus.plugins.discovery import find_plugins
from magnus.plugins.manager import AdapterManager
from magnus.ports.executor import OrchestrationExecutor
from magnus.usecases.continued import open_continued
from magnus.usecases.outcome import Request
from magnus.usecases.reading import read_definition
from magnus.usecases.request_check import read_parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from magnus.bootstrap import Run
    from magnus.domain.graph import Graph
    from magnus.domain.parameters import Values
    from magnus.engine.context import Services
    from magnus.engine.reporting import Reporter
    from magnus.engine.terminal import Terminal
    from magnus.usecases.continued import Continued


class Part(NamedTuple):
    """What is to be done in a run.

    Attributes:
        run_id: The run.
        name: The internal name of a step or branch.
        pipeline_file: The definition; None to take it from *dag* or the run log.
        config_file: The configuration; None for the usual places.
        parameters_file: What the run starts from, if it does not exist yet.
        map_variable: The items of the maps around the node, outermost first; None to take them from *name*.
        tag: The user's mark, if the run does not exist yet.
        stopped_because: Why the run was ended from outside, for the fail node that closes it then; empty if it was not.
        in_order: Whether the caller asks for every node of a graph in turn, reached or not, and wants to be told of a failure
            only by the fail node of the outermost graph.
        use_cached: The run that this one continues, if it does not exist yet.
        cached_config: The configuration whose stores hold that run, if they are others.
        if_reached: Whether a node to which nothing leads is refused: the caller may take a step that could not be run for a
            failed one.
        dag: A `dag` block to begin the run with where there is no file; in a run that exists the run log's counts.
    """

    run_id: str
    name: str
    pipeline_file: str | None = None
    config_file: str | None = None
    parameters_file: str | None = None
    map_variable: Mapping[str, Any] | None = None
    tag: str = ""
    stopped_because: str = ""
    in_order: bool = False
    use_cached: str | None = None
    cached_config: str | None = None
    if_reached: bool = False
    dag: Mapping[str, Any] | None = None


class InsideRun(NamedTuple):
    """A run from the inside.

    Attributes:
        graph: Its outermost graph.
        head: The head of its log, as it was when the run was opened here.
        run: What runs steps of it.
        has_begun: Whether the run began here, so that nobody else traverses it.
    """

    graph: Graph
    head: RunLog
    run: Run
    has_begun: bool


@contextmanager
def inside_run(
    part: Part,
    environ: Mapping[str, str],
    terminal: Terminal,
    reporter: Reporter,
    find: Callable[[Graph], object],
) -> Iterator[InsideRun]:
    """Open the run of *part*, which begins if it does not exist; checks again what was checked before the first step.

    Args:
        part: What is to be done.
        environ: Holds variables and parameters.
        terminal: The real stdout and stderr.
        reporter: Who watches.
        find: Called with the graph before anything is recorded; raises if *part* is not in it.

    Raises:
        MagnusError: Something in the input is wrong, or a service failed.
    """
    if problem := run_id_problem(part.run_id):
        raise ConfigurationError(problem)
    identities = CodeIdentities()
    adapters = AdapterManager(find_plugins())
    graph: Graph | None = None
    if part.pipeline_file is None:
        setup = Setup(load_config(part.config_file, environ=environ, adapters=adapters), adapters)
    else:
        pipeline, config = read_definition(part.pipeline_file, part.config_file, environ, adapters)
        graph, setup = pipeline.graph, Setup(config, adapters)
    with ExitStack() as stack:
        inside = setup.inside_compute()
        services = inside.build_services()
        stack.callback(services.close)
        graph = graph or _recorded_graph(services, part, adapters)
        find(graph)
        setup.node_options().check(graph)
        setup.refuse(graph, strict=False)
        variables = {
            key.removeprefix(PREFIX): value for key, value in environ.items() if key.startswith(PREFIX)
        }
        described, credentials = mask_config(setup.described(), variables)
        masker = Masker(credentials)

        run = open_run(
            inside,
            run_id=part.run_id,
            tag=part.tag,
            terminal=terminal,
            reporter=reporter,
            masker=masker,
            code_identities=identities.get(),
            services=services,
            workspaces=_workspaces(
                setup, part.run_id, data_folders_of(graph, services.catalog.compute_data_folder)
            ),
        )
        stack.callback(run.close)
        run_config = {**described, "dag": graph.definition()}
        head, has_begun = _join_or_begin(run, graph, part, environ, run_config, adapters)
        if head.dag_hash != graph.hash():
            reporter.warning(f"the dag is not the one that run '{part.run_id}' began with")
        elapsed = run.context.clock.seconds_since(head.start_time)
        run.context.interrupts.install(graph.max_time_seconds, elapsed)
        stack.callback(run.context.interrupts.uninstall)
        yield InsideRun(graph, head, run, has_begun)


def _workspaces(setup: Setup, run_id: str, data_folders: Sequence[str]) -> Workspaces:
    """Return the folders of the run's steps: each process finds that of its branch, or has one of its own as a pod does."""
    isolation = setup.executor_capabilities().isolation
    project = os.getcwd()  # noqa: PTH109
    if isolation is Isolation.NONE and issubclass(setup.executor.adapter, OrchestrationExecutor):
        return Workspaces(
            Isolation.STEP, project, data_folders=data_folders, keeps_failed=False, run_id=run_id
        )
    if isolation is Isolation.STEP:  # each step is a process of its own
        return Workspaces(isolation, project, data_folders=data_folders, run_id=run_id)
    return Workspaces(isolation, project, data_folders=data_folders, shared_base=shared_base(run_id))


def _recorded_graph(services: Services, part: Part, adapters: AdapterManager) -> Graph:
    try:
        dag = read_head(services.run_log_store, part.run_id).run_config["dag"]
    except RunLogNotFoundError as error:
        if part.dag is None:
            message = f"{error}; name the pipeline file by -f to begin it"
            raise RunLogNotFoundError(message) from error
        dag = part.dag
    return build_graph(dag, adapters=adapters)


def _join_or_begin(
    run: Run,
    graph: Graph,
    part: Part,
    environ: Mapping[str, str],
    run_config: dict[str, Any],
    adapters: AdapterManager,
) -> tuple[RunLog, bool]:
    """Return the head of the run's log, and whether it was made here: of several that begin a run at once, one makes it."""
    recorder = run.context.recorder
    with suppress(RunLogNotFoundError):
        return recorder.get_run_log(), False
    request = Request(
        parameters_file=part.parameters_file, use_cached=part.use_cached, cached_config=part.cached_config
    )
    values = read_parameters(request, environ)
    with ExitStack() as stack:
        services = run.context.services
        continued = open_continued(request, graph, services, values, environ, adapters, stack)
        if continued is not None:
            values = {**continued.parameters, **values}
        head = RunLog(
            part.run_id,
            dag_hash=graph.hash(),
            tag=part.tag,
            use_cached=continued is not None,
            original_run_id=continued.rerun.original_run_id if continued else "",
            start_time=run.context.clock.timestamp(),
            run_config=run_config,
        )
        masked = {name: recorder.mask_value(value) for name, value in values.items()}
        try:
            recorder.create_run_log(head, masked)
        except RunLogExistsError:
            return recorder.get_run_log(), False
        if masked:
            plain = {name: value.decode() for name, value in masked.items()}
            services.experiment_tracker.log_parameters(part.run_id, part.tag, plain)
        run.context.reporter.run_started(head)
        if continued is not None:
            _take_over(run, graph, head, continued, masked)
        return head, True


def _take_over(run: Run, graph: Graph, head: RunLog, continued: Continued, values: Values) -> None:
    """Take from the run that is continued what it had finished.

    Raises:
        MagnusError: It cannot be taken; the new run is closed, because what it lacks would be missed later.
    """
    context = run.context._replace(executor=OneByOneExecutor())
    try:
        continued.bring_files(context.services.catalog, head.run_id)
        SkipAhead(context, run.step_runner, dict(values), rerun=continued.rerun).skip_ahead(graph)
    except BaseException as error:
        head.message = f"not started: {error}"
        head.status, head.end_time = Status.FAIL, context.clock.timestamp()
        with suppress(ServiceError):  # the store may be what failed; the first error is the one to tell
            context.recorder.set_run_log(head, values)
        raise
