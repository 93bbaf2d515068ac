"""What Step Functions and Batch do together with one job."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from magnus.ports.emulator import ContainerCommand
from magnus_executor_stepfunctions.limits import LARGEST_OVERRIDES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus.ports.emulator import EmulatedCompute


class StateFailure(Exception):  # noqa: N818 - the word of the States Language
    """A state has failed.

    Attributes:
        error: The error's name.
        cause: What else is told of it.
    """

    def __init__(self, error: str, cause: str) -> None:
        """Keep both; the text is for people."""
        self.error = error
        self.cause = cause
        super().__init__(f"{error}: {cause[:200]}")


def run_job(parameters: Mapping[str, Any], compute: EmulatedCompute, until: float) -> dict[str, Any]:
    """Run a job to its end, or to that of the execution, and return how Batch describes it.

    Raises:
        StateFailure: It failed, or Batch does not take it.
    """
    overrides = parameters["ContainerOverrides"]
    if (size := len(json.dumps(overrides, separators=(",", ":")))) > LARGEST_OVERRIDES:
        raise StateFailure("Batch.ClientException", f"container overrides of {size} characters are too large")
    limit = parameters.get("Timeout", {}).get("AttemptDurationSeconds")
    left = max(0.0, until - compute.now())
    end = compute.run(
        ContainerCommand(
            arguments=tuple(overrides["Command"]),
            name=parameters["JobName"],
            environment={each["Name"]: each["Value"] for each in overrides.get("Environment", ())},
            timeout_seconds=left if limit is None else min(limit, left),
        )
    )
    job: dict[str, Any] = {"JobName": parameters["JobName"], "Status": "SUCCEEDED"}
    if end.timed_out:
        if compute.now() >= until:
            raise StateFailure("States.Runtime", "the execution took longer than its TimeoutSeconds")
        job |= {"Status": "FAILED", "StatusReason": "Job attempt duration exceeded timeout"}
    else:
        job["Container"] = {"ExitCode": end.exit_code}
        if end.exit_code:
            job |= {"Status": "FAILED", "StatusReason": "Essential container in task exited"}
    if job["Status"] == "FAILED":
        raise StateFailure("States.TaskFailed", json.dumps(job, separators=(",", ":")))
    return job
