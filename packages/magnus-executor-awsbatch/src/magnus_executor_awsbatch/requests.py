"""From options and limits to what Batch is asked: the definition of a job, and its submission. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from magnus.domain.limits import limits_of
from magnus_executor_awsbatch.config import BATCH_LOG_GROUP, EXECUTOR
from magnus_executor_awsbatch.failures import RECLAIMED_REASONS, FailureClass
from magnus_executor_awsbatch.naming import definition_name, tag_value

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from magnus.domain.limits import Limits
    from magnus.domain.nodes import Node
    from magnus.ports.executor import ComputeNeeds
    from magnus_executor_awsbatch.config import AwsBatchOptions

LARGEST_OVERRIDES = 8192
"""Bytes that the container overrides of a submission may have."""

LARGEST_ARRAY = 10_000
SMALLEST_ARRAY = 2

_SHORTEST_TIMEOUT = 60
_SECONDS_TO_START = 300
"""What starting magnus in the job may take, on top of the step's own timeout, before Batch ends it."""

_WHOLE = 1e-9

_FARGATE_MEMORY = {
    0.25: (512, 1024, 2048),
    0.5: tuple(range(1024, 4096 + 1, 1024)),
    1: tuple(range(2048, 8192 + 1, 1024)),
    2: tuple(range(4096, 16384 + 1, 1024)),
    4: tuple(range(8192, 30720 + 1, 1024)),
    8: tuple(range(16384, 61440 + 1, 4096)),
    16: tuple(range(32768, 122880 + 1, 8192)),
}
"""MiB of memory that go with each number of processors on Fargate."""

RUN_TAG = "magnus-run"
STEP_TAG = "magnus-step"


class Resources(NamedTuple):
    """What a job asks for, as Batch wants it."""

    requirements: tuple[tuple[str, str], ...]
    shm_mib: int | None

    @property
    def vcpus(self) -> float:
        """Processors."""
        return float(dict(self.requirements)["VCPU"])


class DoesNotFitError(ValueError):
    """A step asks for what Batch has no field for; the text says what, and what would do."""


def resources_of(node: Node, options: AwsBatchOptions, in_general: AwsBatchOptions) -> Resources:
    """Return what the job of *node* asks for.

    Raises:
        DoesNotFitError: Batch cannot be asked for it.
    """
    limits = limits_of(node, EXECUTOR, options, in_general)
    cpu, memory = float(limits.cpu or 1), limits.memory_mib or 1
    if options.platform == "FARGATE":
        _refuse_on_fargate(limits, cpu, memory)
    elif abs(cpu - round(cpu)) > _WHOLE:
        message = f"on EC2 a job has whole processors, not {cpu:g}; ask for {int(cpu) + 1}"
        raise DoesNotFitError(message)
    if limits.shm_mib is not None and options.job_definition:
        message = "shared memory is part of the job definition; set it there, or name `docker_image` and no `job_definition`"
        raise DoesNotFitError(message)
    requirements = [("VCPU", f"{cpu:g}"), ("MEMORY", str(memory))]
    if limits.gpu:
        requirements.append(("GPU", str(limits.gpu)))
    return Resources(tuple(requirements), limits.shm_mib)


def _refuse_on_fargate(limits: Limits, cpu: float, memory: int) -> None:
    if limits.gpu:
        message = "Fargate has no graphics processors; choose `platform: EC2` and a queue for it"
        raise DoesNotFitError(message)
    if limits.shm_mib is not None:
        message = (
            "Fargate does not let a job choose its shared memory; choose `platform: EC2` and a queue for it"
        )
        raise DoesNotFitError(message)
    if cpu not in _FARGATE_MEMORY:
        sizes = ", ".join(f"{size:g}" for size in _FARGATE_MEMORY)
        message = f"Fargate has jobs of {sizes} processors, not {cpu:g}"
        raise DoesNotFitError(message)
    if memory not in _FARGATE_MEMORY[cpu]:
        least, most = min(_FARGATE_MEMORY[cpu]), max(_FARGATE_MEMORY[cpu])
        above = [size for size in _FARGATE_MEMORY[cpu] if size > memory]
        hint = f"; ask for {above[0]} MiB" if above else ""
        message = f"with {cpu:g} processors Fargate has from {least} to {most} MiB of memory in steps, not {memory} MiB{hint}"
        raise DoesNotFitError(message)


