"""What the emulator answers to the requests about jobs, in place of moto's own handlers."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from fake_batch.details import detail, summary
from fake_batch.listing import page
from fake_batch.submission import RefusedError, find_definition, submit
from moto.batch.exceptions import ClientException

from aws.batch_corrections.scheduler import milliseconds

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fake_batch.jobs import Job
    from moto.batch.models import BatchBackend

    from aws.batch_corrections.scheduler import Scheduler


class Handlers:
    """The operations on jobs; definitions, queues, environments and tags stay moto's."""

    def __init__(self, scheduler: Scheduler) -> None:
        """Answer for the jobs of *scheduler*."""
        self._scheduler = scheduler

    def submit(self, backend: BatchBackend, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answer `SubmitJob`."""
        queue = _queue(backend, request["jobQueue"])
        try:
            definition = find_definition(
                request["jobDefinition"],
                [item.describe() for item in backend.describe_job_definitions(status="ACTIVE")],
            )
            jobs = submit(request, definition, queue, str(uuid.uuid4()), milliseconds())
        except RefusedError as error:
            raise ClientException(str(error)) from error
        backend.tag_resource(jobs[0].arn, request.get("tags") or {})
        self._scheduler.add(jobs)
        return {"jobArn": jobs[0].arn, "jobName": jobs[0].name, "jobId": jobs[0].job_id}

    def describe(self, backend: BatchBackend, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answer `DescribeJobs`."""
        if len(request["jobs"]) > 100:
            raise ClientException("The number of jobs must be 100 at most")
        # A compute environment may have been enabled since.
        self._scheduler.advance()
        with self._scheduler.lock:
            known = self._known()
            return {
                "jobs": [
                    detail(known[job_id]) for job_id in dict.fromkeys(request["jobs"]) if job_id in known
                ]
            }

    def list(self, backend: BatchBackend, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answer `ListJobs`."""
        queue = _queue(backend, request["jobQueue"])["jobQueueArn"] if request.get("jobQueue") else None
        with self._scheduler.lock:
            try:
                jobs, token = page(self._known().values(), request, queue)
            except RefusedError as error:
                raise ClientException(str(error)) from error
            answer: dict[str, Any] = {"jobSummaryList": [summary(job) for job in jobs]}
        return answer | ({"nextToken": token} if token else {})

    def terminate(self, backend: BatchBackend, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answer `TerminateJob`."""
        self._stop(request, is_terminated=True)
        return {}

    def cancel(self, backend: BatchBackend, request: Mapping[str, Any]) -> dict[str, Any]:
        """Answer `CancelJob`."""
        self._stop(request, is_terminated=False)
        return {}

    def _stop(self, request: Mapping[str, Any], *, is_terminated: bool) -> None:
        job = self._known().get(request["jobId"])
        if job is not None:
            self._scheduler.stop(job, request["reason"], is_terminated=is_terminated)

    def _known(self) -> dict[str, Job]:
        forgotten = self._scheduler.forgotten
        return {
            job_id: job
            for job_id, job in self._scheduler.jobs.items()
            if not {job_id, job_id.partition(":")[0]} & forgotten
        }


def _queue(backend: BatchBackend, name: str) -> dict[str, Any]:
    queue = backend.get_job_queue(name)
    if queue is None:
        raise ClientException(f"Job queue {name} does not exist")
    return queue.describe()
