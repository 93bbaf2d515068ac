"""One attempt at one step, as an executor sees it."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any, NamedTuple

from magnus.domain.run_log import Status

if TYPE_CHECKING:
    from magnus.domain.nodes import Node

MapVariable = tuple[tuple[str, Any], ...]
"""The items of the maps around a step, outermost first: (`iterate_as`, value)."""

JobIdentity = tuple[str, str, int]
"""The run, the step and the attempt."""


class Job(NamedTuple):
    """What an executor is asked to run.

    Attributes:
        run_id: The run.
        step_name: The step's internal name.
        node: Its definition.
        attempt_number: Counted from 1; with *run_id* and *step_name* it names the job, so that a job asked for twice
            can be recognised.
        map_variable: The items of the maps around it.
        options: The executor's options for this node: overrides and placeholders resolved, validated.
        scopes: The internal names of the isolating branches around it, outermost first: the last one names the name space
            and the folder of its files, which those of the outermost graph are where there is none.
    """

    run_id: str
    step_name: str
    node: Node
    attempt_number: int
    map_variable: MapVariable = ()
    options: Any = None
    scopes: tuple[str, ...] = ()

    @property
    def identity(self) -> JobIdentity:
        """What tells it from every other job."""
        return self.run_id, self.step_name, self.attempt_number

    @property
    def timeout_seconds(self) -> float | None:
        """How long the attempt may take."""
        return self.node.timeout_seconds


class JobEnd(NamedTuple):
    """How a job that had been triggered came to its end.

    Attributes:
        job: What was asked for.
        status: `SUCCESS` or `FAIL`. The run log decides where the step recorded its own end; this is for jobs that
            could not.
        message: The cause, in one sentence, when it failed.
        exit_code: Of the process; None where there was none.
        failure: A name for `retry_on`: `timeout`, `exit:137`, or empty.
        note: What only the executor knows of a job that recorded its own failure: added to what it said.
        retryable: Whether the failure is one that the user's `retry` is for; False for one that the executor has tried
            to mend itself, or that no attempt would.
    """

    job: Job
    status: Status
    message: str = ""
    exit_code: int | None = None
    failure: str = ""
    note: str = ""
    retryable: bool = True

    @classmethod
    def of_timeout(cls, job: Job) -> JobEnd:
        """Return the end of a job that took longer than its step may."""
        return cls(job, Status.FAIL, f"timed out after {job.timeout_seconds:g} s", failure="timeout")

    @classmethod
    def of_broken_channel(cls, job: Job, message: str) -> JobEnd:
        """Return the end of a job that could not be spoken to any more, for the cause *message*."""
        return cls(job, Status.FAIL, message)

    @classmethod
    def of_process(cls, job: Job, return_code: int, *, out_of_memory: bool = False) -> JobEnd:
        """Return the end of a job whose process ended before it did.

        Args:
            job: The job.
            return_code: As `subprocess` gives it.
            out_of_memory: True if the kernel has ended processes here for want of memory while the job ran.
        """
        if return_code >= 0:
            message = f"the process of the step ended by itself with exit code {return_code}"
            return cls(job, Status.FAIL, message, return_code, f"exit:{return_code}")
        name = signal.Signals(-return_code).name
        hint = "; the system does that when memory runs out" if name == "SIGKILL" else ""
        # What a shell reports for a process killed by a signal, so that retry_on means the same in a container.
        code = 128 - return_code
        message = f"the process of the step was killed by {name}{hint}"
        if name == "SIGKILL" and out_of_memory:
            message = "the process of the step was killed because it needed more than its memory"
        return cls(job, Status.FAIL, message, code, f"exit:{code}")
