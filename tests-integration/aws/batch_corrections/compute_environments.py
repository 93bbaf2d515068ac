"""Where the jobs of a queue run."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from fake_batch.containers import requirement
from fake_batch.lifecycle import TOO_MANY_VCPUS
from moto.batch.models import batch_backends

if TYPE_CHECKING:
    from fake_batch.jobs import Job


class Place(NamedTuple):
    """Where a job can run now, or why it cannot."""

    compute_environment: str = ""
    """Empty if the job has to wait."""
    problem: str | None = None
    """The status reason of a job that waits in vain."""


def place_for(job: Job) -> Place:
    """Return the first compute environment that can take a job.

    Gap: moto runs jobs whatever the state and the size of their compute environments are.
    Service: jobs are not placed in an environment that is DISABLED (API reference, `UpdateComputeEnvironment`); one that
    needs more vCPUs than `maxvCpus` stays RUNNABLE with a reason (user guide, "Jobs stuck in a RUNNABLE status").
    """
    _, _, _, region, account, *_ = job.queue.split(":")
    queue = batch_backends[account][region].get_job_queue_by_arn(job.queue)
    enabled = [item for item in (queue.environments if queue else ()) if item.state == "ENABLED"]
    vcpus = requirement(job, "VCPU") or 0
    for environment in enabled:
        if vcpus <= (environment.compute_resources or {}).get("maxvCpus", vcpus):
            return Place(environment.name)
    return Place(problem=TOO_MANY_VCPUS if enabled else None)
