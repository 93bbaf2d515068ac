"""The AWS services behind the executor, by what it needs of them; the only module that imports the vendor's library.

Everything that comes back is turned into plain values and into the errors of this package, so that the rest can be tested
without a network, and reads without knowing the vendor.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    ParamValidationError,
)

from magnus.errors import ConfigurationError, JobSubmissionError, ServiceError
from magnus_executor_awsbatch.errors import ExistsError, MissingError, ThrottledError, UnansweredError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

MOST_DESCRIBED = 100
"""Jobs that one call of `DescribeJobs` takes, and streams that one of `FilterLogEvents` takes."""

MOST_DELETED = 1000
"""Keys that one call of `DeleteObjects` takes."""

_THROTTLED = frozenset(
    {"TooManyRequestsException", "Throttling", "ThrottlingException", "RequestLimitExceeded", "SlowDown"}
)
_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
_EXPIRED = frozenset(
    {
        "ExpiredToken",
        "ExpiredTokenException",
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "InvalidAccessKeyId",
    }
)
_SERVER_ERROR = 500
_PAUSES = (0.5, 1.0, 2.0, 4.0)
"""Seconds between the tries of a call to Batch that may be repeated."""

_T = TypeVar("_T")
_SECONDS_TO_CONNECT = 10
_SECONDS_TO_READ = 60


class JobState(NamedTuple):
    """What Batch says of a job.

    Attributes:
        id: Of the job; of a child of an array, `<array>:<index>`.
        status: `SUBMITTED`, `PENDING`, `RUNNABLE`, `STARTING`, `RUNNING`, `SUCCEEDED` or `FAILED`.
        reason: Why it has that status, in the service's words.
        container_reason: What the service says of the container.
        exit_code: Of the container; None where there is none.
        log_stream: Where its lines are; empty as long as there is none.
        is_terminated: Whether somebody asked for its end.
    """

    id: str
    status: str
    reason: str = ""
    container_reason: str = ""
    exit_code: int | None = None
    log_stream: str = ""
    is_terminated: bool = False


class FoundJob(NamedTuple):
    """A job that a list names."""

    id: str
    status: str


class JobDefinition(NamedTuple):
    """A job definition, as far as it matters here."""

    arn: str
    image: str
    log_group: str


class Queue(NamedTuple):
    """A job queue.

    Attributes:
        name: Its name.
        problem: Why it starts no job; empty if it does.
        most_vcpus: What the largest of its compute environments has; None if one has no limit, or none is known.
    """

    name: str
    problem: str
    most_vcpus: int | None


class LogEvent(NamedTuple):
    """One line of a log; *timestamp* is in milliseconds."""

    stream: str
    id: str
    timestamp: int
    message: str


def connect(service: str, region: str, endpoint_url: str) -> Any:
    """Return the vendor's client of a service; credentials come from its own chain.

    Raises:
        ConfigurationError: No region is known.
    """
    # What is submitted twice runs twice: calls to Batch are repeated by us, who know how to look first.
    attempts = 1 if service == "batch" else 5
    config = Config(
        connect_timeout=_SECONDS_TO_CONNECT,
        read_timeout=_SECONDS_TO_READ,
        retries={"mode": "standard", "total_max_attempts": attempts},
        user_agent_extra="magnus",
    )
    factory: Any = boto3.client  # its types know each service by a literal name
    with _translated(service):
        return factory(service, region_name=region or None, endpoint_url=endpoint_url or None, config=config)


class Batch:
    """AWS Batch, and the log groups that its jobs write to. For one thread."""

    def __init__(
        self,
        region: str = "",
        endpoint_url: str = "",
        *,
        connect: Callable[[str, str, str], Any] = connect,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Connect when something is first asked."""
        self._connect = connect
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
            with _translated("SubmitJob"):
                job_id: str = self._client("batch").submit_job(**request)["jobId"]
        except (ThrottledError, UnansweredError):
            raise
        except ServiceError as error:
            refusal = ThrottledError if error.retriable else JobSubmissionError
            raise refusal(str(error)) from error
        return job_id

    def describe(self, job_ids: Sequence[str]) -> dict[str, JobState]:
        """Return what Batch says of up to `MOST_DESCRIBED` jobs, in one call; those it does not know are left out."""
        with _translated("DescribeJobs"):
            answer = self._client("batch").describe_jobs(jobs=list(job_ids))
        return {job["jobId"]: _job_state(job) for job in answer["jobs"]}

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
                arn: str = self._client("batch").register_job_definition(**request)["jobDefinitionArn"]
            except BotoCoreError:
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
        return [_queue(queue, environments) for queue in found]

    def _repeated(self, call: str, ask: Callable[[], _T]) -> _T:
        """Ask what may be asked twice, again after a pause where AWS was too busy or its answer did not come."""
        for pause in _PAUSES:
            try:
                with _translated(call):
                    return ask()
            except (ThrottledError, UnansweredError):
                self._sleep(pause)
        with _translated(call):
            return ask()

    def log_events(self, group: str, streams: Sequence[str], since: int) -> Iterator[LogEvent]:
        """Yield the lines of up to `MOST_DESCRIBED` streams from *since* (milliseconds) on.

        Raises:
            MissingError: One of the streams, or the group, is not there.
        """
        client = self._client("logs")
        token: dict[str, str] = {}
        while True:
            with _translated("FilterLogEvents"):
                page = client.filter_log_events(
                    logGroupName=group, logStreamNames=list(streams), startTime=since, **token
                )
            for event in page["events"]:
                yield LogEvent(event["logStreamName"], event["eventId"], event["timestamp"], event["message"])
            if not page.get("nextToken"):
                return
            token = {"nextToken": page["nextToken"]}