def definition_request(options: AwsBatchOptions, resources: Resources) -> dict[str, Any]:
    """Return the request that registers the definition for `docker_image`; its name is that of its content."""
    container: dict[str, Any] = {
        "image": options.docker_image,
        "command": ["magnus", "--version"],
        "resourceRequirements": _requirements(resources),
    }
    if options.job_role:
        container["jobRoleArn"] = options.job_role
    if options.execution_role:
        container["executionRoleArn"] = options.execution_role
    if options.log_group != BATCH_LOG_GROUP:
        container["logConfiguration"] = {
            "logDriver": "awslogs",
            "options": {"awslogs-group": options.log_group},
        }
    if options.assign_public_ip:
        container["networkConfiguration"] = {"assignPublicIp": "ENABLED"}
    # Without a first process that reaps and dies for its children, nothing in the container could kill magnus.
    container["linuxParameters"] = {"initProcessEnabled": True}
    if resources.shm_mib is not None:
        container["linuxParameters"]["sharedMemorySize"] = resources.shm_mib
    request: dict[str, Any] = {
        "type": "container",
        "containerProperties": container,
        "platformCapabilities": [options.platform],
    }
    return {"jobDefinitionName": definition_name(request), **request}


class Submission(NamedTuple):
    """What one Batch job is to be.

    Attributes:
        name: Of the job.
        queue: It goes to.
        definition: Its job definition.
        command: What its container runs.
        size: How many children it has; 1 for no array.
        run_id: The run.
        shown_as: What a person calls its step.
        timeout_seconds: Of the step; None for none.
    """

    name: str
    queue: str
    definition: str
    command: tuple[str, ...]
    size: int
    run_id: str
    shown_as: str
    timeout_seconds: float | None


def submission_request(
    submission: Submission, options: AwsBatchOptions, resources: Resources, needs: Sequence[ComputeNeeds]
) -> dict[str, Any]:
    """Return the request that submits a job."""
    request: dict[str, Any] = {
        "jobName": submission.name,
        "jobQueue": submission.queue,
        "jobDefinition": submission.definition,
        "containerOverrides": container_overrides(submission.command, options, resources, needs),
        "retryStrategy": retry_strategy(options),
        "tags": {
            **options.tags,
            RUN_TAG: tag_value(submission.run_id),
            STEP_TAG: tag_value(submission.shown_as),
        },
        "propagateTags": True,
    }
    if submission.size >= SMALLEST_ARRAY:
        request["arrayProperties"] = {"size": submission.size}
    if submission.timeout_seconds is not None:
        # The job ends the attempt itself, to the second; this is for one that cannot any more.
        seconds = max(_SHORTEST_TIMEOUT, int(submission.timeout_seconds) + 1 + _SECONDS_TO_START)
        request["timeout"] = {"attemptDurationSeconds": seconds}
    return request


def container_overrides(
    command: Sequence[str], options: AwsBatchOptions, resources: Resources, needs: Sequence[ComputeNeeds]
) -> dict[str, Any]:
    """Return what differs from the definition; nothing in it is secret."""
    environment: dict[str, str] = {}
    for need in needs:
        environment.update(need.environment)
    if options.region:
        environment |= {"AWS_REGION": options.region, "AWS_DEFAULT_REGION": options.region}
    if options.endpoint_url:
        environment["AWS_ENDPOINT_URL"] = options.endpoint_url
    environment.update(options.environment)
    return {
        "command": list(command),
        "environment": [{"name": name, "value": value} for name, value in environment.items()],
        "resourceRequirements": _requirements(resources),
    }


def overrides_size(overrides: Mapping[str, Any]) -> int:
    """Return how many bytes Batch counts."""
    return len(json.dumps(overrides, separators=(",", ":"), ensure_ascii=False).encode())


def retry_strategy(options: AwsBatchOptions) -> dict[str, Any]:
    """Return when Batch itself tries a job again: only when its host was taken away."""
    again = [{"onStatusReason": f"{reason}*", "action": "RETRY"} for reason in RECLAIMED_REASONS]
    attempts = 1 + options.budget(FailureClass.HOST_RECLAIMED)
    return {"attempts": attempts, "evaluateOnExit": [*again, {"onReason": "*", "action": "EXIT"}]}


def _requirements(resources: Resources) -> list[dict[str, str]]:
    return [{"type": kind, "value": value} for kind, value in resources.requirements]
