"""Runs one node of a run, as an orchestrator or a container asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnus.domain.jobs import Job
from magnus.domain.names import ROOT_BRANCH
from magnus.domain.records import RecordKind
from magnus.domain.run_log import BranchLog, Status, StepLog
from magnus.engine.interrupt import StopRun
from magnus.errors import ConfigurationError, InterruptedRunError
from magnus.ports.executor import InteractiveExecutor
from magnus.ports.node_type import Role
from magnus.usecases.inside_run import inside_run
from magnus.usecases.node_address import find_node

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus.domain.graph import Graph
    from magnus.domain.parameters import Values
    from magnus.domain.run_log import RunLog
    from magnus.engine.context import RunContext
    from magnus.engine.reporting import Reporter
    from magnus.engine.terminal import Terminal
    from magnus.usecases.inside_run import InsideRun, Part
    from magnus.usecases.node_address import Address, Branch


def execute_single_node(
    part: Part, environ: Mapping[str, str], terminal: Terminal, reporter: Reporter
) -> Status:
    """Run one attempt of a node, or close its graph if that is what the node does.

    Asked again for a step that has ended, it runs nothing and answers as before.

    Returns:
        SUCCESS, or FAIL: the attempt failed, whether another may follow or not, or the node is the one that closes the
        whole run as failed.

    Raises:
        MagnusError: Something in the input is wrong, a service failed, or the attempt was interrupted.
    """

    def find(graph: Graph) -> Address:
        return find_node(graph, part.name, part.map_variable)

    with inside_run(part, environ, terminal, reporter, find) as inside:
        return run_node(inside, find(inside.graph))


def run_node(inside: InsideRun, address: Address) -> Status:
    """Do in an open run what `execute_single_node` does."""
    context = inside.run.context
    check_branch_is_open(context, address.branch)
    step = context.recorder.get_step_log(address.name)
    role = context.types.node_type(address.node.type).role
    if role is Role.TERMINAL:
        return _close(inside, address)
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


def check_run_is_open(inside: InsideRun) -> None:
    """Refuse to add to a run that has ended.

    Raises:
        ConfigurationError: It has.
    """
    if inside.head.status.has_ended:
        message = (
            f"run '{inside.head.run_id}' has ended with {inside.head.status}, and nothing can be added to it; "
            f"continue it by `magnus execute --use-cached {inside.head.run_id}`"
        )
        raise ConfigurationError(message)


def read_branch(context: RunContext, name: str) -> Status | None:
    """Return how far a branch got; None if it was not opened."""
    import json

    body = context.services.run_log_store.get(context.run_id, RecordKind.BRANCH, name)
    return Status(json.loads(body)["status"]) if body else None


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


def close_run(context: RunContext, head: RunLog, outcome: Status, values: Values) -> None:
    """Record that the run has ended, with what its parameters are then, and tell everyone."""
    head.status, head.end_time = outcome, context.clock.timestamp()
    context.recorder.set_run_log(head, values)
    tracker = context.services.experiment_tracker
    tracker.end_run(head.run_id, head.tag, succeeded=outcome is Status.SUCCESS)
    context.reporter.run_ended(head)


def _attempt(inside: InsideRun, address: Address, step: StepLog) -> Status:
    context = inside.run.context
    job = Job(
        run_id=context.run_id,
        step_name=address.name,
        node=address.node,
        attempt_number=len(step.attempts) + 1,
        map_variable=address.branch.map_variable,
        options=context.types.executor_options(address.node),
    )
    if not step.attempts and isinstance(context.executor, InteractiveExecutor):
        known = {identity.code_identifier for identity in step.code_identities}
        found = context.executor.add_code_identities(job)
        step.code_identities += [identity for identity in found if identity.code_identifier not in known]
    context.recorder.add_step_log(step)
    context.reporter.step_started(step, job.attempt_number)
    try:
        status = inside.run.step_runner(job)
    except StopRun as stop:
        raise InterruptedRunError(f"the step '{address.name}' was {stop.reason}") from stop
    recorded = context.recorder.get_step_log(address.name) or step
    if recorded.status is Status.PROCESSING:
        pause = address.node.retry.backoff.delay_seconds(job.attempt_number, 0.0)
        context.reporter.attempt_failed(recorded, pause)
    else:
        context.reporter.step_ended(recorded)
    return status


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
    values = context.recorder.get_parameters(ROOT_BRANCH)
    context.recorder.adopt(values.values())
    close_run(context, head, outcome, values)
    return outcome
