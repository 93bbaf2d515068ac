"""Agreeing on one MLflow run for one run of magnus, when several processes look for it at the same time."""

from __future__ import annotations

import time
from typing import Any

RUN_ID_TAG = "magnus.run_id"
_CHOSEN = "magnus.run"
"""The parameter that decides about a candidate. MLflow's parameters can be set once, so whoever is first decides."""

_YES = "chosen"
_NO = "superseded"
_ROUNDS = 50


def find_or_create_run(client: Any, experiment: str, run_id: str, tag: str) -> str:
    """Return the id of the MLflow run that stands for *run_id*; all processes that ask get the same.

    A process that finds none creates a candidate and looks again. It turns down all candidates that it sees except the
    one with the lowest id, and then chooses that. Candidates are created before their creator looks, so of two
    candidates at least one's supporters have seen the other, and have turned it down before they choose.

    Raises:
        mlflow.exceptions.MlflowException: The server refused, or cannot be reached.
        TimeoutError: The processes did not agree.
    """
    experiment_id = _experiment_id(client, experiment)
    own: str | None = None
    for _ in range(_ROUNDS):
        candidates = _candidates(client, experiment_id, run_id)
        for candidate, decision in candidates.items():
            if decision == _YES:
                _withdraw(client, own, candidate)
                return candidate
        undecided = sorted(candidate for candidate, decision in candidates.items() if decision is None)
        if own is not None and candidates.get(own, _NO) == _NO:
            client.delete_run(own)
            own = None
        if own is None and not undecided:
            own = _create(client, experiment_id, run_id, tag)
            continue
        if not undecided:
            time.sleep(0.05)
            continue
        first, *others = undecided
        if all(_decide(client, other, _NO) for other in others) and _decide(client, first, _YES):
            _withdraw(client, own, first)
            return first
    raise TimeoutError(f"the processes of run {run_id} could not agree on one MLflow run")


def _experiment_id(client: Any, name: str) -> str:
    from mlflow.exceptions import MlflowException

    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            found = client.get_experiment_by_name(name)  # another process was quicker
    return str(found.experiment_id)


def _candidates(client: Any, experiment_id: str, run_id: str) -> dict[str, str | None]:
    """Return every MLflow run that was created for *run_id*, and what was decided about it."""
    quoted = run_id.replace("\\", "\\\\").replace("'", "\\'")
    found = client.search_runs([experiment_id], f"tags.`{RUN_ID_TAG}` = '{quoted}'", max_results=100)
    return {run.info.run_id: run.data.params.get(_CHOSEN) for run in found}


def _create(client: Any, experiment_id: str, run_id: str, tag: str) -> str:
    created = client.create_run(experiment_id, tags={RUN_ID_TAG: run_id, "magnus.tag": tag}, run_name=run_id)
    return str(created.info.run_id)


def _decide(client: Any, candidate: str, decision: str) -> bool:
    """Decide about *candidate*; return False if someone has decided otherwise."""
    from mlflow.exceptions import MlflowException

    try:
        client.log_param(candidate, _CHOSEN, decision)
    except MlflowException as error:
        if error.error_code not in ("INVALID_PARAMETER_VALUE", "INVALID_STATE", "RESOURCE_DOES_NOT_EXIST"):
            raise
        return False
    return True


def _withdraw(client: Any, own: str | None, chosen: str) -> None:
    """Remove the candidate of this process, if another was chosen."""
    if own is not None and own != chosen:
        _decide(client, own, _NO)
        client.delete_run(own)
