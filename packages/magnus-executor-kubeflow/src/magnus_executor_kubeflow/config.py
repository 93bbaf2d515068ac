"""What the executor `kubeflow` can be told."""

from __future__ import annotations

import re
from collections.abc import Mapping  # noqa: TC003 - pydantic reads the annotations of options
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from magnus.domain.sizes import in_mib
from magnus.ports.executor import CommonOptions

EXECUTOR = "kubeflow"
"""What configurations call the executor."""

OF_THE_PIPELINE = ("pipeline_name", "run_id_from")
"""Options that a pipeline has once: a step cannot override them."""

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,126}[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class KubeflowOptions(CommonOptions):
    """Options of `kubeflow`; a node's `executor_config` may override those that concern its own pods.

    Attributes:
        enable_parallel: Whether branches and map items run at the same time; here they do unless this is false.
        docker_image: The image that every step runs in: it holds magnus, the project, and what its steps need.
        pipeline_name: What Kubeflow calls the pipeline; by default after the pipeline file.
        run_id_from: Where the run's id comes from: `job`, the id that Kubeflow gives each run of the pipeline; or
            `parameter`, the pipeline's parameter `run_id`, which whoever starts a run has to fill in.
        environment: Variables of every pod. They stand in the file: no place for secrets.
        restarts: How often a task is started again, besides what a step's `retry` allows: after a pod that was lost, or one
            in which magnus could not go on.
        parallelism: How many branches of one map run at the same time; None for as many as the cluster has room for.
        cpu: Processors, where a step's `resources` ask for none; None for what the cluster gives.
        memory: Likewise memory: text with a unit (`512MiB`, `2GiB`), or a whole number of MiB.
        gpu: Likewise whole graphics processors.
        accelerator_type: What the cluster calls its graphics processors.
    """

    enable_parallel: bool = True
    docker_image: str = ""
    pipeline_name: str = ""
    run_id_from: Literal["job", "parameter"] = "job"
    environment: Mapping[str, str] = field(default_factory=dict)
    restarts: int = 0
    parallelism: int | None = None
    cpu: float | None = None
    memory: int | str | None = None
    gpu: int = 0
    accelerator_type: str = "nvidia.com/gpu"

    shm: ClassVar[None] = None
    """What a step may ask for, and nobody here gives."""

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        for refusal in (self._refuse_names(), self._refuse_numbers()):
            if refusal:
                raise ValueError(refusal)
        if self.memory is not None:
            try:
                in_mib(self.memory)
            except ValueError as error:
                message = f"memory {error}"
                raise ValueError(message) from None

    def _refuse_names(self) -> str:
        if not self.docker_image.strip():
            return (
                "docker_image is missing: name the image that steps run in; it holds magnus and the project"
            )
        if self.pipeline_name and not _NAME.fullmatch(self.pipeline_name):
            return (
                "pipeline_name has up to 128 lower case letters, digits and hyphens, none of these at its ends, "
                f"not {self.pipeline_name!r}"
            )
        if wrong := [name for name in self.environment if not _VARIABLE.fullmatch(name)]:
            return f"environment: {wrong[0]!r} is no name of a variable; it takes letters, digits and '_'"
        if not self.accelerator_type:
            return "accelerator_type is empty: say what the cluster calls its graphics processors, like 'nvidia.com/gpu'"
        return ""

    def _refuse_numbers(self) -> str:
        if self.parallelism is not None and self.parallelism < 1:
            return f"parallelism is at least 1, not {self.parallelism}"
        if self.restarts < 0:
            return f"restarts is a whole number, at least 0, not {self.restarts}"
        if self.cpu is not None and self.cpu < _LEAST_CPU:
            return f"cpu is a number, at least {_LEAST_CPU:g}, not {self.cpu:g}"
        if self.gpu < 0:
            return f"gpu is a whole number, at least 0, not {self.gpu}"
        return ""


_LEAST_CPU = 0.001
"""Kubernetes counts in thousandths."""
