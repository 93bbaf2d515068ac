"""Puts the corrections into moto; undoing the patch takes them out again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from moto.batch.models import BatchBackend
from moto.batch.responses import BatchResponse

from aws.batch_corrections.handlers import Handlers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pytest

    from aws.batch_corrections.scheduler import Scheduler


def install(patch: pytest.MonkeyPatch, scheduler: Scheduler) -> None:
    """Have moto's Batch run its jobs by *scheduler*, and behave as the service documents."""
    run_jobs_by_scheduler(patch, scheduler)
    end_jobs_at_reset(patch, scheduler)


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
    """
    reset = BatchBackend.reset

    def corrected(backend: BatchBackend) -> None:
        scheduler.clear()
        reset(backend)

    patch.setattr(BatchBackend, "reset", corrected)


def _handler(
    answer: Callable[[BatchBackend, Mapping[str, Any]], Mapping[str, Any]],
) -> Callable[[BatchResponse], str]:
    def handler(response: BatchResponse) -> str:
        return json.dumps(answer(response.batch_backend, json.loads(response.body)))

    return handler
