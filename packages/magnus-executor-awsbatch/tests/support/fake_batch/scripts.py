"""What becomes of a job of the fake: a test says it beforehand.

Times are seconds. What a script says of one attempt holds for each, unless it says otherwise; whether a failed attempt is
followed by another is for the retry strategy of the job.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf

from .lifecycle import (
    CANNOT_PULL,
    EXITED,
    HOST_TERMINATED,
    NOT_STARTED,
    OUT_OF_MEMORY,
    Outcome,
)

KILLED = 137
_WELL = Outcome(EXITED, 0)


@dataclass(frozen=True)
class RunningJob:
    """What the work of a job sees when it runs.

    Attributes:
        name: Of the job.
        job_id: Of the job, or of the child.
        queue: The name of the queue.
        attempt: The number of the attempt, from 1 on.
        index: The place in the array; None for a job that is no child.
        command: What the container runs, as submitted.
        environment: All variables, those of the service too.
        print: Adds a line to the log.
    """

    name: str
    job_id: str
    queue: str
    attempt: int
    index: int | None
    command: Sequence[str]
    environment: Mapping[str, str]
    print: Callable[[str], None]


Work = Callable[[RunningJob], "int | Outcome | None"]
"""Does the work of a job, and returns the exit code (None for 0), or how else the attempt ended."""


@dataclass(frozen=True)
class Plan:
    """What one attempt will do."""

    waits: float = 0.0
    """How long the job is RUNNABLE."""
    starts: float = 0.0
    """How long it is STARTING."""
    runs: float = 0.0
    """How long it is RUNNING."""
    outcome: Outcome = _WELL
    has_container: bool = True
    """Whether it gets RUNNING at all."""
    lines: Sequence[tuple[float, str]] = ()
    """What it prints, and how long after its start."""
    work: Work | None = None
    """What is called when it gets RUNNING; tells the outcome."""
    waits_because: str | None = None
    """The status reason of a job that waits in vain."""


@dataclass(frozen=True, kw_only=True)
class Script:
    """What all scripts can be told."""

    waits: float = 0.0
    starts: float = 0.0
    after: float = 0.0
    """How long an attempt is RUNNING."""
    lines: Sequence[str | tuple[float, str]] = ()
    """What an attempt prints: at its start, or so many seconds later."""

    def plan(self, number: int) -> Plan:
        """Return what the attempt with a number, from 1 on, will do."""
        lines = [(0.0, line) if isinstance(line, str) else line for line in self.lines]
        return Plan(self.waits, self.starts, self.after, lines=lines)

    def child(self, index: int) -> Script:
        """Return the script of a child of an array."""
        return self


@dataclass(frozen=True)
class Succeeds(Script):
    """Ends with exit code 0."""


@dataclass(frozen=True)
class Hangs(Script):
    """Runs until it is ended."""

    def plan(self, number: int) -> Plan:
        """Return what an attempt will do."""
        return replace(super().plan(number), runs=inf)


@dataclass(frozen=True)
class Fails(Script):
    """Ends with an exit code; *times* attempts do, later ones succeed."""

    exit_code: int = 1
    reason: str | None = None
    times: float = inf

    def plan(self, number: int) -> Plan:
        """Return what an attempt will do."""
        plan = super().plan(number)
        if number > self.times:
            return plan
        return replace(plan, outcome=Outcome(EXITED, self.exit_code, self.reason))


@dataclass(frozen=True)
class RunsOutOfMemory(Fails):
    """Is killed because it needs too much."""

    exit_code: int = KILLED
    reason: str | None = OUT_OF_MEMORY


@dataclass(frozen=True)
class Runs(Script):
    """Does real work, in the process that asks the service, at the moment it gets RUNNING."""

    work: Work

    def plan(self, number: int) -> Plan:
        """Return what an attempt will do."""
        return replace(super().plan(number), work=self.work)


@dataclass(frozen=True)
class Reclaimed(Script):
    """Loses its host, *times* attempts in a row; later attempts follow *then*."""

    times: float = inf
    because: str = HOST_TERMINATED
    then: Script = field(default_factory=Succeeds)

    def plan(self, number: int) -> Plan:
        """Return what an attempt will do."""
        if number > self.times:
            return self.then.plan(number)
        return replace(super().plan(number), outcome=Outcome(self.because))


@dataclass(frozen=True)
class FailsToStart(Script):
    """Does not get RUNNING, *times* attempts in a row; later ones follow *then*."""

    times: float = inf
    reason: str = "DockerTimeoutError: Could not transition to started; timed out after waiting 3m0s"
    then: Script = field(default_factory=Succeeds)

    def plan(self, number: int) -> Plan:
        """Return what an attempt will do."""
        if number > self.times:
            return self.then.plan(number)
        return replace(
            super().plan(number), outcome=Outcome(NOT_STARTED, reason=self.reason), has_container=False
        )


@dataclass(frozen=True)
class CannotPull(FailsToStart):
    """Does not get RUNNING for want of its image."""

    reason: str = f"{CANNOT_PULL}Error response from daemon: manifest for image:tag not found"


@dataclass(frozen=True)
class Unschedulable(Script):
    """Stays RUNNABLE, with a status reason if one is given."""

    because: str | None = None

    def plan(self, number: int) -> Plan:
        """Return what an attempt will do."""
        return replace(super().plan(number), waits=inf, waits_because=self.because)


@dataclass(frozen=True)
class Children(Script):
    """The children of an array, each by its own script; those that are not named follow *others*."""

    by_index: Mapping[int, Script]
    others: Script = field(default_factory=Succeeds)

    def child(self, index: int) -> Script:
        """Return the script of a child of an array."""
        return self.by_index.get(index, self.others)


@dataclass(frozen=True, kw_only=True)
class AtSubmission(Script):
    """What happens when the job is submitted; the job itself follows *then*."""

    then: Script = field(default_factory=Succeeds)

    def plan(self, number: int) -> Plan:
        """Return what an attempt will do."""
        return self.then.plan(number)

    def child(self, index: int) -> Script:
        """Return the script of a child of an array."""
        return self.then.child(index)


@dataclass(frozen=True)
class Forgotten(AtSubmission):
    """Is not described or listed any more, so many *seconds* after it was submitted."""

    seconds: float = 0.0


@dataclass(frozen=True)
class Throttled(AtSubmission):
    """Is refused for too many requests, *calls* times; is taken after that."""

    calls: int = 1


@dataclass(frozen=True)
class AnswerLost(AtSubmission):
    """Is taken, but the connection breaks before the answer."""


@dataclass(frozen=True)
class Refused(AtSubmission):
    """Is refused for good."""

    message: str = "Refused by a test"
