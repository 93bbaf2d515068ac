"""The order of steps in a run log, which a store need not keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnus.domain.names import parent
from magnus.domain.role import TERMINAL_TYPES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus.domain.run_log import StepLog

_LAST = "~"
"""Sorts behind every time."""


def beginnings(steps: Mapping[str, StepLog]) -> dict[str, str]:
    """Return when each of *steps*, all of a run by internal name, began, or the first inside it; empty if neither did."""
    began = {name: step.attempts[0].start_time if step.attempts else "" for name, step in steps.items()}
    for name in sorted(began, key=lambda name: name.count("."), reverse=True):
        owner = parent(parent(name))
        if began[name] and owner in began:
            began[owner] = min(began[owner] or began[name], began[name])
    return began


def sort_by_beginning(steps: dict[str, StepLog], began: Mapping[str, str]) -> None:
    """Put *steps*, those of one graph, in the order of *began*.

    What has not begun (nothing in it took time) stays behind what it stood behind; ends come last.
    """
    keys: dict[str, str] = {}
    latest = ""
    for name, step in steps.items():
        latest = began[name] or latest
        keys[name] = _LAST if step.step_type in TERMINAL_TYPES else latest
    in_order = sorted(steps.items(), key=lambda item: keys[item[0]])
    steps.clear()
    steps.update(in_order)
