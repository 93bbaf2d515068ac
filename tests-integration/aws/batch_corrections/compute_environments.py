"""Where the jobs of a queue run."""

from __future__ import annotations

from moto.batch.models import batch_backends


def compute_environment_of(queue: str) -> str | None:
    """Return the name of the first enabled compute environment of a queue, or None if there is none.

    Gap: moto runs jobs whatever the state of their compute environment is.
    Service: jobs are not placed in an environment that is DISABLED (API reference, `UpdateComputeEnvironment`).

    Args:
        queue: The queue's ARN.
    """
    _, _, _, region, account, *_ = queue.split(":")
    found = batch_backends[account][region].get_job_queue_by_arn(queue)
    environments = found.environments if found else []
    return next((item.name for item in environments if item.state == "ENABLED"), None)
