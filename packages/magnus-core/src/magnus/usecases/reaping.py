"""Ends what a killed run has left running: the function behind `magnus runs reap`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnus.ports.executor import InteractiveExecutor
from magnus.usecases.opening import open_run_log_store
from magnus.usecases.runs import check_runs

if TYPE_CHECKING:
    from magnus.bootstrap import Setup


def reap_run(setup: Setup, run_id: str) -> list[str]:
    """Have the executor of *setup* end what is left of a run; return what to tell, at least one line.

    Raises:
        RunLogNotFoundError: Nothing is left, and there is no such run.
        ServiceError: The compute cannot be asked.
    """
    executor = setup.build_executor()
    try:
        told = executor.reap(run_id, setup.compute_needs) if isinstance(executor, InteractiveExecutor) else []
    finally:
        executor.close()
    if told:
        return told
    with open_run_log_store(setup) as store:
        check_runs(store, [run_id])
    return [f"the executor '{setup.executor.type}' finds nothing left of run '{run_id}'"]
