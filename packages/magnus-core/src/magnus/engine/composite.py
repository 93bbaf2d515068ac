"""The branches of a composite node while they are walked, and their join."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from magnus.domain.names import ROOT_BRANCH, branch_name, step_name
from magnus.domain.parameters import Value
from magnus.domain.run_log import BranchLog, Status
from magnus.domain.wording import first_of
from magnus.engine.attempts import Begun

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from magnus.domain.graph import Graph
    from magnus.domain.jobs import MapVariable
    from magnus.domain.nodes import Node
    from magnus.domain.parameters import Values
    from magnus.domain.run_log import StepLog
    from magnus.engine.folder_snapshot import FolderSnapshot
    from magnus.engine.recorder import RunRecorder
    from magnus.engine.scope import Scope

_NAMED_FAILURES = 3


@dataclass(slots=True, eq=False)
class Walk:
    """One graph being walked.

    Attributes:
        graph: The graph.
        branch: Its internal name as a branch; `""` for the outermost.
        scope: Its parameters.
        node_name: The node that comes next, or that is being worked on.
        map_variable: The items of the maps around it.
        scopes: The isolating branches around its steps, outermost first; itself, if it isolates, is the last.
        fan_out: What opened it; None for the outermost.
        index: Its position among its siblings.
        ran_something: In a re-run: whether a step on its path has run again, so that all after it must.
        deadline: When its `max_time` is over, on the monotonic clock; None for no limit of its own.
        joined: The internal names of its composite nodes that have ended.
    """

    graph: Graph
    branch: str
    scope: Scope
    node_name: str
    map_variable: MapVariable = ()
    scopes: tuple[str, ...] = ()
    fan_out: FanOut | None = None
    index: int = 0
    ran_something: bool = False
    deadline: float | None = None
    joined: set[str] = field(default_factory=set)

    def composites_to_come(self) -> list[str]:
        """Return the internal names of the composite nodes that have not ended, here and in the graphs around."""
        names: list[str] = []
        walk: Walk | None = self
        while walk is not None:
            found = (
                step_name(walk.branch, node.name) for node in walk.graph.nodes.values() if node.is_composite
            )
            names += [name for name in found if name not in walk.joined]
            walk = walk.fan_out.walk if walk.fan_out is not None else None
        return names


@dataclass(slots=True, eq=False)
class FanOut:
    """A composite node whose branches are being walked.

    Attributes:
        walk: The walk that the node belongs to; it goes on after the join.
        node: The composite node.
        step: Its step log.
        branches: Name, graph and map item of every branch, in declared order.
        limit: How many may be open at the same time.
        must_run: In a re-run: whether nothing inside may be skipped.
        opened: How many have been opened.
        open: How many are open now.
        outputs: What each branch put into the parameters; None until it succeeded.
        ran_something: Whether any step inside ran.
    """

    walk: Walk
    node: Node
    step: StepLog
    branches: Sequence[tuple[str, Graph, tuple[str, Any] | None]]
    limit: int
    must_run: bool
    opened: int = 0
    open: int = 0
    outputs: list[Values | None] = field(default_factory=list)
    ran_something: bool = False

    def __post_init__(self) -> None:
        """Make room for what the branches will leave."""
        self.outputs = [None] * len(self.branches)

    @property
    def may_open(self) -> bool:
        """Whether another branch may begin now, as far as this node is concerned."""
        return self.opened < len(self.branches) and self.open < self.limit

    @property
    def has_ended(self) -> bool:
        """Whether all branches have."""
        return self.opened == len(self.branches) and self.open == 0

    def internal_name(self, index: int) -> str:
        """Return the internal name of a branch."""
        return branch_name(self.step.internal_name, self.branches[index][0])

    def close(self, index: int, outputs: Values | None) -> None:
        """Note that a branch ended; *outputs* is None if it failed."""
        self.open -= 1
        self.outputs[index] = outputs

    def failed_branches(self) -> list[str]:
        """Return the names of the branches that did not succeed, in declared order."""
        return [
            name for (name, _, _), outputs in zip(self.branches, self.outputs, strict=True) if outputs is None
        ]

    def outputs_by_branch(self) -> list[tuple[str, Values]]:
        """Return what the branches left, in declared order."""
        return [
            (name, outputs or {}) for (name, _, _), outputs in zip(self.branches, self.outputs, strict=True)
        ]


def root_walk(graph: Graph, scope: Scope, deadline: float | None) -> Walk:
    """Return the walk of the outermost graph."""
    return Walk(graph, ROOT_BRANCH, scope, graph.start_at, deadline=deadline)


def open_branch(
    recorder: RunRecorder, name: str, scope: Scope, item: tuple[str, Any] | None, *, is_open: bool = False
) -> Scope:
    """Record that the branch with the internal name *name* begins, and return its parameters.

    Args:
        recorder: The run log.
        name: The branch.
        scope: The parameters of what the branch stands in.
        item: The map's item, by the name that the branch finds it under.
        is_open: Whether it was recorded before; its jobs may have added to its parameters meanwhile.
    """
    extra = {} if item is None else {item[0]: Value.of(item[1])}
    inner = scope.child(extra)
    if is_open:
        recorder.adopt(extra.values())
        return inner
    recorder.add_branch_log(BranchLog(name), inner.in_record(), extra.values())
    return inner


def failure_of(failed_branches: Sequence[str]) -> str:
    """Say in which branches a composite node failed, without listing thousands."""
    return f"failed in {first_of(failed_branches, _NAMED_FAILURES)}"


def record_join(recorder: RunRecorder, step: StepLog, branch: str, scope: Scope, outputs: Values) -> None:
    """Record that the composite *step* succeeded, and hand on *outputs* to the *branch* that it stands in."""
    step.output_parameters = {name: value.in_record() for name, value in outputs.items()}
    step.status = Status.SUCCESS
    scope.update(outputs)
    parameters: tuple[str, Mapping[str, Any]] | None = (branch, scope.in_record()) if outputs else None
    recorder.add_step_log(step, new_values=outputs.values(), parameters=parameters, durable=bool(outputs))


@dataclass(slots=True, eq=False)
class Pending:
    """A task between two attempts, or while one is under way elsewhere.

    Attributes:
        walk: The walk that waits for it.
        node: The task's node.
        step: Its step log.
        attempt_number: The attempt that is under way or comes next, from 1.
        started: When the attempt that is under way began, UTC, ISO 8601.
        started_at: The same on the monotonic clock.
        snapshot: The step's files as they were before the first attempt.
    """

    walk: Walk
    node: Node
    step: StepLog
    attempt_number: int
    started: str = ""
    started_at: float = 0.0
    snapshot: FolderSnapshot | None = None

    def begun(self) -> Begun:
        """Return what the record of an attempt needs that could not record itself."""
        return Begun(
            self.node, self.attempt_number, self.started, self.started_at, self.walk.scope.in_record()
        )
