"""Closes runs whose process is gone, and ends what they have left: the functions behind `magnus runs reap`."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

from magnus.domain.records import RecordKind
from magnus.domain.run_log import BranchLog, Status
from magnus.engine.attached import read_open
from magnus.engine.clock import Clock
from magnus.engine.masking import Masker
from magnus.engine.recorder import RunRecorder, read_head
from magnus.engine.temporary import remove_abandoned
from magnus.errors import ConfigurationError, RunLogNotFoundError
from magnus.ports.executor import InteractiveExecutor
from magnus.usecases.opening import open_run_log_store
from magnus.usecases.runs import check_runs, describe_owner, is_living, is_lost

if TYPE_CHECKING:
    from magnus.bootstrap import Setup
    from magnus.domain.run_log import RunLog
    from magnus.ports.run_log_store import RunLogStore


def reap_run(setup: Setup, run_id: str, *, force: bool = False) -> list[str]:
    """End what is left of a run, and close its log if its process is gone; return what to tell, at least one line.

    Args:
        setup: The configuration.
        run_id: The run.
        force: Close a run whose process, on another machine, cannot be looked at.

    Raises:
        RunLogNotFoundError: Nothing is left, and there is no such run.
        ServiceError: The compute cannot be asked.
    """
    with open_run_log_store(setup) as store:
        head = _head(store, run_id)
        if head is not None and is_living(head):
            return [f"left alone: run '{run_id}' is still running in {describe_owner(head)}"]
        told = _end_left(setup, run_id)
        if head is not None and (is_lost(head) or (force and not head.status.has_ended)):
            told += close_lost(store, head)
        elif not told:
            check_runs(store, [run_id])
            if head is not None and not head.status.has_ended and head.owner:
                line = (
                    f"left alone: run '{run_id}' belongs to {describe_owner(head)}, which cannot be looked at from here; "
                    "if it is gone, --force closes the run"
                )
                told = [line]
    return told or [f"the executor '{setup.executor.type}' finds nothing left of run '{run_id}'"]


def reap_all(setup: Setup) -> list[str]:
    """Reap all lost runs of the run log store, and remove the temporary folders of all runs whose process is gone."""
    told: list[str] = []
    with open_run_log_store(setup) as store:
        for run_id in list(store.list_runs()):
            try:
                head = _head(store, run_id)
            except Exception as error:  # noqa: BLE001 - one damaged run does not keep the others from being reaped
                told.append(f"left alone: run '{run_id}' cannot be read: {error}")
                continue
            if head is not None and is_lost(head):
                told += [*_end_left(setup, run_id), *close_lost(store, head)]
    told += remove_abandoned()
    return told or ["nothing is left of any run"]


def release_run(setup: Setup, store: RunLogStore, run_id: str) -> list[str]:
    """End what is left of a run that is to be continued, and close it if it is lost; return one line for each.

    Raises:
        ConfigurationError: The run is still running on this machine.
        ServiceError: The compute cannot be asked.
    """
    head = _head(store, run_id)
    if head is not None and is_living(head):
        message = f"run '{run_id}' is still running in {describe_owner(head)}; end it first"
        raise ConfigurationError(message)
    told = _end_left(setup, run_id)
    if head is not None and is_lost(head):
        told += close_lost(store, head)
    return told


def close_lost(store: RunLogStore, head: RunLog) -> list[str]:
    """Record that a run has failed because its process is gone, with all its steps and branches that have not ended."""
    reason = f"its traversing process ({describe_owner(head)}) is gone"
    recorder = RunRecorder(store, head.run_id, Masker())
    steps, branches = read_open(store, head.run_id)
    now = Clock().timestamp()
    for step in steps:
        step.message, step.status = reason, Status.FAIL
        for attempt in step.attempts:
            if not attempt.status.has_ended:
                attempt.status, attempt.message, attempt.end_time = Status.FAIL, reason, now
        recorder.add_step_log(step)
    for branch in branches:
        recorder.add_branch_log(BranchLog(branch.internal_name, Status.FAIL))
    body = store.get(head.run_id, RecordKind.PARAMETERS, "")
    head.parameters = json.loads(body) if body else {}
    head.status, head.message, head.end_time = Status.FAIL, reason, now
    recorder.set_run_log(head)
    ended = f", with {len(steps)} open steps" if len(steps) > 1 else ", with one open step" if steps else ""
    return [f"closed run '{head.run_id}' as FAIL{ended}: {reason}"]


def _end_left(setup: Setup, run_id: str) -> list[str]:
    executor = setup.build_executor()
    try:
        told = executor.reap(run_id, setup.compute_needs) if isinstance(executor, InteractiveExecutor) else []
    finally:
        executor.close()
    return [*told, *remove_abandoned(run_id)]


def _head(store: RunLogStore, run_id: str) -> RunLog | None:
    with suppress(RunLogNotFoundError):
        return read_head(store, run_id)
    return None
