"""Prints lists of runs, and what two runs differ in."""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import TYPE_CHECKING, Any

from magnus.cli.json_output import print_json
from magnus.cli.tables import print_table, remark
from magnus.domain.canonical import ABSENT
from magnus.usecases.runs import describe_owner, display_status, is_lost

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magnus.domain.canonical import Difference
    from magnus.domain.run_log import RunLog
    from magnus.usecases.runs import RunSummary


def print_runs(summaries: Sequence[RunSummary], *, as_json: bool) -> None:
    """Print one line for each run."""
    if as_json:
        print_json([_run_dict(summary) for summary in summaries])
    elif summaries:
        headers = ["RUN", "STATUS", "TAG", "STARTED", "SECONDS", "DONE", "FAILED"]
        print_table(headers, [_row(summary) for summary in summaries])
    else:
        remark("no runs")
    for summary in summaries:
        run_id = summary.run.run_id
        if is_lost(summary.run):
            remark(
                f"{run_id} is lost: its {describe_owner(summary.run)} is gone; `magnus runs reap {run_id}` closes it, and "
                f"`magnus execute ... --use-cached {run_id}` completes it"
            )
        elif not summary.run.status.has_ended and not summary.run.owner:
            remark(
                f"{run_id} is still running, or was given up; then `magnus execute ... --use-cached {run_id}` completes it"
            )


def _run_dict(summary: RunSummary) -> dict[str, Any]:
    run = summary.run
    return {
        "run_id": run.run_id,
        "status": run.status,
        "lost": is_lost(run),
        "tag": run.tag,
        "original_run_id": run.original_run_id,
        "start_time": run.start_time,
        "duration": _duration(run),
        "steps_done": summary.steps_done,
        "steps_failed": summary.steps_failed,
        "message": run.message,
    }


def _row(summary: RunSummary) -> list[str]:
    run = summary.run
    duration = _duration(run)
    started = run.start_time[:19].replace("T", " ")
    seconds = "" if duration is None else f"{duration:.1f}"
    return [
        run.run_id,
        display_status(run),
        run.tag,
        started,
        seconds,
        str(summary.steps_done),
        str(summary.steps_failed),
    ]


def _duration(run: RunLog) -> float | None:
    """Return the seconds that a run took; None if it has not ended."""
    if not (run.start_time and run.end_time):
        return None
    taken = datetime.fromisoformat(run.end_time) - datetime.fromisoformat(run.start_time)
    return taken.total_seconds()


def print_difference(run_id: str, other_run_id: str, difference: Difference | None, *, as_json: bool) -> None:
    """Print whether two runs are equal, or where they first differ."""
    if as_json:
        found = None
        if difference is not None:
            found = {"path": list(difference.path), "place": difference.place}
            for name, value in (("left", difference.left), ("right", difference.right)):
                if value is not ABSENT:
                    found[name] = value
        print_json({"equal": difference is None, "difference": found})
    elif difference is None:
        sys.stdout.write(f"{run_id} and {other_run_id} are equal\n")
    else:
        sys.stdout.write(f"they differ first in {difference.place}\n")
        width = max(len(run_id), len(other_run_id))
        for name, value in ((run_id, difference.left), (other_run_id, difference.right)):
            shown = repr(value) if value is ABSENT else json.dumps(value, ensure_ascii=False)
            sys.stdout.write(f"  {name:<{width}}  {shown}\n")
