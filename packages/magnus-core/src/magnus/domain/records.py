"""The pieces in which a run log is stored."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class RecordKind(StrEnum):
    """What a record holds."""

    RUN = "run"
    """The head of the run log; one for each run, under the name `""`."""
    STEP = "step"
    """A step without its branches, under its internal name."""
    BRANCH = "branch"
    """A branch without its steps, under its internal name."""
    PARAMETERS = "parameters"
    """What the parameters of a branch are now, under the branch's internal name."""
    VALUE = "value"
    """A large parameter value, under the SHA-256 of its text; never changed once written."""


class Record(NamedTuple):
    """One piece of a run log.

    Attributes:
        kind: What it holds.
        name: Unique for its kind in its run; any text, dots, slashes and unicode included.
        body: JSON text without line breaks.
    """

    kind: RecordKind
    name: str
    body: str
