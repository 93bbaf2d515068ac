"""Reads the run that a re-run continues."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnus.engine.masking import Masker
from magnus.engine.recorder import RunRecorder, read_steps
from magnus.engine.rerun import Rerun
from magnus.errors import RunLogNotFoundError
from magnus.usecases.dag_changes import describe_changes

if TYPE_CHECKING:
    from magnus.domain.graph import Graph
    from magnus.domain.parameters import Values
    from magnus.domain.run_log import StepLog
    from magnus.ports.run_log_store import RunLogStore


def load_rerun(
    store: RunLogStore, run_id: str, graph: Graph, explicit: frozenset[str]
) -> tuple[Rerun, Values, str]:
    """Read the run *run_id*, which is to be continued with *graph*.

    Args:
        store: Where its log is.
        run_id: The run.
        graph: The pipeline as it is now.
        explicit: The names of parameters that the user gave for the re-run.

    Returns:
        What may be skipped, the parameters the run had started from, and how the dag differs (empty if it does not).

    Raises:
        RunLogNotFoundError: There is no such run; nothing has been recorded.
    """
    recorder = RunRecorder(store, run_id, Masker())
    try:
        head = recorder.get_run_log()
    except RunLogNotFoundError as error:
        message = f"--use-cached: {error}; `magnus runs list` shows the runs there are"
        raise RunLogNotFoundError(message) from error
    steps = read_steps(store, run_id)

    def outputs(step: StepLog) -> Values:
        return recorder.resolve(step.output_parameters)

    changes = ""
    if head.dag_hash != graph.hash():
        changes = describe_changes(head.run_config.get("dag", {}), graph.definition())
    return Rerun(run_id, steps, outputs, explicit), recorder.resolve(head.input_parameters), changes
