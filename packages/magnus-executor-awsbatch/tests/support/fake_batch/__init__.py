"""What Batch documents about jobs, as plain rules, and a fake of its clients that stands on them.

`jobs`, `containers`, `lifecycle`, `retries`, `submission`, `listing` and `details` are the rules, which the emulator shares.
`FakeAws` answers real clients by them, in virtual time; `scripts` says what becomes of each job.
"""

from __future__ import annotations

from .clock import VirtualClock
from .errors import ServiceRefusal
from .lifecycle import Outcome
from .scripts import (
    AnswerLost,
    CannotPull,
    Children,
    Fails,
    FailsToStart,
    Forgotten,
    Hangs,
    Reclaimed,
    Refused,
    RunningJob,
    Runs,
    RunsOutOfMemory,
    Script,
    Succeeds,
    Throttled,
    Unschedulable,
)
from .service import ON_DEMAND, SPOT, FakeAws

__all__ = [
    "ON_DEMAND",
    "SPOT",
    "AnswerLost",
    "CannotPull",
    "Children",
    "Fails",
    "FailsToStart",
    "FakeAws",
    "Forgotten",
    "Hangs",
    "Outcome",
    "Reclaimed",
    "Refused",
    "RunningJob",
    "Runs",
    "RunsOutOfMemory",
    "Script",
    "ServiceRefusal",
    "Succeeds",
    "Throttled",
    "Unschedulable",
    "VirtualClock",
]
