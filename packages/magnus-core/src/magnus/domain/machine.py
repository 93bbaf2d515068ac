"""What this machine has."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """Return how many processors this process may use, which may be fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


GUARDIAN_VARIABLE = "MAGNUS_GUARDIAN"
"""A process that a task starts with this variable ends something outside of this machine's processes, and then itself.

It is not ended with the task, because it is then that it has work to do.
"""
