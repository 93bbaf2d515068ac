"""What the executor `argo` can be told."""

from __future__ import annotations

import re
from collections.abc import Mapping  # noqa: TC003 - pydantic reads the annotations of options
from dataclasses import dataclass, field
from typing import Literal

from magnus.domain.sizes import in_mib
from magnus.ports.executor import CommonOptions

EXECUTOR = "argo"
"""What configurations call the executor."""

LONGEST_NAME = 52
"""Of a workflow: Kubernetes adds up to eleven characters, and keeps the whole as a label of at most 63."""

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LABEL = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_FIELDS = 5


@dataclass(frozen=True, slots=True)
class SecretKey:
    """A variable whose value lies in the cluster.

    Attributes:
        variable: Its name. A list of such entries, and no mapping by that: under `TOKEN: ...` a configuration would hold a
            credential, which no rendered file may show.
        name: The Kubernetes secret.
        key: The key in it.
    """

    variable: str
    name: str
    key: str


@dataclass(frozen=True, slots=True)
class Toleration:
    """A taint of machines that pods may run on nevertheless; as Kubernetes calls it.

    Attributes:
        key: The taint's key; empty for all.
        operator: `Exists`, or `Equal` to *value*.
        value: The taint's value.
        effect: `NoSchedule`, `PreferNoSchedule`, `NoExecute`; empty for all.
        toleration_seconds: How long a pod stays when a `NoExecute` taint comes; None for as long as it runs.
    """

    key: str = ""
    operator: Literal["Equal", "Exists"] = "Equal"
    value: str = ""
    effect: Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"] = ""
    toleration_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class ArgoOptions(CommonOptions):
    """Options of `argo`; a node's `executor_config` may override those that concern its own pods.

    Attributes:
        enable_parallel: Whether branches and map items run at the same time; here they do unless this is false.
        docker_image: The image that steps run in; it holds magnus and the project.
        image_pull_policy: `Always`, `IfNotPresent` or `Never`; empty for what the cluster does.
        environment: Variables of the pods. Anybody who may see the workflow sees them: no place for secrets.
        secrets: Variables of the pods whose values lie in Kubernetes secrets, each with *variable*, *name* and *key*.
        persistent_volumes: Claims and where they are mounted in every pod.
        node_selector: Labels of the machines that pods run on.
        tolerations: Taints of machines that pods may run on nevertheless.
        cpu: Processors, where a step's `resources` ask for none; None for what the cluster gives.
        memory: Likewise memory: text with a unit (`512MiB`, `2GiB`), or a whole number of MiB.
        gpu: Likewise whole graphics processors.
        shm: Likewise shared memory, written like *memory*; it counts as memory.
        gpu_resource: What the cluster calls a graphics processor.
        infrastructure_retries: How often in all a step is asked for again for what is no fault of its code: a pod that was
            lost or killed, a service that failed.
        grace_seconds: How much longer than magnus Argo waits before it ends a pod or the workflow by itself. It covers
            fetching the image.
        kind: `Workflow`, to be created for one run; `WorkflowTemplate`, to be submitted by name; `CronWorkflow`.
        name: Of the workflow; by default that of the dag, or of the pipeline file. A `Workflow` gets a unique end to it.
        namespace: Where it runs; empty for where it is created.
        service_account: What its pods run as.
        image_pull_secret_name: The Kubernetes secret that opens the registry, or several.
        labels: Of the workflow and its pods.
        schedule: Of a `CronWorkflow`: when it runs, in five fields.
        timezone: Likewise the time zone of that; empty for that of the cluster.
        concurrency_policy: Likewise what becomes of a run that is due while the one before it runs.
        parallelism: The most pods of one run at the same time; None for no limit.
        offload_node_status: Whether the cluster's Argo keeps what becomes of nodes in a database, so that the size of the
            workflow does not limit how many there are.
    """

    enable_parallel: bool = True
    docker_image: str = ""
    image_pull_policy: Literal["", "Always", "IfNotPresent", "Never"] = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[SecretKey, ...] = ()
    persistent_volumes: Mapping[str, str] = field(default_factory=dict)
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = ()
    cpu: float | None = None
    memory: int | str | None = None
    gpu: int = 0
    shm: int | str | None = None
    gpu_resource: str = "nvidia.com/gpu"
    infrastructure_retries: int = 2
    grace_seconds: int = 600
    kind: Literal["Workflow", "WorkflowTemplate", "CronWorkflow"] = "Workflow"
    name: str = ""
    namespace: str = ""
    service_account: str = ""
    image_pull_secret_name: str | tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    schedule: str = ""
    timezone: str = ""
    concurrency_policy: Literal["Allow", "Forbid", "Replace"] = "Allow"
    parallelism: int | None = None
    offload_node_status: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        for refusal in (self._refuse_pods(), self._refuse_numbers(), self._refuse_workflow()):
            if refusal:
                raise ValueError(refusal)
        for name in ("memory", "shm"):
            if (size := getattr(self, name)) is not None:
                _check_size(name, size)

    def _refuse_pods(self) -> str:
        if not self.docker_image:
            return "docker_image is missing: an image with magnus and the project, in a registry that the cluster can reach"
        names = [*self.environment, *(secret.variable for secret in self.secrets)]
        for name in names:
            if not _VARIABLE.fullmatch(name):
                return f"environment and secrets: {name!r} cannot be the name of a variable"
            if names.count(name) > 1:
                return f"environment and secrets: {name} is there twice; leave it in one of them, once"
        for claim, path in self.persistent_volumes.items():
            if not path.startswith("/") or ":" in path:
                return (
                    f"persistent_volumes: {claim} is mounted at an absolute path without ':', not at {path!r}"
                )
        if len(set(self.persistent_volumes.values())) < len(self.persistent_volumes):
            return "persistent_volumes: two claims cannot be mounted at the same path"
        return ""

    def _refuse_numbers(self) -> str:
        if self.cpu is not None and not self.cpu > 0:
            return f"cpu is a number above 0, not {self.cpu:g}"
        for name in ("gpu", "infrastructure_retries"):
            if getattr(self, name) < 0:
                return f"{name} is a whole number, at least 0, not {getattr(self, name)}"
        if self.grace_seconds < 1:
            return f"grace_seconds is at least 1, not {self.grace_seconds}"
        if self.parallelism is not None and self.parallelism < 1:
            return f"parallelism is at least 1, not {self.parallelism}"
        return ""

    @property
    def image_pull_secrets(self) -> tuple[str, ...]:
        """The secrets that open the registry."""
        given = self.image_pull_secret_name
        return (given,) if isinstance(given, str) else given

    def _refuse_workflow(self) -> str:
        if self.name and not (_NAME.fullmatch(self.name) and len(self.name) <= LONGEST_NAME):
            return (
                f"name: letters in lower case, digits and single hyphens, at most {LONGEST_NAME}, begin and end with no "
                f"hyphen, not {self.name!r}"
            )
        for name in ("namespace", "service_account"):
            if (value := getattr(self, name)) and not _NAME.fullmatch(value.replace(".", "-")):
                return f"{name}: letters in lower case, digits and hyphens, not {value!r}"
        for key, value in self.labels.items():
            if not _LABEL.fullmatch(value):
                return f"labels: {key} has up to 63 letters, digits, '-', '_' and '.', not {value!r}"
        if self.kind == "CronWorkflow" and not self.schedule:
            return "schedule is missing: a CronWorkflow runs at times like '0 4 * * *'"
        if self.schedule and len(self.schedule.split()) != _FIELDS and not self.schedule.startswith("@"):
            return f"schedule: five fields like '0 4 * * *', or a word like @daily, not {self.schedule!r}"
        if self.kind != "CronWorkflow" and (self.schedule or self.timezone):
            return f"schedule and timezone are for kind CronWorkflow, not for {self.kind}"
        return ""


OF_THE_WORKFLOW = (
    "kind",
    "name",
    "namespace",
    "service_account",
    "image_pull_secret_name",
    "labels",
    "schedule",
    "timezone",
    "concurrency_policy",
    "parallelism",
    "offload_node_status",
)
"""Options that no single node can have another value of."""


def _check_size(name: str, size: int | str) -> None:
    try:
        in_mib(size)
    except ValueError as error:
        message = f"{name} {error}"
        raise ValueError(message) from None
