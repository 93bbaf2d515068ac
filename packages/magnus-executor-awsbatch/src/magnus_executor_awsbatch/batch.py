"""AWS Batch and the logs of its jobs, by what the executor needs of them.

Everything that comes back is turned into plain values and into the errors of this package, so that the rest can be tested
without a network, and reads without knowing the vendor.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar

from magnus.errors import JobSubmissionError, ServiceError
from magnus_executor_awsbatch.answers import FoundJob, JobDefinition, LogEvent, job_state, queue_of
from magnus_executor_awsbatch.client import connect as connect_to_aws
from magnus_executor_awsbatch.client import translated
from magnus_executor_awsbatch.errors import ThrottledError, UnansweredError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from magnus_executor_awsbatch.answers import JobState, Queue

_PAUSES = (0.5, 1.0, 2.0, 4.0)
"""Seconds between the tries of a call to Batch that may be repeated."""

_T = TypeVar("_T")


class Batch:
    """AWS Batch, and the log groups that its jobs write to. For one thread."""

    def __init__(
        self,
        region: str = "",
        endpoint_url: str = "",
        *,
        connect: Callable[[str, str, str], Any] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Connect when something is first asked."""
        self._connect = connect or connect_to_aws
        self._sleep = sleep
        self._place = (region, endpoint_url)
        self._clients: dict[str, Any] = {}

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = self._connect(service, *self._place)
        return self._clients[service]

    def submit(self, request: Mapping[str, Any]) -> str:
        """Submit a job and return its id.

        Args:
            request: The parameters of `SubmitJob`.

        Raises:
            ThrottledError: There are too many calls, or AWS cannot be reached; nothing was submitted.
            UnansweredError: Nobody knows whether it was.
            JobSubmissionError: Batch refused it.
        """
        try:
            with translated("SubmitJob"):
                job_id: str = self._client("batch").submit_job(**request)["jobId"]
        except (ThrottledError, UnansweredError):
            raise
        except ServiceError as error:
            refusal = ThrottledError if error.retriable else JobSubmissionError
            raise refusal(str(error)) from error
        return job_id

    def describe(self, job_ids: Sequence[str]) -> dict[str, JobState]:
        """Return what Batch says of up to `MOST_DESCRIBED` jobs, in one call; those it does not know are left out."""
        with translated("DescribeJobs"):
            answer = self._client("batch").describe_jobs(jobs=list(job_ids))
        return {job["jobId"]: job_state(job) for job in answer["jobs"]}

    def find(self, queue: str, name: str) -> list[FoundJob]:
        """Return the jobs of that name in a queue, whatever their status, newest first."""

        def ask() -> list[dict[str, Any]]:
            pages = self._client("batch").get_paginator("list_jobs")
            asked = pages.paginate(jobQueue=queue, filters=[{"name": "JOB_NAME", "values": [name]}])
            return [job for page in asked for job in page["jobSummaryList"] if job["jobName"] == name]

        found = self._repeated("ListJobs", ask)
        found.sort(key=lambda job: job.get("createdAt", 0), reverse=True)
        return [FoundJob(job["jobId"], job.get("status", "")) for job in found]

    def terminate(self, job_id: str, reason: str) -> None:
        """Ask for the end of a job, wherever it stands; of an array with all its children."""
        self._repeated(
            "TerminateJob", lambda: self._client("batch").terminate_job(jobId=job_id, reason=reason)
        )

    def job_definition(self, name: str) -> JobDefinition | None:
        """Return the active definition that *name* (a name, name:revision, or ARN) means; None if there is none."""
        is_exact = name.startswith("arn:") or ":" in name
        wanted: dict[str, Any] = {"jobDefinitions": [name]} if is_exact else {"jobDefinitionName": name}
        answer = self._repeated(
            "DescribeJobDefinitions",
            lambda: self._client("batch").describe_job_definitions(status="ACTIVE", **wanted),
        )
        found = answer["jobDefinitions"]
        if not found:
            return None
        newest = max(found, key=lambda definition: definition["revision"])
        container = newest.get("containerProperties", {})
        options = container.get("logConfiguration", {}).get("options", {})
        return JobDefinition(
            newest["jobDefinitionArn"], container.get("image", ""), options.get("awslogs-group", "")
        )

    def register(self, request: Mapping[str, Any]) -> str:
        """Register a job definition and return its ARN; where no answer came, the one that is there by then.

        Raises:
            ServiceError: Batch refused it.
        """

        def ask() -> str:
            try:
                with translated("RegisterJobDefinition"):
                    arn: str = self._client("batch").register_job_definition(**request)["jobDefinitionArn"]
            except UnansweredError:
                if (found := self.job_definition(request["jobDefinitionName"])) is None:
                    raise
                return found.arn  # the answer had been lost
            return arn

        return self._repeated("RegisterJobDefinition", ask)

    def queues(self, names: Sequence[str]) -> list[Queue]:
        """Return the queues called *names*, by name or ARN, as far as there are such."""
        client = self._client("batch")
        answer = self._repeated(
            "DescribeJobQueues", lambda: client.describe_job_queues(jobQueues=list(names))
        )
        found = answer["jobQueues"]
        arns = {
            each["computeEnvironment"] for queue in found for each in queue.get("computeEnvironmentOrder", ())
        }
        environments: dict[str, dict[str, Any]] = {}
        if arns:
            answer = self._repeated(
                "DescribeComputeEnvironments",
                lambda: client.describe_compute_environments(computeEnvironments=sorted(arns)),
            )
            for each in answer["computeEnvironments"]:
                environments[each["computeEnvironmentArn"]] = environments[each["computeEnvironmentName"]] = (
                    each
                )
        return [queue_of(queue, environments) for queue in found]

    def _repeated(self, call: str, ask: Callable[[], _T]) -> _T:
        """Ask what may be asked twice, again after a pause where AWS was too busy or its answer did not come."""
        for pause in _PAUSES:
            try:
                with translated(call):
                    return ask()
            except (ThrottledError, UnansweredError):
                self._sleep(pause)
        with translated(call):
            return ask()

    def log_events(self, group: str, streams: Sequence[str], since: int) -> Iterator[LogEvent]:
        """Yield the lines of up to `MOST_DESCRIBED` streams from *since* (milliseconds) on.

        Raises:
            MissingError: One of the streams, or the group, is not there.
        """
        client = self._client("logs")
        token: dict[str, str] = {}
        while True:
            with translated("FilterLogEvents"):
                page = client.filter_log_events(
                    logGroupName=group, logStreamNames=list(streams), startTime=since, **token
                )
            for event in page["events"]:
                yield LogEvent(event["logStreamName"], event["eventId"], event["timestamp"], event["message"])
            if not page.get("nextToken"):
                return
            token = {"nextToken": page["nextToken"]}
