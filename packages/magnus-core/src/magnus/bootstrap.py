"""The composition root: from a configuration to adapters, verdicts, and everything that one run needs."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from magnus.definition.blocks import BLOCKS
from magnus.definition.options import build_options, option_values
from magnus.definition.placeholders import NodeOptions
from magnus.domain.capabilities import Feature, ServiceKind
from magnus.engine.context import DEFAULT_GRACE_SECONDS, RunContext, Services
from magnus.engine.integration import (
    Finding,
    features_of,
    judge_data_folders,
    judge_features,
    judge_files_in_inert_catalog,
    judge_pair,
    refusals,
)
from magnus.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from contextlib import AbstractContextManager

    from magnus.definition.config import Config
    from magnus.domain.capabilities import ExecutorCapabilities
    from magnus.domain.graph import Graph
    from magnus.domain.nodes import Node
    from magnus.domain.run_log import CodeIdentity
    from magnus.engine.masking import Masker
    from magnus.engine.reporting import Reporter
    from magnus.engine.step import StepRunner
    from magnus.engine.terminal import Terminal
    from magnus.engine.workers.keeper import Keeper
    from magnus.engine.workers.messages import WorkerSetup
    from magnus.engine.workspaces import Workspaces
    from magnus.plugins.manager import AdapterManager
    from magnus.ports.executor import ComputeNeeds, Executor
    from magnus.ports.integration import Integration
    from magnus.ports.node_type import NodeType
    from magnus.ports.task_type import TaskType


_FOR_CHILDREN = ("catalog", "secrets", "experiment_tracker")
"""What a child process of a task may use; the run log is none of its business."""


class Setup:
    """A configuration and the installed adapters; nothing is built, nothing touched."""

    def __init__(self, config: Config, adapters: AdapterManager) -> None:
        """Take a configuration whose adapters are loaded and whose options are validated."""
        self.config = config
        self.adapters = adapters
        self.executor = config.executor
        self.services = {kind: config.block(kind) for kind in ServiceKind}

    def executor_capabilities(self) -> ExecutorCapabilities:
        """Return what the executor can do with its options."""
        capabilities: ExecutorCapabilities = self.executor.adapter.capabilities(self.executor.options)
        return capabilities

    def rule(self, kind: ServiceKind) -> Integration | None:
        """Return the rule that is registered for the executor with the service of that kind."""
        offer = self.adapters.integrations().get((self.executor.type, kind, self.services[kind].type))
        return self.adapters.load_integration(offer)() if offer else None

    def judge(self, graph: Graph | None) -> list[Finding]:
        """Judge the executor with each service and, where one is given, with everything that *graph* asks for."""
        executor = self.executor_capabilities()
        if (
            graph is not None
            and executor.timeout_placement is not None
            and Feature.TIMEOUT in features_of(graph)
        ):
            executor = executor._replace(placement=executor.timeout_placement)
        findings = []
        for kind, service in self.services.items():
            capabilities = service.adapter.capabilities(service.options)
            options = (self.executor.options, service.options)
            verdict = judge_pair(executor, capabilities, kind, self.rule(kind), options)
            if kind is ServiceKind.CATALOG and graph is not None:
                verdict = judge_files_in_inert_catalog(executor, capabilities, graph) or verdict
            findings.append(Finding(self.executor.type, kind, service.type, verdict))
        if graph is not None:
            findings += judge_features(self.executor.type, executor, graph)
            default = getattr(self.services[ServiceKind.CATALOG].options, "compute_data_folder", "data")
            findings += judge_data_folders(self.executor.type, executor, graph, str(default))
            findings += self._objections(graph, findings)
        return findings

    def _objections(self, graph: Graph, findings: Sequence[Finding]) -> list[Finding]:
        """Ask the executor itself; only if nothing stands in the way yet, as needs of refused services mean nothing."""
        adapter = self.executor.adapter
        if refusals(findings, strict=False):
            return []
        objections = adapter.judge_graph(
            self.executor.options, graph, self.node_options().of, self.compute_needs
        )
        return [
            Finding(self.executor.type, each.subject, each.name, each.verdict, each.places)
            for each in objections
        ]

    def permissions(self) -> str:
        """Return what the identity of the compute must be allowed; empty where nothing is known."""
        needs = self.compute_needs()
        text: str = self.executor.adapter.permissions(self.executor.options, needs)
        return text

    def refuse(self, graph: Graph | None, *, strict: bool) -> list[Finding]:
        """Judge everything; return the findings if nothing stands in the way.

        Raises:
            ConfigurationError: Holds every combination that is refused.
        """
        findings = self.judge(graph)
        if refused := refusals(findings, strict=strict):
            raise ConfigurationError("\n".join(f"refused: {finding}" for finding in refused))
        return findings

    def compute_needs(self) -> list[ComputeNeeds]:
        """Return what the services need where steps run."""
        needs = []
        for kind, service in self.services.items():
            if rule := self.rule(kind):
                needs.append(rule.configure_for_traversal(self.executor.options, service.options))
        return needs

    def build_executor(self) -> Executor:
        """Build the executor."""
        executor: Executor = self.executor.adapter(self.executor.options)
        return executor

    def build_services(self) -> Services:
        """Build the services."""
        return Services(
            **{kind.value: service.adapter(service.options) for kind, service in self.services.items()}
        )

    def inside_compute(self) -> Setup:
        """Return the setup with the services as they look from where steps run."""
        config = self.config
        for kind, service in self.services.items():
            if rule := self.rule(kind):
                options = rule.configure_for_execution(self.executor.options, service.options)
                config = config.with_block(service._replace(options=options, raw=option_values(options)))
        return Setup(config, self.adapters)

    def node_options(self) -> NodeOptions:
        """Return what finds the executor's options for a node."""
        return NodeOptions(self.executor, self.adapters.offers("executor").keys())

    def described(self, ports: Sequence[str] = BLOCKS) -> dict[str, Any]:
        """Return the configuration as it was written, credentials included: whoever stores it masks them first."""
        return {port: self.config.block(port).as_written() for port in ports}