class Bucket:
    """One bucket of S3, below one prefix."""

    def __init__(
        self,
        address: str,
        region: str = "",
        endpoint_url: str = "",
        *,
        connect: Callable[[str, str, str], Any] = connect,
    ) -> None:
        """Work below *address*, `s3://bucket/prefix`; connects when something is first asked."""
        self.address = address.rstrip("/")
        self._bucket, _, self._prefix = self.address.removeprefix("s3://").partition("/")
        self._connect = connect
        self._place = (region, endpoint_url)
        self._client_in_use: Any = None

    @property
    def _client(self) -> Any:
        if self._client_in_use is None:
            self._client_in_use = self._connect("s3", *self._place)
        return self._client_in_use

    def key_address(self, key: str) -> str:
        """Return the address of *key*."""
        return f"{self.address}/{key}"

    def put(self, key: str, data: bytes, *, only_new: bool = False) -> None:
        """Write an object.

        Raises:
            ExistsError: It is there already, and *only_new* was asked for.
        """
        condition = {"IfNoneMatch": "*"} if only_new else {}
        with _translated(f"PutObject on {self.address}"):
            self._client.put_object(Bucket=self._bucket, Key=self._key(key), Body=data, **condition)

    def get(self, key: str, start: int = 0, size: int | None = None) -> bytes:
        """Read an object, or *size* bytes of it from *start* on.

        Raises:
            MissingError: There is no such object.
        """
        part = {} if size is None else {"Range": f"bytes={start}-{start + size - 1}"}
        with _translated(f"GetObject on {self.address}"):
            answer = self._client.get_object(Bucket=self._bucket, Key=self._key(key), **part)
            body: bytes = answer["Body"].read()
        return body

    def list(self, prefix: str) -> list[str]:
        """Return the keys that begin with *prefix*."""
        start = self._key("")
        with _translated(f"ListObjectsV2 on {self.address}"):
            pages = self._client.get_paginator("list_objects_v2")
            return [
                item["Key"].removeprefix(start)
                for page in pages.paginate(Bucket=self._bucket, Prefix=self._key(prefix))
                for item in page.get("Contents", ())
            ]

    def delete(self, keys: Sequence[str]) -> None:
        """Remove objects; those that are not there are no mistake."""
        for start in range(0, len(keys), MOST_DELETED):
            objects = [{"Key": self._key(key)} for key in keys[start : start + MOST_DELETED]]
            with _translated(f"DeleteObjects on {self.address}"):
                self._client.delete_objects(Bucket=self._bucket, Delete={"Objects": objects, "Quiet": True})

    def _key(self, key: str) -> str:
        return f"{self._prefix}/{key}" if self._prefix else key


