"""Puts the corrections into moto; undoing the patch takes them out again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from moto.batch.models import BatchBackend
from moto.batch.responses import BatchResponse
from moto.logs.exceptions import InvalidParameterException, ResourceNotFoundException
from moto.logs.models import LogGroup
from moto.moto_api._internal.models import MotoAPIBackend

from aws.batch_corrections.handlers import Handlers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pytest
    from moto.batch.models import JobDefinition

    from aws.batch_corrections.scheduler import Scheduler

_MOST_STREAMS = 100


def install(patch: pytest.MonkeyPatch, scheduler: Scheduler) -> None:
    """Have moto's Batch run its jobs by *scheduler*, and behave as the services document."""
    run_jobs_by_scheduler(patch, scheduler)
    end_jobs_at_reset(patch, scheduler)
    inherit_nothing_in_definitions(patch)
    find_definitions_by_revision(patch)
    find_streams_as_documented(patch)


def run_jobs_by_scheduler(patch: pytest.MonkeyPatch, scheduler: Scheduler) -> None:
    """Answer requests about jobs from our scheduler.

    Gap: moto's jobs are threads that poll, and know no retries, array index, exit code, reason, limits or live log.
    Service: see `aws.batch_corrections`, which lists each.
    """
    handlers = Handlers(scheduler)
    for name, answer in {
        "submitjob": handlers.submit,
        "describejobs": handlers.describe,
        "listjobs": handlers.list,
        "terminatejob": handlers.terminate,
        "canceljob": handlers.cancel,
    }.items():
        patch.setattr(BatchResponse, name, _handler(answer))


def end_jobs_at_reset(patch: pytest.MonkeyPatch, scheduler: Scheduler) -> None:
    """End the jobs before moto forgets everything.

    Gap: moto's reset leaves the containers of running jobs behind.
    Service: has no reset.
    """
    reset = MotoAPIBackend.reset

    def corrected(backend: MotoAPIBackend) -> None:
        scheduler.clear()
        reset(backend)

    patch.setattr(MotoAPIBackend, "reset", corrected)


def inherit_nothing_in_definitions(patch: pytest.MonkeyPatch) -> None:
    """Let a new revision of a job definition be what was registered, and nothing else.

    Gap: moto gives a new revision the parameters, retry strategy and platform of the one before it.
    Service: a revision stands alone; only its number goes on (API reference, `RegisterJobDefinition`).
    """
    register = BatchBackend.register_job_definition

    def corrected(backend: BatchBackend, **request: Any) -> JobDefinition:
        given = {"parameters": request["parameters"] or {}, "retry_strategy": request["retry_strategy"] or {}}
        definition = register(backend, **request | given)
        definition.platform_capabilities = request["platform_capabilities"] or ["EC2"]
        definition.propagate_tags = bool(request["propagate_tags"])
        return definition

    patch.setattr(BatchBackend, "register_job_definition", corrected)


def find_definitions_by_revision(patch: pytest.MonkeyPatch) -> None:
    """Know a job definition by its name and revision, with a colon between them.

    Gap: moto knows names and ARNs only.
    Service: `name:revision` is a short form of the ARN (API reference, `DescribeJobDefinitions`).
    """
    find = BatchBackend.get_job_definitions

    def corrected(backend: BatchBackend, name: str) -> list[JobDefinition]:
        short, _, revision = name.partition(":")
        if name.startswith("arn:") or not revision:
            return find(backend, name)
        return [item for item in find(backend, short) if str(item.revision) == revision]

    patch.setattr(BatchBackend, "get_job_definitions", corrected)


def find_streams_as_documented(patch: pytest.MonkeyPatch) -> None:
    """Refuse unknown streams, or too many, and return events of all streams in the order of time.

    Gap: moto leaves unknown streams out, takes any number of them, and returns one stream after the other.
    Service: an unknown stream is a `ResourceNotFoundException`, 100 streams are the most, and events of several streams
    are always interleaved (API reference, `FilterLogEvents`).
    """
    filter_log_events = LogGroup.filter_log_events

    def corrected(
        group: LogGroup,
        name: str,
        streams: list[str],
        start: int,
        end: int,
        limit: int | None,
        token: str | None,
        pattern: str,
        interleaved: bool,  # noqa: ARG001, FBT001 - moto's, and ignored, as the service does
    ) -> Any:
        if len(streams) > _MOST_STREAMS:
            raise InvalidParameterException(
                constraint=f"Member must have length less than or equal to {_MOST_STREAMS}",
                parameter="logStreamNames",
                value=str(streams),
            )
        if not group.streams.keys() >= set(streams):
            raise ResourceNotFoundException("The specified log stream does not exist.")
        return filter_log_events(group, name, streams, start, end, limit, token, pattern, interleaved=True)

    patch.setattr(LogGroup, "filter_log_events", corrected)


def _handler(
    answer: Callable[[BatchBackend, Mapping[str, Any]], Mapping[str, Any]],
) -> Callable[[BatchResponse], str]:
    def handler(response: BatchResponse) -> str:
        return json.dumps(answer(response.batch_backend, json.loads(response.body)))

    return handler
