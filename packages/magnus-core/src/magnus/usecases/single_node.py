"""Runs one node of a run, as an orchestrator or a container asks for it."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from magnus.domain.jobs import Job
from magnus.domain.names import ROOT_BRANCH, branch_name, step_name
from magnus.domain.run_log import BranchLog, Status, StepLog
from magnus.engine.attempts import pause_seconds, record_stopped
from magnus.engine.folder_snapshot import take_snapshot
from magnus.engine.interrupt import StopRun
from magnus.engine.workspaces import kept_files
from magnus.errors import ConfigurationError
from magnus.ports.executor import InteractiveExecutor
from magnus.ports.node_type import Role
from magnus.usecases.closing import check_run_is_open, close_run, last_values, stop_run, stopped
from magnus.usecases.inside_run import inside_run
from magnus.usecases.node_address import find_node
from magnus.usecases.reached import check_is_reached, is_reached, read_branch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from magnus.domain.graph import Graph
    from magnus.engine.context import RunContext
    from magnus.engine.reporting import Reporter
    from magnus.engine.terminal import Terminal
    from magnus.usecases.inside_run import InsideRun, Part
    from magnus.usecases.node_address import Address, Branch


def execute_single_node(
    part: Part, environ: Mapping[str, str], terminal: Terminal, reporter: Reporter
) -> Status:
    """Run one attempt of a node, or close its graph if that is what the node does.

    The attempt is limited by the step's `timeout`, and by the `max_time` of the outermost graph; it waits until the pause
    since the last one is over. So `retry` means the same as in a traversal, whoever asks for attempts and when.

    Asked again for a step that has ended, it runs nothing and answers as before.

    Returns:
        SUCCESS; FAIL if the step has failed for good, or the node is the one that closes the whole run as failed; PROCESSING
        if the attempt failed and another may follow. Of those who ask for all nodes in order, SUCCESS also for a step that has
        failed for good, and for one that was not reached.

    Raises:
        MagnusError: Something in the input is wrong, a service failed, or the attempt was interrupted.
    """

    def find(graph: Graph) -> Address:
        return find_node(graph, part.name, part.map_variable)

    with inside_run(part, environ, terminal, reporter, find) as inside:
        address = find(inside.graph)
        if part.stopped_because:
            _check_closes_run(address)
            return stop_run(inside, part.stopped_because)
        if not part.in_order:
            check_is_reached(inside, part, address)
            return run_node(inside, address)
        if not is_reached(inside.run.context, address):
            return Status.SUCCESS
        return tell_in_order(inside, address, run_node(inside, address))


def run_node(inside: InsideRun, address: Address) -> Status:
    """Do in an open run what `execute_single_node` does."""
    context = inside.run.context
    check_branch_is_open(context, address.branch)
    step = context.recorder.get_step_log(address.name)
    role = context.types.node_type(address.node.type).role
    if role is Role.TERMINAL:
        return _close(inside, address)
    if step is not None and step.mock:  # the beginning of a re-run has taken it over
        context.reporter.step_ended(step)
        return step.status
    if step is not None and step.status.has_ended:
        message = f"the step '{step.internal_name}' has ended with {step.status} before; nothing was run"
        context.reporter.warning(message)
        return step.status
    check_run_is_open(inside)
    if role is Role.COMPOSITE:
        message = (
            f"the step '{address.name}' is of type '{address.node.type}': `magnus fan` opens and joins its branches, "
            "`magnus execute_single_branch` walks one of them"
        )
        raise ConfigurationError(message)
    step = step or begin_step(context, address)
    if role is Role.PASS:
        return end_step(context, step, Status.SUCCESS)
    return _attempt(inside, address, step)


def tell_in_order(inside: InsideRun, address: Address, status: Status) -> Status:
    """Return what one who asks for all nodes in order is told: what follows a failed step finds that out by itself."""
    role = inside.run.context.types.node_type(address.node.type).role
    return Status.SUCCESS if status is Status.FAIL and role is not Role.TERMINAL else status


def check_branch_is_open(context: RunContext, branch: Branch) -> None:
    """Refuse a branch that nobody has opened: its parameters are not known.

    Raises:
        ConfigurationError: It was not opened.
    """
    if branch.name != ROOT_BRANCH and read_branch(context, branch.name) is None:
        owner = branch.name.rpartition(".")[0]
        message = (
            f"the branch '{branch.name}' of run '{context.run_id}' was not opened; "
            f"`magnus fan --mode out --step-name '{owner}'` opens the branches of a step"
        )
        raise ConfigurationError(message)


def begin_step(context: RunContext, address: Address) -> StepLog:
    """Return a new log for the step, which nothing has been written of."""
    node = address.node
    return StepLog(
        node.name,
        address.name,
        step_type=node.type,
        work_hash=node.work_hash(),
        code_identities=list(context.code_identities),
    )


def end_step(context: RunContext, step: StepLog, status: Status) -> Status:
    """Record that a step without attempts has ended."""
    step.status = status
    context.recorder.add_step_log(step, durable=True)
    context.reporter.step_ended(step)
    return status


def _attempt(inside: InsideRun, address: Address, step: StepLog) -> Status:
    context = inside.run.context
    job = Job(
        run_id=context.run_id,
        step_name=address.name,
        node=address.node,
        attempt_number=len(step.attempts) + 1,
        map_variable=address.branch.map_variable,
        options=context.types.executor_options(address.node),
        scopes=address.branch.scopes(context.types),
    )
    try:
        if step.attempts:
            _wait_for_turn(context, job, step)
        else:
            _add_code_identities(context, job, step)
        context.recorder.add_step_log(step)
        context.reporter.step_started(step, job.attempt_number)
        with take_snapshot(context, job) or nullcontext() as snapshot:
            inside.run.step_runner(job)
            recorded = context.recorder.get_step_log(address.name) or step
            if snapshot is not None and recorded.status is Status.PROCESSING:
                snapshot.restore()  # for the process of the next attempt
    except StopRun as stop:
        raise stopped(inside, f"the step '{address.name}'", stop) from stop
    if recorded.status is Status.PROCESSING:
        pause = pause_seconds(context.run_id, job.step_name, job.node.retry, job.attempt_number)
        context.reporter.attempt_failed(recorded, pause)
    else:
        context.reporter.step_ended(recorded)
    return recorded.status


def _wait_for_turn(context: RunContext, job: Job, step: StepLog) -> None:
    """Wait for what is left of the pause before the attempt.

    Raises:
        StopRun: Meanwhile the step was stopped.
    """
    pause = pause_seconds(context.run_id, job.step_name, job.node.retry, len(step.attempts))
    left = pause - context.clock.seconds_since(step.attempts[-1].end_time)
    try:
        with context.interrupts.deliver():
            context.clock.sleep(max(0.0, left))
    except StopRun as stop:
        record_stopped(context, step, None, stop)
        raise


def _add_code_identities(context: RunContext, job: Job, step: StepLog) -> None:
    if isinstance(context.executor, InteractiveExecutor):
        known = {identity.code_identifier for identity in step.code_identities}
        found = context.executor.add_code_identities(job)
        step.code_identities += [identity for identity in found if identity.code_identifier not in known]


def _close(inside: InsideRun, address: Address) -> Status:
    """Close the branch, or the run, that the node stands in."""
    context, head = inside.run.context, inside.head
    outcome = Status.SUCCESS if address.node.type == "success" else Status.FAIL
    is_run = address.branch.name == ROOT_BRANCH
    already = head.status if is_run else read_branch(context, address.branch.name)
    if already is outcome:
        return outcome if is_run else Status.SUCCESS
    if is_run:
        check_run_is_open(inside)
    step = begin_step(context, address)
    step.status = Status.SUCCESS  # of the node itself: it was reached
    context.recorder.add_step_log(step)
    if not is_run:
        context.recorder.add_branch_log(BranchLog(address.branch.name, outcome))
        return Status.SUCCESS
    close_run(context, head, outcome, last_values(context))
    _leave_folder(context, inside.graph, outcome)
    return outcome


def _leave_folder(context: RunContext, graph: Graph, outcome: Status) -> None:
    """Remove the folder of the outermost graph, unless the run has failed."""
    path = context.workspaces.kept(ROOT_BRANCH)
    if path and outcome is Status.FAIL:
        context.reporter.warning(kept_files(ROOT_BRANCH, path))
        return
    context.workspaces.remove(ROOT_BRANCH, stored_files(context, ROOT_BRANCH, graph) if path else ())
    for left in context.workspaces.take_leftovers():
        context.reporter.warning(left)


def stored_files(context: RunContext, branch: str, graph: Graph) -> set[str]:
    """Return the names of the files that the steps of *branch* have in the catalog."""
    names = list(_steps_with_files(context, branch, graph))
    steps = context.recorder.get_step_logs(names)
    return {entry.name for step in steps.values() for entry in step.data_catalog if entry.stage != "log"}


def _steps_with_files(context: RunContext, branch: str, graph: Graph) -> Iterator[str]:
    for node in graph.nodes.values():
        name = step_name(branch, node.name)
        if node.task is not None:
            yield name
        elif node.is_composite and context.types.node_type(node.type).branches_share_scope:
            for key, inner in node.branches.items():
                yield from _steps_with_files(context, branch_name(name, key), inner)


def _check_closes_run(address: Address) -> None:
    if address.branch.name != ROOT_BRANCH or address.node.type != "fail":
        message = (
            "--stopped-because closes a whole run: it is for the fail node of the outermost graph, "
            f"not for '{address.name}'"
        )
        raise ConfigurationError(message)