def _job_state(job: Mapping[str, Any]) -> JobState:
    container = job.get("container", {})
    return JobState(
        id=job["jobId"],
        status=job["status"],
        reason=job.get("statusReason", ""),
        container_reason=container.get("reason", ""),
        exit_code=container.get("exitCode"),
        log_stream=container.get("logStreamName", ""),
        is_terminated=job.get("isTerminated", False) or job.get("isCancelled", False),
    )


def _queue(queue: Mapping[str, Any], environments: Mapping[str, Mapping[str, Any]]) -> Queue:
    name = queue["jobQueueName"]
    if queue["state"] != "ENABLED":
        return Queue(name, f"the queue '{name}' is disabled", None)
    if queue.get("status", "VALID") not in ("VALID", "UPDATING"):
        why = queue.get("statusReason") or f"its status is {queue['status']}"
        return Queue(name, f"the queue '{name}' starts no jobs: {why}", None)
    problems, sizes = [], []
    for order in queue.get("computeEnvironmentOrder", ()):
        environment = environments.get(order["computeEnvironment"])
        if environment is None:
            continue
        label = environment["computeEnvironmentName"]
        if environment.get("state") != "ENABLED":
            problems.append(f"the compute environment '{label}' is disabled")
        elif environment.get("status", "VALID") not in ("VALID", "UPDATING", "CREATING"):
            why = environment.get("statusReason") or f"its status is {environment['status']}"
            problems.append(f"the compute environment '{label}' starts no jobs: {why}")
        else:
            sizes.append(environment.get("computeResources", {}).get("maxvCpus"))
    if problems and not sizes:
        return Queue(name, f"the queue '{name}' has nothing to run jobs on: {'; '.join(problems)}", None)
    known = [size for size in sizes if size is not None]
    return Queue(name, "", max(known) if known and len(known) == len(sizes) else None)


@contextmanager
def _translated(call: str) -> Iterator[None]:
    """Turn the vendor's errors into those of this package; none of them holds a credential."""
    try:
        yield
    except NoRegionError as error:
        message = "no AWS region is known: set `region` in the configuration, or the variable AWS_REGION"
        raise ConfigurationError(message) from error
    except NoCredentialsError as error:
        message = (
            f"{call}: no AWS credentials were found; sign in (`aws configure`), or give this place a role"
        )
        raise ServiceError(message) from error
    except ParamValidationError as error:
        raise ServiceError(f"{call} would refuse the request: {error}") from error
    except ClientError as error:
        raise _refused(call, error) from error
    except (EndpointConnectionError, ConnectTimeoutError) as error:
        raise ServiceError(f"{call}: AWS cannot be reached: {error}", retriable=True) from error
    except BotoCoreError as error:  # the connection broke, or the answer did not come in time
        raise UnansweredError(f"{call}: no answer came: {error}") from error


def _refused(call: str, error: ClientError) -> ServiceError:
    said = error.response.get("Error", {})
    code, text = said.get("Code", ""), said.get("Message", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _THROTTLED:
        return ThrottledError(f"{call}: there are too many calls ({code})")
    if code in ("PreconditionFailed", "ConditionalRequestConflict"):
        return ExistsError(f"{call}: it is there already")
    if code in ("NoSuchKey", "ResourceNotFoundException"):
        return MissingError(f"{call}: {text or 'it is not there'}")
    if code in _DENIED:
        return ServiceError(
            f"{call}: access is denied ({text}); allow it to the identity that magnus runs as"
        )
    if code in _EXPIRED:
        return ServiceError(
            f"{call}: the AWS credentials are not valid any more, or never were ({code}); sign in again"
        )
    if status >= _SERVER_ERROR:
        return UnansweredError(f"{call}: AWS answered with an error of its own ({code or status}): {text}")
    return ServiceError(f"{call}: {text or code}")
