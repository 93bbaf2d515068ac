"""From the request of `SubmitJob` to jobs, and what the service refuses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .jobs import Job

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")


class RefusedError(Exception):
    """The service answers with `ClientException` and starts nothing."""


def submit(
    request: Mapping[str, Any], definition: Mapping[str, Any], queue: Mapping[str, Any], job_id: str, now: int
) -> list[Job]:
    """Return the job that was asked for, followed by its children if it is an array.

    Args:
        request: What `SubmitJob` got.
        definition: The job definition, as `DescribeJobDefinitions` gives it.
        queue: The queue, as `DescribeJobQueues` gives it.
        job_id: The new job's id.
        now: Milliseconds since 1970.

    Raises:
        RefusedError: The service would not take the request.
    """
    _check(request, queue)
    job = Job(job_id, queue["jobQueueArn"], definition, request, now)
    size = (request.get("arrayProperties") or {}).get("size")
    if size:
        job.children = [
            Job(f"{job_id}:{index}", job.queue, definition, request, now, index=index, parent=job)
            for index in range(size)
        ]
    return [job, *job.children]


def find_definition(name: str, definitions: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the active definition that *name* means: a name or an ARN, with a revision or the latest.

    Raises:
        RefusedError: There is none.
    """
    wanted, _, revision = name.rpartition("/")[2].partition(":")
    found = [
        definition
        for definition in definitions
        if definition["jobDefinitionName"] == wanted
        and definition["status"] == "ACTIVE"
        and revision in ("", str(definition["revision"]))
    ]
    if not found:
        raise RefusedError(f"JobDefinition {name} was not found, or is not active")
    return max(found, key=lambda definition: int(definition["revision"]))


def _check(request: Mapping[str, Any], queue: Mapping[str, Any]) -> None:
    if queue["state"] != "ENABLED":
        raise RefusedError(f"{queue['jobQueueArn']} is disabled and takes no jobs")
    if not _NAME.fullmatch(request["jobName"]):
        raise RefusedError(f"Job name should match valid pattern: {request['jobName']!r}")
    size = (request.get("arrayProperties") or {}).get("size")
    if size is not None and not 2 <= size <= 10_000:
        raise RefusedError(f"Array size should be between 2 and 10000: {size}")
    if len(request.get("dependsOn") or []) > 20:
        raise RefusedError("A job can depend on 20 jobs at most")
    if not 1 <= (request.get("retryStrategy") or {}).get("attempts", 1) <= 10:
        raise RefusedError("Number of attempts should be between 1 and 10")
    if len((request.get("retryStrategy") or {}).get("evaluateOnExit") or []) > 5:
        raise RefusedError("A retry strategy has 5 conditions at most")
    variables = (request.get("containerOverrides") or {}).get("environment") or []
    reserved = [item["name"] for item in variables if item["name"].startswith("AWS_BATCH")]
    if reserved:
        raise RefusedError(f"Environment variables cannot start with AWS_BATCH: {', '.join(reserved)}")
