"""Whether an executor and a service, or a feature of the dag, go together."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Judgement(StrEnum):
    """How a combination was judged."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"
    UNKNOWN = "unknown"


class Verdict(NamedTuple):
    """A judgement that says why, and what to do.

    Attributes:
        judgement: `error` is refused before anything runs, `unknown` only with `--strict`.
        reason: One sentence; for `ok` it says what makes it work.
        remedy: What to change; empty for `ok`.
    """

    judgement: Judgement
    reason: str
    remedy: str = ""
