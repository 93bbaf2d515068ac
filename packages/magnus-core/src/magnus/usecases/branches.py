"""Opens, walks and joins the branches of a composite node, each in a process of its own."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from magnus.domain.names import branch_name, step_name
from magnus.domain.run_log import BranchLog, Status
from magnus.engine.composite import failure_of, open_branch, record_join
from magnus.engine.interrupt import StopRun
from magnus.engine.one_by_one import OneByOneExecutor
from magnus.engine.scope import Scope
from magnus.engine.step_files import join_files
from magnus.engine.traversal import Traversal, next_node_name
from magnus.engine.workspaces import kept_files
from magnus.errors import ConfigurationError, ExecutionError
from magnus.ports.executor import InteractiveExecutor, OrchestrationExecutor
from magnus.ports.node_type import Role
from magnus.usecases.closing import check_run_is_open, stopped
from magnus.usecases.inside_run import inside_run
from magnus.usecases.node_address import find_branch, find_node
from magnus.usecases.reached import check_is_reached, is_reached, read_branch
from magnus.usecases.single_node import (
    begin_step,
    check_branch_is_open,
    end_step,
    stored_files,
    tell_in_order,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from magnus.domain.graph import Graph
    from magnus.domain.parameters import Values
    from magnus.domain.run_log import StepLog
    from magnus.engine.context import RunContext
    from magnus.engine.reporting import Reporter
    from magnus.engine.terminal import Terminal
    from magnus.usecases.inside_run import InsideRun, Part
    from magnus.usecases.node_address import Address, Branch


class FannedOut(NamedTuple):
    """What came of opening branches.

    Attributes:
        status: FAIL if the branches cannot be told; the step has failed then.
        branches: The items of a map, or the names of other branches, in declared order.
        map_variables: For each item of a map the items of all maps around its branch by name, outermost first; none for
            other branches.
    """

    status: Status
    branches: list[Any]
    map_variables: list[dict[str, Any]]


def fan_out(
    part: Part, environ: Mapping[str, str], terminal: Terminal, reporter: Reporter, items_to: str = ""
) -> FannedOut:
    """Open the branches of a composite step; asked again, it opens those that are not open yet.

    Args:
        part: The step.
        environ: Holds variables and parameters.
        terminal: The real stdout and stderr.
        reporter: Who watches.
        items_to: Where the items are put for an orchestrator, as JSON strings in a JSON list: a path, or a URL that the
            executor knows; empty for nowhere. The list is empty if there are no branches to walk.

    Raises:
        MagnusError: Something in the input is wrong, or a service failed.
    """
    with inside_run(part, environ, terminal, reporter, partial(_find, part)) as inside:
        fanned = _open_branches(inside, part)
        if items_to:
            items = [json.dumps(each) for each in fanned.map_variables]
            _put_items(inside.run.context, items_to, json.dumps(items))
        return fanned


def _open_branches(inside: InsideRun, part: Part) -> FannedOut:
    address = _composite_node(inside, part)
    context = inside.run.context
    if not part.in_order:
        check_is_reached(inside, part, address)
    elif not is_reached(context, address):
        return FannedOut(Status.SUCCESS, [], [])
    scope = _scope(context, address)
    step = context.recorder.get_step_log(address.name)
    if step is None:
        check_run_is_open(inside)
        step = begin_step(context, address)
        context.recorder.add_step_log(step)
    try:
        branches = context.types.node_type(address.node.type).fan_out(address.node, scope.values)
    except ExecutionError as error:
        step.message = str(error)
        status = end_step(context, step, Status.FAIL)
        return FannedOut(tell_in_order(inside, address, status) if part.in_order else status, [], [])
    for name, _, item in branches:
        internal_name = branch_name(address.name, name)
        if read_branch(context, internal_name) is None:
            open_branch(context.recorder, internal_name, scope, item)
    around = dict(address.branch.map_variable)
    return FannedOut(
        Status.SUCCESS,
        [name if item is None else item[1] for name, _, item in branches],
        [around | dict([item]) for _, _, item in branches if item is not None],
    )


def _put_items(context: RunContext, place: str, text: str) -> None:
    if "://" in place:
        if not isinstance(context.executor, OrchestrationExecutor):
            raise ConfigurationError(
                f"--items-to {place}: the configured executor renders nothing, and knows no such place"
            )
        context.executor.put_items(place, text)
        return
    path = Path(place)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"--items-to {place}: {error.strerror}") from error


def fan_in(part: Part, environ: Mapping[str, str], terminal: Terminal, reporter: Reporter) -> Status:
    """Join the branches of a composite step: fail if one did not succeed, else hand on what they set.

    Raises:
        MagnusError: Something in the input is wrong, or a service failed.
    """
    with inside_run(part, environ, terminal, reporter, partial(_find, part)) as inside:
        address = _composite_node(inside, part)
        context = inside.run.context
        step = context.recorder.get_step_log(address.name)
        if step is None and part.in_order:
            return Status.SUCCESS
        status = _join(inside, address, step)
        return tell_in_order(inside, address, status) if part.in_order else status


def _join(inside: InsideRun, address: Address, step: StepLog | None) -> Status:
    context, reporter = inside.run.context, inside.run.context.reporter
    scope = _scope(context, address)
    if step is None:
        raise ConfigurationError(
            f"the branches of '{address.name}' were not opened; `magnus fan --mode out` does"
        )
    if step.status.has_ended:
        return step.status
    node_type = context.types.node_type(address.node.type)
    branches = node_type.fan_out(address.node, scope.values)
    internal_names = [branch_name(address.name, name) for name, _, _ in branches]
    join_files(context, address.name, internal_names, address.branch.scopes(context.types))
    failed = _failed(context, address, [name for name, _, _ in branches])
    for name, (key, graph, _) in zip(internal_names, branches, strict=True):
        if key not in failed:
            if context.workspaces.kept(name):
                context.workspaces.remove(name, stored_files(context, name, graph))
        elif kept := context.workspaces.kept(name):
            reporter.warning(kept_files(name, kept))
    for left in context.workspaces.take_leftovers():
        reporter.warning(left)
    if failed:
        step.message = failure_of(failed)
        return end_step(context, step, Status.FAIL)
    outputs = [
        (name, _walked(context, branch_name(address.name, name), graph).outputs)
        for name, graph, _ in branches
    ]
    merged, notes = node_type.fan_in(address.node, outputs)
    for note in notes:
        reporter.warning(f"step '{step.internal_name}': {note}")
    step.message = "; ".join(notes)
    record_join(context.recorder, step, address.branch.name, scope, merged)
    reporter.step_ended(step)
    return Status.SUCCESS


def execute_single_branch(
    part: Part, environ: Mapping[str, str], terminal: Terminal, reporter: Reporter
) -> Status:
    """Walk one branch, which was opened, to its end; asked again for one that has ended, it runs nothing.

    What had ended in the branch before, in a process that was killed, is not run again.

    Raises:
        MagnusError: Something in the input is wrong, a service failed, or the run was interrupted.
    """

    def find(graph: Graph) -> Branch:
        return find_branch(graph, part.name, part.map_variable)

    with inside_run(part, environ, terminal, reporter, find) as inside:
        branch = find(inside.graph)
        context = inside.run.context
        check_branch_is_open(context, branch)
        status = read_branch(context, branch.name)
        if status is not None and status.has_ended:
            return status
        check_run_is_open(inside)
        return _walk(inside, branch)


def _walk(inside: InsideRun, branch: Branch) -> Status:
    context = inside.run.context
    if not isinstance(context.executor, InteractiveExecutor):
        context = context._replace(executor=OneByOneExecutor())
    values = context.recorder.get_parameters(branch.name)
    context.recorder.adopt(values.values())
    start_at = _walked(context, branch.name, branch.graph).next_node
    traversal = Traversal(context, inside.run.step_runner, values)
    try:
        return traversal.execute_branch(
            branch.graph, branch.name, branch.map_variable, start_at, branch.scopes(context.types)
        )
    except StopRun as stop:
        raise stopped(inside, f"the branch '{branch.name}'", stop) from stop


def _find(part: Part, graph: Graph) -> Address:
    return find_node(graph, part.name, part.map_variable)


def _composite_node(inside: InsideRun, part: Part) -> Address:
    address = _find(part, inside.graph)
    context = inside.run.context
    if context.types.node_type(address.node.type).role is not Role.COMPOSITE:
        raise ConfigurationError(
            f"the step '{address.name}' is of type '{address.node.type}' and has no branches"
        )
    return address


def _scope(context: RunContext, address: Address) -> Scope:
    """Return the parameters that a node stands in."""
    check_branch_is_open(context, address.branch)
    values = context.recorder.get_parameters(address.branch.name)
    context.recorder.adopt(values.values())
    return Scope(values)


def _failed(context: RunContext, address: Address, names: Sequence[str]) -> list[str]:
    """Return the branches that did not succeed; one that nobody will close any more is closed as failed."""
    failed = []
    for name in names:
        internal_name = branch_name(address.name, name)
        status = read_branch(context, internal_name)
        if status is not Status.SUCCESS:
            failed.append(name)
        if status is None or not status.has_ended:
            context.recorder.add_branch_log(BranchLog(internal_name, Status.FAIL))
    return failed


class _Walked(NamedTuple):
    """How far a branch was walked: what its steps set, later ones over earlier ones, and the node that comes next."""

    outputs: Values
    next_node: str


def _walked(context: RunContext, branch: str, graph: Graph) -> _Walked:
    """Follow the steps of a branch that have ended, in the order in which they ran."""
    outputs: Values = {}
    name = graph.start_at
    while True:
        node = graph.get_node_by_name(name)
        step: StepLog | None = (
            None if node.is_terminal else context.recorder.get_step_log(step_name(branch, name))
        )
        if step is None or not step.status.has_ended:
            context.recorder.adopt(outputs.values())
            return _Walked(outputs, name)
        if step.status is Status.SUCCESS:
            outputs.update(context.recorder.resolve(step.output_parameters))
        name = next_node_name(node, graph, step.status)
