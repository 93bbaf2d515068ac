"""What a person can ask of the runs there have been: the functions behind `magnus runs`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from magnus.domain.owner import is_alive, is_here, read_label
from magnus.domain.records import RecordKind
from magnus.domain.role import TERMINAL_TYPES
from magnus.domain.run_log import RunLog, Status, StepLog
from magnus.engine.recorder import read_head, read_run_log, read_steps
from magnus.errors import ConfigurationError, Problem, RunLogNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from magnus.ports.catalog import Catalog
    from magnus.ports.run_log_store import RunLogStore


LOST = "LOST"
"""Shown in place of the recorded status for a run whose process is gone, and for its steps that have not ended."""


def is_lost(head: RunLog) -> bool:
    """Return True if the run has not ended, and the process that traverses it is gone."""
    return not head.status.has_ended and bool(head.owner) and not is_alive(head.owner)


def is_living(head: RunLog) -> bool:
    """Return True if the run has not ended, and the process that traverses it runs on this machine."""
    return not head.status.has_ended and bool(head.owner) and is_here(head.owner) and is_alive(head.owner)


def describe_owner(head: RunLog) -> str:
    """Return the process and the machine that the run belongs to, for people."""
    owner = read_label(head.owner)
    return "no process" if owner is None else f"process {owner.pid} on {owner.host.partition(':')[0]}"


def display_status(head: RunLog) -> str:
    """Return the status that people see: `LOST`, or the recorded one."""
    return LOST if is_lost(head) else str(head.status)


@dataclass(frozen=True, slots=True)
class RunSummary:
    """One line about a run.

    Attributes:
        run: The head of its log.
        steps_done: Steps that succeeded, skipped ones and those of branches included.
        steps_failed: Steps that failed.
    """

    run: RunLog
    steps_done: int
    steps_failed: int


def list_runs(
    store: RunLogStore, *, tag: str | None = None, status: str | None = None, limit: int | None = None
) -> list[RunSummary]:
    """Return the runs of *store*, newest first.

    Args:
        store: Where they are.
        tag: Only runs with this tag.
        status: Only runs with this status, as `display_status` gives it.
        limit: At most so many.
    """
    heads = [head for run_id in store.list_runs() if (head := _head(store, run_id)) is not None]
    wanted = [
        head
        for head in heads
        if (tag is None or head.tag == tag) and (status is None or display_status(head) == status)
    ]
    wanted.sort(key=lambda head: (head.start_time, head.run_id), reverse=True)
    return [summary for head in wanted[:limit] if (summary := _summary(store, head)) is not None]


def _head(store: RunLogStore, run_id: str) -> RunLog | None:
    """Return the head of a run; None if someone deletes it at this moment."""
    try:
        return read_head(store, run_id)
    except RunLogNotFoundError:
        return None


def _summary(store: RunLogStore, head: RunLog) -> RunSummary | None:
    try:
        steps = [
            step for step in read_steps(store, head.run_id).values() if step.step_type not in TERMINAL_TYPES
        ]
    except RunLogNotFoundError:
        return None
    done = sum(step.status is Status.SUCCESS for step in steps)
    return RunSummary(head, done, sum(step.status is Status.FAIL for step in steps))


def read_run(store: RunLogStore, run_id: str) -> RunLog:
    """Return the whole log of a run.

    Raises:
        RunLogNotFoundError: There is no such run; the message says what to do.
    """
    check_runs(store, [run_id])
    return read_run_log(store, run_id)


def check_runs(store: RunLogStore, run_ids: Sequence[str]) -> None:
    """Refuse run ids that are not in *store*, all of them in one error.

    Raises:
        RunLogNotFoundError: The message names the nearest ids there are.
    """
    unknown = [run_id for run_id in run_ids if not _exists(store, run_id)]
    if unknown:
        known = list(store.list_runs())
        raise RunLogNotFoundError([Problem(_unknown(run_id, known)) for run_id in unknown])


def _exists(store: RunLogStore, run_id: str) -> bool:
    try:
        return store.get(run_id, RecordKind.RUN, "") is not None
    except RunLogNotFoundError:
        return False


def _unknown(run_id: str, known: Sequence[str]) -> str:
    from difflib import get_close_matches

    text = f"no run '{run_id}' in the run log store"
    if not known:
        return f"{text}, which holds no run; name the configuration that the run was made with by -c"
    close = get_close_matches(run_id, known, n=1)
    hint = f" Did you mean '{close[0]}'?" if close else ""
    return f"{text}; `magnus runs list` shows the runs there are.{hint}"


def select_step(run: RunLog, name: str) -> StepLog:
    """Return the step of *run* with that internal name.

    Raises:
        ConfigurationError: The run has no such step.
    """
    names = {step.internal_name: step for step in run.walk()}
    if name in names:
        return names[name]
    from difflib import get_close_matches

    close = get_close_matches(name, list(names), n=1)
    hint = f". Did you mean '{close[0]}'?" if close else ""
    raise ConfigurationError(
        f"run '{run.run_id}' has no step '{name}'{hint}; `magnus runs show {run.run_id}` shows its steps"
    )


def steps_within(step: StepLog) -> Iterator[StepLog]:
    """Yield *step* and every step of its branches, in the order in which they began."""
    pending = [step]
    while pending:
        current = pending.pop()
        yield current
        inner = [child for branch in current.branches.values() for child in branch.steps.values()]
        pending.extend(reversed(inner))


def check_deletable(
    store: RunLogStore, catalog: Catalog, run_ids: Sequence[str], *, force: bool = False
) -> None:
    """Refuse runs that cannot be deleted, all of them in one error.

    Raises:
        RunLogNotFoundError: One of the runs has neither a log nor files in the catalog.
        ConfigurationError: One of them is still running; with *force* it is deleted all the same.
    """
    heads = {run_id: _head_if_any(store, run_id) for run_id in run_ids}
    if missing := [run_id for run_id, head in heads.items() if head is None]:
        in_catalog = set(catalog.list_runs())
        check_runs(store, [run_id for run_id in missing if run_id not in in_catalog])
    if force:
        return
    problems = []
    for run_id, head in heads.items():
        if head is None or head.status.has_ended or is_lost(head):
            continue
        if head.owner:
            reason = f"run '{run_id}' is still running in {describe_owner(head)}; end it first"
        else:
            reason = f"run '{run_id}' has not ended; `magnus runs reap {run_id}` ends what is left of it"
        problems.append(Problem(f"{reason}, or delete it all the same with --force"))
    if problems:
        raise ConfigurationError(problems)


def _head_if_any(store: RunLogStore, run_id: str) -> RunLog | None:
    """Return the head of a run; None if there is none, or a damaged one, which can be deleted."""
    try:
        return read_head(store, run_id) if _exists(store, run_id) else None
    except (KeyError, TypeError, ValueError):
        return RunLog(run_id, status=Status.FAIL)


def delete_runs(store: RunLogStore, catalog: Catalog, run_ids: Sequence[str], *, force: bool = False) -> None:
    """Remove the catalog entries and the logs of runs; nothing if one of them cannot be deleted.

    The log goes last: a deletion that is cut short can be asked for again. A run that has only files in the catalog is
    deleted, too.

    Raises:
        RunLogNotFoundError: One of the runs does not exist.
        ConfigurationError: One of the runs is still running, and *force* is not set.
    """
    check_deletable(store, catalog, run_ids, force=force)
    for run_id in dict.fromkeys(run_ids):
        catalog.delete_run(run_id)
        if _exists(store, run_id):
            store.delete_run(run_id)
