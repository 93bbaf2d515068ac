"""What a traversal that was killed, or that has left its jobs running, leaves to others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnus.domain.owner import is_alive, is_here
from magnus.errors import ConfigurationError
from magnus_executor_awsbatch.underway import BatchJob

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magnus_executor_awsbatch.batch import Batch
    from magnus_executor_awsbatch.handover import Handover, Intent
    from magnus_executor_awsbatch.jobs import Jobs

_ENDED = frozenset({"SUCCEEDED", "FAILED"})


def adopt(run_id: str, jobs: Jobs) -> list[str]:
    """Have *jobs* know what was submitted for the run before, and return one line for each Batch job.

    Raises:
        ConfigurationError: The traversal that submitted them still lives, on this machine.
        ServiceError: AWS cannot be asked.
    """
    told = []
    for intent in _newest(jobs.handover.intents()):
        if is_here(intent.owner) and is_alive(intent.owner):
            message = f"run '{run_id}' is still traversed by the magnus that began it, on this machine; end that first"
            raise ConfigurationError(message)
        identities = [(run_id, each.step_name, each.attempt_number) for each in intent.members]
        job_id = jobs.submitter.found_in_time(intent)
        if not job_id:
            # It is submitted as it was meant: under the name of an earlier try there is another job.
            jobs.mean(identities, intent.generation, intent.queue_index)
            jobs.handover.forget([intent.name])
            continue
        jobs.take_over(BatchJob(jobs.submitter.own(intent), {}, job_id), identities)
        more = f" and {len(intent.members) - 1} more" if len(intent.members) > 1 else ""
        told.append(f"found the job {job_id} of {intent.members[0].step_name}{more}")
    return told


def reap(run_id: str, batch: Batch, handover: Handover) -> list[str]:
    """Terminate what was submitted for the run and still runs, clear *handover*, and return one line for each job.

    Raises:
        ServiceError: AWS cannot be asked.
    """
    intents = handover.intents()
    if any(is_here(intent.owner) and is_alive(intent.owner) for intent in intents):
        return [f"left alone: the jobs of run '{run_id}'; the magnus that submitted them still runs"]
    told = []
    for intent in intents:
        for found in batch.find(intent.queue, intent.name):
            if found.status not in _ENDED:
                batch.terminate(found.id, f"ended by `magnus runs reap {run_id}`")
                told.append(f"terminated the job {found.id} ({intent.name}), which a traversal had left")
    if intents:
        handover.forget_all()
    return told


def _newest(intents: Sequence[Intent]) -> list[Intent]:
    """Leave out what was tried again under another name since."""
    latest: dict[tuple[str, int], int] = {}
    for intent in intents:
        for member in intent.members:
            key = (member.step_name, member.attempt_number)
            latest[key] = max(latest.get(key, 0), intent.generation)
    return sorted(
        (
            intent
            for intent in intents
            if any(
                latest[each.step_name, each.attempt_number] == intent.generation for each in intent.members
            )
        ),
        key=lambda intent: intent.generation,
    )