class Toolbox:
    """The types of nodes and tasks, each loaded once."""

    def __init__(self, setup: Setup) -> None:
        """Load nothing yet."""
        self._setup = setup
        self._node_options = setup.node_options()
        self._node_types: dict[str, NodeType] = {}
        self._task_types: dict[str, TaskType] = {}

    def node_type(self, name: str) -> NodeType:
        """Return the node type called *name*."""
        if name not in self._node_types:
            self._node_types[name] = self._setup.adapters.load("node type", name)()
        return self._node_types[name]

    def task_type(self, name: str) -> TaskType:
        """Return the task type called *name*."""
        if name not in self._task_types:
            self._task_types[name] = self._setup.adapters.load("task type", name)()
        return self._task_types[name]

    def task_options(self, node: Node) -> Any:
        """Return the validated `command_config` of a node that has a task."""
        if node.task is None:
            return None
        what = f"step '{node.name}': 'command_config'"
        return build_options(self.task_type(node.task.command_type).Options, node.task.command_config, what)

    def executor_options(self, node: Node) -> Any:
        """Return the executor's options for *node*."""
        return self._node_options.of(node)


@dataclass(slots=True)
class Run:
    """One run, ready to go; closes everything it opened."""

    context: RunContext
    step_runner: StepRunner
    _stack: ExitStack = field(default_factory=ExitStack)

    def hold(self, resource: AbstractContextManager[object]) -> None:
        """Enter *resource*, and leave it with the run."""
        self._stack.enter_context(resource)

    def close(self) -> None:
        """Close everything, last opened first."""
        self._stack.close()


def open_run(  # noqa: PLR0913 - the one place where a run is put together
    setup: Setup,
    *,
    run_id: str,
    tag: str,
    terminal: Terminal,
    reporter: Reporter,
    masker: Masker,
    code_identities: Sequence[CodeIdentity] = (),
    services: Services | None = None,
    executor: Executor | None = None,
    names_steps: bool = True,
    records_stops: bool = True,
    main_module: str = "",
    keeper: Keeper | None = None,
    debugs: bool = False,
    is_strict: bool = False,
    workspaces: Workspaces | None = None,
    data_folders: Iterable[str] = (),
) -> Run:
    """Put together what a process needs to traverse a run, or to run steps of it; the caller closes it.

    *names_steps* is false where the reader of the output puts the names of steps before the lines; *records_stops* where the
    process that traverses records a step that is stopped. *workspaces* are the folders of the steps, by default the ones that
    the executor's capabilities ask for, in which each of *data_folders* is private.
    *main_module* is the name under which a worker imports the running script, if the steps need it.
    """
    # Here, so that whoever only judges a configuration does not wait for what runs steps.
    from magnus.engine.clock import Clock
    from magnus.engine.interrupt import Interrupts
    from magnus.engine.recorder import RunRecorder
    from magnus.engine.step import StepRunner
    from magnus.engine.workers.setup import setup_of_workers
    from magnus.engine.workspaces import Workspaces

    terminal.hide(masker)
    stack = ExitStack()
    try:
        if services is None:
            services = setup.build_services()
            stack.callback(services.close)
        if executor is None:
            executor = setup.build_executor()
            stack.callback(executor.close)
        if workspaces is None:
            isolation = setup.executor_capabilities().isolation
            workspaces = Workspaces(isolation, os.getcwd(), data_folders=data_folders, run_id=run_id)  # noqa: PTH109
        stack.callback(workspaces.close)
        context = RunContext(
            run_id=run_id,
            tag=tag,
            executor=executor,
            services=services,
            types=Toolbox(setup),
            recorder=RunRecorder(services.run_log_store, run_id, masker),
            masker=masker,
            reporter=reporter,
            terminal=terminal,
            clock=Clock(),
            interrupts=Interrupts(),
            code_identities=list(code_identities),
            workspaces=workspaces,
            child_context=setup.described(_FOR_CHILDREN),
            configuration=setup.described(),
            records_stops=records_stops,
            names_steps=names_steps,
            stop_grace_seconds=getattr(executor.options, "stop_grace", DEFAULT_GRACE_SECONDS),
            debugs=debugs,
            is_strict=is_strict,
        )

        def worker_setup() -> WorkerSetup:
            return setup_of_workers(context, main_module)

        runner = StepRunner(context, worker_setup, keeper)
        stack.enter_context(runner)
    except BaseException:
        stack.close()
        raise
    return Run(context, runner, stack)
