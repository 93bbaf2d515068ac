"""What a test does to the emulated Batch that no client can do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fake_batch.lifecycle import HOST_TERMINATED
from harness import wait_for

if TYPE_CHECKING:
    from collections.abc import Collection

    from fake_batch.jobs import Job

    from aws.batch_corrections.scheduler import Scheduler


@dataclass(frozen=True)
class SeenJob:
    """A job as the service itself knows it, for assertions."""

    name: str
    job_id: str
    status: str
    queue: str
    """The name of the queue."""
    index: int | None
    """The place in an array, if this is a child."""
    size: int
    """How many children there are."""


class BatchHooks:
    """Looks into the service, and plays its bad days."""

    def __init__(self, scheduler: Scheduler) -> None:
        """Act on the jobs of *scheduler*."""
        self._scheduler = scheduler
        self._usual = (scheduler.slots, scheduler.kill_after_seconds)

    def jobs(self) -> list[SeenJob]:
        """Return all jobs that were ever submitted, the children of arrays too, in order."""
        with self._scheduler.lock:
            return [
                SeenJob(job.name, job.job_id, job.status, job.queue_name, job.index, len(job.children))
                for job in self._scheduler.jobs.values()
            ]

    def job(self, job_id: str) -> Job:
        """Return a job, even one that was forgotten."""
        return self._scheduler.jobs[job_id]

    def wait(
        self, job_id: str, status: str | Collection[str] = ("SUCCEEDED", "FAILED"), seconds: float = 20
    ) -> Job:
        """Wait until a job has *status*, by default until it has ended, and return it."""
        wanted = (status,) if isinstance(status, str) else status
        job = self.job(job_id)
        wait_for(lambda: job.status in wanted, seconds, f"{job.name} to be {wanted}; it is {job.status}")
        return job

    def hold(self, *queues: str) -> None:
        """Start no job of *queues*, or of any queue; new ones stay RUNNABLE, as without free capacity."""
        self._scheduler.hold(queues)

    def release(self) -> None:
        """Start jobs again, those too that were stuck."""
        self._scheduler.release()

    def get_stuck(self, job_id: str, reason: str) -> None:
        """Leave a RUNNABLE job where it is, with a status reason such as `CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - ...`."""
        self._scheduler.get_stuck(job_id, reason)

    def reclaim(self, job_id: str, status_reason: str = HOST_TERMINATED) -> None:
        """Take the host away under a starting or running job; its retry strategy says what follows."""
        self._scheduler.reclaim(self.job(job_id), status_reason)

    def forget(self, job_id: str) -> None:
        """Have the service return the job no more, as it does some time after the end; of an array no child either."""
        self._scheduler.forgotten.add(job_id)

    def use(self, *, slots: int | None = None, kill_after_seconds: float | None = None) -> None:
        """Change how many jobs run at a time, or how long one may go on after SIGTERM; None leaves it as it is."""
        if slots is not None:
            self._scheduler.slots = slots
        if kill_after_seconds is not None:
            self._scheduler.kill_after_seconds = kill_after_seconds

    def reset(self) -> None:
        """Run jobs again as before `use`."""
        self._scheduler.slots, self._scheduler.kill_after_seconds = self._usual
