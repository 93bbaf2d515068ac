"""What a step asks of its compute, as a job's overrides take it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnus.domain.limits import limits_of
from magnus_executor_stepfunctions.config import EXECUTOR

if TYPE_CHECKING:
    from magnus.domain.limits import Limits
    from magnus.domain.nodes import Node
    from magnus_executor_stepfunctions.config import StepFunctionsOptions

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


class DoesNotFitError(ValueError):
    """A step asks for what the overrides of a job have no field for; the text says what, and what would do."""


def requirements(
    node: Node, options: StepFunctionsOptions, in_general: StepFunctionsOptions
) -> list[dict[str, str]]:
    """Return what a job is to have in place of what its definition says.

    Raises:
        DoesNotFitError: A job cannot be asked for it.
    """
    limits = limits_of(node, EXECUTOR, options, in_general)
    if limits.shm_mib is not None:
        message = "shared memory is part of the job definition; set it there, and take `shm` out of the step"
        raise DoesNotFitError(message)
    if options.platform == "FARGATE":
        _refuse_on_fargate(limits)
    elif limits.cpu is not None and abs(limits.cpu - round(limits.cpu)) > _WHOLE:
        message = f"on EC2 a job has whole processors, not {limits.cpu:g}; ask for {int(limits.cpu) + 1}"
        raise DoesNotFitError(message)
    found = {
        "VCPU": None if limits.cpu is None else f"{limits.cpu:g}",
        "MEMORY": None if limits.memory_mib is None else str(limits.memory_mib),
        "GPU": str(limits.gpu) if limits.gpu else None,
    }
    return [{"Type": kind, "Value": value} for kind, value in found.items() if value is not None]


def _refuse_on_fargate(limits: Limits) -> None:
    if limits.gpu:
        message = "Fargate has no graphics processors; choose `platform: EC2` and a queue for it"
        raise DoesNotFitError(message)
    if limits.cpu is not None and limits.cpu not in _FARGATE_MEMORY:
        sizes = ", ".join(f"{size:g}" for size in _FARGATE_MEMORY)
        message = f"Fargate has jobs of {sizes} processors, not {limits.cpu:g}"
        raise DoesNotFitError(message)
    if (
        limits.cpu is not None
        and limits.memory_mib is not None
        and limits.memory_mib not in _FARGATE_MEMORY[limits.cpu]
    ):
        above = [size for size in _FARGATE_MEMORY[limits.cpu] if size > limits.memory_mib]
        hint = f"; ask for {above[0]} MiB" if above else ""
        least, most = min(_FARGATE_MEMORY[limits.cpu]), max(_FARGATE_MEMORY[limits.cpu])
        message = (
            f"with {limits.cpu:g} processors Fargate has from {least} to {most} MiB of memory in steps, "
            f"not {limits.memory_mib} MiB{hint}"
        )
        raise DoesNotFitError(message)
