"""Everything that belongs to one run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from magnus.domain.nothing import NOTHING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus.domain.nodes import Node
    from magnus.domain.run_log import CodeIdentity
    from magnus.engine.clock import Clock
    from magnus.engine.interrupt import Interrupts
    from magnus.engine.masking import Masker
    from magnus.engine.recorder import RunRecorder
    from magnus.engine.reporting import Reporter
    from magnus.engine.terminal import Terminal
    from magnus.engine.workspaces import Workspaces
    from magnus.ports.catalog import Catalog
    from magnus.ports.executor import Executor
    from magnus.ports.experiment_tracker import ExperimentTracker
    from magnus.ports.node_type import NodeType
    from magnus.ports.run_log_store import RunLogStore
    from magnus.ports.secrets import Secrets
    from magnus.ports.task_type import TaskType


DEFAULT_GRACE_SECONDS = 5.0
"""Time that a step has to save its work once it is asked to end."""


class Services(NamedTuple):
    """The four services of a run."""

    run_log_store: RunLogStore
    catalog: Catalog
    secrets: Secrets
    experiment_tracker: ExperimentTracker

    def close(self) -> None:
        """Close all of them."""
        for service in (self.run_log_store, self.catalog, self.secrets, self.experiment_tracker):
            service.close()


class Types(Protocol):
    """Looks up the types of nodes and tasks, and validates what they are given."""

    def node_type(self, name: str) -> NodeType:
        """Return the node type called *name*; the same object every time."""

    def task_type(self, name: str) -> TaskType:
        """Return the task type called *name*; the same object every time."""

    def task_options(self, node: Node) -> Any:
        """Return the validated `command_config` of a node that has a task."""

    def executor_options(self, node: Node) -> Any:
        """Return the executor's options for *node*: overrides and placeholders resolved."""


class RunContext(NamedTuple):
    """One run, in the process that traverses it or in one that runs a step of it.

    Attributes:
        run_id: The run.
        tag: The user's mark.
        executor: Where steps run.
        services: As they look from this process.
        types: The types of nodes and tasks.
        recorder: The run log.
        masker: The secrets that were handed out in this process.
        reporter: Who watches.
        terminal: The real stdout and stderr.
        clock: Time.
        interrupts: Signals.
        code_identities: Which code runs.
        workspaces: The folders in which steps work.
        child_context: What a child process of a task needs to use magnus: configuration, never a secret.
        configuration: All blocks as they were written, credentials included, for a process that runs a step elsewhere.
        records_stops: Whether a step that is stopped is recorded by the process that runs it.
        names_steps: Whether lines are shown behind the step's name; not where whoever reads them does that.
        stop_grace_seconds: Time that a step has to end by itself once it is asked to.
        debugs: Whether a debugger begins where a task fails.
        is_strict: True if a step fails that opens files which are there by chance.
    """

    run_id: str
    tag: str
    executor: Executor
    services: Services
    types: Types
    recorder: RunRecorder
    masker: Masker
    reporter: Reporter
    terminal: Terminal
    clock: Clock
    interrupts: Interrupts
    code_identities: list[CodeIdentity]
    workspaces: Workspaces
    child_context: Mapping[str, Any] = NOTHING
    configuration: Mapping[str, Any] = NOTHING
    records_stops: bool = True
    names_steps: bool = True
    stop_grace_seconds: float = DEFAULT_GRACE_SECONDS
    debugs: bool = False
    is_strict: bool = False
