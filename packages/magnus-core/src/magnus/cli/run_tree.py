"""Prints a run as a tree of steps, for people."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from magnus.cli.tables import colour
from magnus.domain.role import TERMINAL_TYPES
from magnus.domain.run_log import StepLog
from magnus.usecases.runs import LOST, describe_owner

if TYPE_CHECKING:
    from collections.abc import Iterator

    from magnus.domain.run_log import BranchLog, RunLog, Status

_LONGEST_VALUE = 100


def print_run(run: RunLog, *, lost: bool = False) -> None:
    """Print a run with all its steps on stdout; of a *lost* one, the process is gone."""
    for line in _head(run, lost=lost):
        sys.stdout.write(f"{line}\n")
    _print_steps(list(run.steps.values()), lost=lost)


def print_step(step: StepLog, *, lost: bool = False) -> None:
    """Print one step with all that is inside it on stdout."""
    _print_steps([step], lost=lost)


def _status(status: Status, *, lost: bool) -> str:
    return colour(LOST if lost and not status.has_ended else status, sys.stdout)


def _head(run: RunLog, *, lost: bool) -> Iterator[str]:
    yield f"run {run.run_id}: {_status(run.status, lost=lost)}"
    if lost:
        yield f"  its {describe_owner(run)} is gone; `magnus runs reap {run.run_id}` closes it"
    told = {
        "message": run.message,
        "tag": run.tag,
        "continues": run.original_run_id,
        "begun by": f"step '{run.parent_step}' of run {run.parent_run_id}" if run.parent_run_id else "",
        "started": run.start_time,
        "ended": run.end_time,
        "input parameters": _values(run.input_parameters),
        "parameters": _values(run.parameters),
    }
    for name, text in told.items():
        if text:
            yield f"  {name}: {text}"


def _print_steps(steps: list[StepLog], *, lost: bool) -> None:
    # Explicit stack: pipelines nest without limit.
    pending: list[tuple[int, StepLog | BranchLog]] = [(0, step) for step in reversed(steps)]
    while pending:
        depth, log = pending.pop()
        lines = _step_lines(log, lost=lost) if isinstance(log, StepLog) else _branch_lines(log, lost=lost)
        for line in lines:
            sys.stdout.write(f"{'  ' * depth}{line}\n")
        inner: list[StepLog | BranchLog] = [
            *(log.branches.values() if isinstance(log, StepLog) else log.steps.values())
        ]
        pending.extend((depth + 1, each) for each in reversed(inner))


def _branch_lines(branch: BranchLog, *, lost: bool) -> Iterator[str]:
    yield f"[{branch.internal_name.rpartition('.')[2]}]  {_status(branch.status, lost=lost)}"


def _step_lines(step: StepLog, *, lost: bool) -> Iterator[str]:
    # "failed (fail) SUCCESS" would be true, and would mislead whoever looks for what failed.
    status = "reached" if step.step_type in TERMINAL_TYPES else _status(step.status, lost=lost)
    parts = [step.name, f"({step.step_type})", status]
    if step.mock:
        parts.append("skipped")
    elif step.attempts:
        parts.append(f"{sum(attempt.duration for attempt in step.attempts):.1f} s")
    if len(step.attempts) > 1:
        parts.append(f"{len(step.attempts)} attempts")
    yield "  ".join(parts)
    if step.message:
        yield f"    message: {_one_line(step.message)}"
    if len(step.attempts) > 1:
        for attempt in step.attempts:
            why = f": {_one_line(attempt.message)}" if attempt.message else ""
            ended = _status(attempt.status, lost=lost)
            yield f"    attempt {attempt.attempt_number}: {ended} in {attempt.duration:.1f} s{why}"
    if step.user_defined_metrics:
        yield f"    metrics: {_values(step.user_defined_metrics)}"
    if step.output_parameters:
        yield f"    set: {_values(step.output_parameters)}"
    for entry in step.data_catalog:
        yield f"    {entry.stage}: {entry.name}  {entry.size} bytes  sha256 {entry.data_hash[:12]}"


def _values(values: dict[str, Any]) -> str:
    return ", ".join(f"{name}={_shown(value)}" for name, value in values.items())


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 3]}..."


def _one_line(text: str) -> str:
    return " / ".join(line.strip() for line in text.splitlines() if line.strip())
