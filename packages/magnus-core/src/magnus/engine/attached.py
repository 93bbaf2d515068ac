"""What an earlier traversal of a run has recorded, for one that goes on with the same run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from magnus.domain.nothing import NOTHING
from magnus.domain.records import RecordKind
from magnus.domain.run_log import BranchLog, Status, branch_from_dict, step_from_dict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus.domain.run_log import StepLog
    from magnus.engine.context import RunContext
    from magnus.ports.run_log_store import RunLogStore


class Attached(NamedTuple):
    """The records.

    Attributes:
        steps: By internal name, as they stood when they were read; the jobs of those that have not ended may write on.
        branches: The internal names of the branches that were opened whole, so that jobs may have added to their parameters.
        elapsed_seconds: How long ago the run began.
    """

    steps: Mapping[str, StepLog] = NOTHING
    branches: frozenset[str] = frozenset()
    elapsed_seconds: float = 0.0


def read_attached(store: RunLogStore, run_id: str, elapsed_seconds: float) -> Attached:
    """Read what there is of the run.

    Raises:
        RunLogNotFoundError: There is no such run.
    """
    steps: dict[str, StepLog] = {}
    names: dict[RecordKind, set[str]] = {RecordKind.BRANCH: set(), RecordKind.PARAMETERS: set()}
    for record in store.scan(run_id, frozenset({RecordKind.STEP, *names})):
        if record.kind == RecordKind.STEP:
            steps[record.name] = step_from_dict(json.loads(record.body))
        else:
            names[record.kind].add(record.name)
    # Where many are opened they are written in any order: of a killed traversal one may be there without the other.
    opened = names[RecordKind.BRANCH] & names[RecordKind.PARAMETERS]
    return Attached(steps, frozenset(opened), elapsed_seconds)


def read_open(store: RunLogStore, run_id: str) -> tuple[list[StepLog], list[BranchLog]]:
    """Read the steps and branches of the run that have begun and not ended."""
    steps: list[StepLog] = []
    branches: list[BranchLog] = []
    for record in store.scan(run_id, frozenset({RecordKind.STEP, RecordKind.BRANCH})):
        if record.kind == RecordKind.STEP:
            steps.append(step_from_dict(json.loads(record.body)))
        else:
            branches.append(branch_from_dict(json.loads(record.body)))
    return (
        [step for step in steps if not step.status.has_ended],
        [branch for branch in branches if not branch.status.has_ended],
    )


def record_left_open(context: RunContext, reason: str) -> None:
    """Record as failed, for *reason*, every step and branch of the run that has begun and not ended."""
    steps, branches = read_open(context.services.run_log_store, context.run_id)
    for step in steps:
        step.message = reason
        step.status = Status.FAIL
        context.recorder.add_step_log(step)
        context.reporter.step_ended(step)
    for branch in branches:
        context.recorder.add_branch_log(BranchLog(branch.internal_name, Status.FAIL))
