"""Which part of a run log is canonical, and where two runs differ in it.

*Canonical* is what equal inputs give on every executor: the dag, the parameters a run starts from and ends with, and of
every step what it was to do, how it ended, its attempts (number, parameters, status, names of the failure, what
they started from), its metrics, what it put into the parameters, and name, hash, size and stage of the files that it
took and left.

Not canonical is whatever tells of circumstances: ids, times, hosts, versions of code, where something is stored, the
configuration, the tag, what a step printed, and messages and exit codes, whose wording and numbers are the platform's. Nor
is it canonical that a run continued another one: a step that was skipped is compared by what it left, and its attempts,
which it has none of, by nothing. So a run that was completed by a re-run equals one that went through at once.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus.domain.run_log import BranchLog, DataCatalog, RunLog, StepAttempt, StepLog


class _Absent:
    """Stands for a value that one of two runs does not have."""

    def __repr__(self) -> str:
        return "nothing"


ABSENT = _Absent()
"""What a `Difference` holds for a run that has no such value."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The first place where two runs differ.

    Attributes:
        path: Keys and positions that lead there from the top of the run log.
        left: The value in the first run; `ABSENT` if it has none.
        right: The value in the second run.
    """

    path: tuple[str | int, ...]
    left: Any
    right: Any

    @property
    def place(self) -> str:
        """The path as text: `steps['fit'].attempts[0].status`."""
        text = ""
        for key in self.path:
            if isinstance(key, int):
                text += f"[{key}]"
            elif key.isidentifier():
                text += f".{key}" if text else key
            else:
                text += f"[{key!r}]"
        return text


def first_difference(left: RunLog, right: RunLog) -> Difference | None:
    """Return where *right* first differs from *left* in its canonical part; None if it does not.

    First comes what a run starts from, then its steps in the order in which they began in *left*, branches before the step
    that holds them, and last what the steps led to: so the difference is a cause rather than a consequence.
    """
    before = _difference(_start(left), _start(right), ())
    return before or _steps_difference(left.steps, right.steps) or _difference(_end(left), _end(right), ())


def _start(run: RunLog) -> dict[str, Any]:
    return {"dag_hash": run.dag_hash, "input_parameters": run.input_parameters}


def _end(run: RunLog) -> dict[str, Any]:
    return {"parameters": run.parameters, "status": run.status}


def _before_branches(step: StepLog, *, with_attempts: bool) -> dict[str, Any]:
    start: dict[str, Any] = {
        "name": step.name,
        "internal_name": step.internal_name,
        "step_type": step.step_type,
        "work_hash": step.work_hash,
    }
    if with_attempts:
        start["attempts"] = [_attempt(attempt) for attempt in step.attempts]
    return start


def _attempt(attempt: StepAttempt) -> dict[str, Any]:
    return {
        "attempt_number": attempt.attempt_number,
        "parameters": attempt.parameters,
        "status": attempt.status,
        "failure": attempt.failure,
    }


def _after_branches(step: StepLog) -> dict[str, Any]:
    return {
        "user_defined_metrics": step.user_defined_metrics,
        "output_parameters": step.output_parameters,
        "data_catalog": _files(step.data_catalog),
        "status": step.status,
    }


def _files(entries: list[DataCatalog]) -> dict[str, dict[str, Any]]:
    """Return hash and size by stage and name; what the step printed is left out."""
    files: dict[str, dict[str, Any]] = {}
    for entry in entries:
        if entry.stage != "log":
            files.setdefault(entry.stage, {})[entry.name] = {"data_hash": entry.data_hash, "size": entry.size}
    return files


@dataclass(frozen=True, slots=True)
class _Steps:
    """Two sets of steps that are still to be compared."""

    left: Mapping[str, StepLog]
    right: Mapping[str, StepLog]
    path: tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class _Values:
    """Two JSON values that are still to be compared."""

    left: Any
    right: Any
    path: tuple[str | int, ...]


def _steps_difference(left: Mapping[str, StepLog], right: Mapping[str, StepLog]) -> Difference | None:
    # Explicit stack: pipelines nest without limit.
    pending: list[_Steps | _Values] = [_Steps(left, right, ("steps",))]
    while pending:
        item = pending.pop()
        if isinstance(item, _Values):
            found = _difference(item.left, item.right, item.path)
            if found is not None:
                return found
            continue
        todo: list[_Steps | _Values] = []
        for name in [*item.left, *(name for name in item.right if name not in item.left)]:
            todo.extend(_step_parts(item.left.get(name), item.right.get(name), (*item.path, name)))
        pending.extend(reversed(todo))
    return None


def _step_parts(
    left: StepLog | None, right: StepLog | None, path: tuple[str | int, ...]
) -> list[_Steps | _Values]:
    """Return what is to be compared of two steps, in order."""
    if left is None or right is None:
        return [_Values(_status(left), _status(right), path)]
    with_attempts = not (left.mock or right.mock)
    parts: list[_Steps | _Values] = [
        _Values(
            _before_branches(left, with_attempts=with_attempts),
            _before_branches(right, with_attempts=with_attempts),
            path,
        )
    ]
    for name in [*left.branches, *(name for name in right.branches if name not in left.branches)]:
        one, other = left.branches.get(name), right.branches.get(name)
        inner = (*path, "branches", name)
        if one is not None and other is not None:
            parts.append(_Steps(one.steps, other.steps, (*inner, "steps")))
            parts.append(_Values({"status": one.status}, {"status": other.status}, inner))
        else:
            parts.append(_Values(_status(one), _status(other), inner))
    parts.append(_Values(_after_branches(left), _after_branches(right), path))
    return parts


def _status(log: StepLog | BranchLog | None) -> Any:
    """Return what stands for a step or branch that only one run has."""
    return ABSENT if log is None else str(log.status)


def _difference(left: Any, right: Any, path: tuple[str | int, ...]) -> Difference | None:
    """Return where two JSON values first differ; `1`, `1.0` and `true` are three values."""
    pending: list[_Values] = [_Values(left, right, path)]
    while pending:
        item = pending.pop()
        one, other = item.left, item.right
        if isinstance(one, dict) and isinstance(other, dict):
            keys = [*one, *(key for key in other if key not in one)]
            inner = [_Values(one.get(key, ABSENT), other.get(key, ABSENT), (*item.path, key)) for key in keys]
        elif isinstance(one, list) and isinstance(other, list):
            inner = [
                _Values(
                    one[index] if index < len(one) else ABSENT,
                    other[index] if index < len(other) else ABSENT,
                    (*item.path, index),
                )
                for index in range(max(len(one), len(other)))
            ]
        elif _same_scalar(one, other):
            continue
        else:
            return Difference(item.path, one, other)
        pending.extend(reversed(inner))
    return None


def _same_scalar(left: Any, right: Any) -> bool:
    if isinstance(left, dict | list | _Absent) or isinstance(right, dict | list | _Absent):
        return left is right
    return json.dumps(left) == json.dumps(right)
