"""What the traversal, or an orchestrator in its place, does with a node."""

from __future__ import annotations

from enum import StrEnum

TERMINAL_TYPES = frozenset({"success", "fail"})
"""The types of nodes that close a graph: they are in the run log, but do nothing that a person would count."""


class Role(StrEnum):
    """What the traversal does with a node."""

    WORK = "work"
    """Runs its task, as a job of the executor."""
    PASS = "pass"  # noqa: S105 - not a password
    """Runs nothing and succeeds."""
    TERMINAL = "terminal"
    """Closes its graph."""
    COMPOSITE = "composite"
    """Walks the graphs that it holds, then joins them."""
