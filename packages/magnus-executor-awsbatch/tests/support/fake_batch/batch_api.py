"""What the fake answers to the requests about jobs."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from .details import detail, summary
from .errors import ServiceRefusal
from .listing import page
from .submission import RefusedError, find_definition, submit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .jobs import Job
    from .queues import Registry
    from .scripts import Script
    from .simulation import Simulation

_MOST_DESCRIBED = 100


class BatchApi:
    """The operations on jobs."""

    def __init__(self, now: Callable[[], float], simulation: Simulation, registry: Registry) -> None:
        """Answer for the jobs of *simulation*, which go to the queues of *registry*."""
        self.forgotten: dict[str, float] = {}
        """From when on a job is not known any more, by its id."""
        self.ended_after = 0.0
        """How many seconds a job goes on after its end was asked for; its status changes no earlier."""
        self._ending: dict[str, tuple[float, str, bool]] = {}
        self.children_after = 0.0
        """How many seconds after an array its children are known."""
        self.listed_after = 0.0
        """How many seconds after its submission a job is listed."""
        self._now = now
        self._simulation = simulation
        self._registry = registry

    def submit(self, request: Mapping[str, Any], script: Script) -> dict[str, Any]:
        """Answer `SubmitJob`."""
        queue = self._registry.queue(request["jobQueue"])
        try:
            definition = find_definition(request["jobDefinition"], self._registry.definitions())
            jobs = submit(request, definition, queue, str(uuid.uuid4()), int(self._now() * 1000))
        except RefusedError as error:
            raise ServiceRefusal("ClientException", str(error)) from error
        self._simulation.add(jobs, script)
        return {"jobArn": jobs[0].arn, "jobName": jobs[0].name, "jobId": jobs[0].job_id}

    def describe(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answer `DescribeJobs`."""
        if len(request["jobs"]) > _MOST_DESCRIBED:
            raise ServiceRefusal("ClientException", f"{_MOST_DESCRIBED} jobs are the most")
        found = [self._known(job_id) for job_id in dict.fromkeys(request["jobs"])]
        return {"jobs": [self._detail(job) for job in found if job and not self._is_unmade(job)]}

    def _detail(self, job: Job) -> dict[str, Any]:
        told = detail(job)
        if any(self._is_unmade(child) for child in job.children[:1]) and not job.has_ended:
            told["status"] = "SUBMITTED"
        return told

    def _is_unmade(self, job: Job) -> bool:
        return job.index is not None and self._now() * 1000 < job.created_at + self.children_after * 1000

    def list(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answer `ListJobs`."""
        queue = self._registry.queue(request["jobQueue"])["jobQueueArn"] if request.get("jobQueue") else None
        created_until = int((self._now() - self.listed_after) * 1000)
        jobs_known = [job for job in self._simulation.jobs.values() if self._known(job.job_id)]
        known = [job for job in jobs_known if job.created_at <= created_until]
        try:
            jobs, token = page(known, request, queue)
        except RefusedError as error:
            raise ServiceRefusal("ClientException", str(error)) from error
        return {"jobSummaryList": [summary(job) for job in jobs]} | ({"nextToken": token} if token else {})

    def terminate(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answer `TerminateJob`."""
        return self._stop(request, is_terminated=True)

    def cancel(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answer `CancelJob`."""
        return self._stop(request, is_terminated=False)

    def _stop(self, request: Mapping[str, Any], *, is_terminated: bool) -> dict[str, Any]:
        job = self._known(request["jobId"])
        if job and self.ended_after:
            job.is_terminated, self._ending[job.job_id] = (
                is_terminated,
                (self._now(), request["reason"], is_terminated),
            )
        elif job:
            self._simulation.stop(job, request["reason"], is_terminated=is_terminated)
        return {}

    def _known(self, job_id: str) -> Job | None:
        until = min(self.forgotten.get(each, self._now() + 1) for each in (job_id, job_id.partition(":")[0]))
        return self._simulation.jobs.get(job_id) if self._now() < until else None
