"""Which jobs `ListJobs` returns, page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .submission import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .jobs import Job

_MOST = 1000
_MOST_FILTERED = 100


def page(
    jobs: Iterable[Job], request: Mapping[str, Any], queue: str | None
) -> tuple[Sequence[Job], str | None]:
    """Return one page of *jobs* and the token of the next one.

    Args:
        jobs: All jobs, in the order they were submitted.
        request: What `ListJobs` got.
        queue: The ARN of the queue that was asked about, or None if the children of an array were.

    Raises:
        RefusedError: The service would not take the request.
    """
    filters = request.get("filters") or []
    found = [job for job in jobs if _belongs(job, request, queue) and _has_status(job, request)]
    if filters:
        found = [job for job in reversed(found) if _fits(job, filters[0])]
    size = min(request.get("maxResults") or _MOST, _MOST_FILTERED if filters else _MOST)
    try:
        start = int(request.get("nextToken") or 0)
    except ValueError as error:
        raise RefusedError("The token is not valid") from error
    following = str(start + size) if start + size < len(found) else None
    return found[start : start + size], following


def _belongs(job: Job, request: Mapping[str, Any], queue: str | None) -> bool:
    if queue is not None:
        return job.parent is None and job.queue == queue
    return job.parent is not None and job.parent.job_id == request.get("arrayJobId")


def _has_status(job: Job, request: Mapping[str, Any]) -> bool:
    return bool(request.get("filters")) or job.status == (request.get("jobStatus") or "RUNNING")


def _fits(job: Job, rule: Mapping[str, Any]) -> bool:
    return any(_fits_value(job, rule["name"], value) for value in rule["values"])


def _fits_value(job: Job, name: str, value: str) -> bool:
    if name == "BEFORE_CREATED_AT":
        return job.created_at < int(value)
    if name == "AFTER_CREATED_AT":
        return job.created_at > int(value)
    if name != "JOB_NAME":
        raise RefusedError(f"No rule for the filter {name}")
    own, wanted = job.name.lower(), value.lower()
    return own.startswith(wanted[:-1]) if wanted.endswith("*") else own == wanted
