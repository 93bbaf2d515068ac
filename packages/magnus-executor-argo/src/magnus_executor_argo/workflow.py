"""A workflow as the emulator has read it: the part of Argo's language that we render."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus_executor_argo.depends import Depends
    from magnus_executor_argo.retry_expression import RetryExpression


class Phase(StrEnum):
    """How a task, or all of a workflow, has ended; as Argo calls it."""

    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    ERROR = "Error"
    SKIPPED = "Skipped"
    OMITTED = "Omitted"

    @property
    def is_completed(self) -> bool:
        """Whether it has run; a task that has not is given the phase of what came before it."""
        return self not in (Phase.SKIPPED, Phase.OMITTED)

    @property
    def is_bad(self) -> bool:
        """Whether it has failed, in Argo's eyes."""
        return self in (Phase.FAILED, Phase.ERROR)


class Task(NamedTuple):
    """A task of a dag template.

    Attributes:
        name: In its template.
        template: The name of the template that it calls.
        depends: When it is called; None for at once.
        when: Text that, with its variables, tells whether it is skipped; empty for never.
        arguments: What it gives, with variables.
        with_param: The variable that holds the list for each item of which it is called; empty for a task that is called once.
    """

    name: str
    template: str
    depends: Depends | None
    when: str
    arguments: Mapping[str, str]
    with_param: str


class Retry(NamedTuple):
    """When a pod is made again.

    Attributes:
        limit: How often at most.
        expression: After which ends.
        seconds: The pause after the first; 0 for none.
        factor: Each pause is so many times as long as the one before.
    """

    limit: int
    expression: RetryExpression
    seconds: float
    factor: int


class Template(NamedTuple):
    """A template: a dag if it has tasks, else a pod.

    Attributes:
        name: Unique in the workflow.
        where: Where it stands, for messages.
        inputs: The parameters that it takes.
        tasks: Of a dag, by name.
        parallelism: The most of its tasks at the same time; None for any number.
        retry: Of a pod; None to make it once.
        deadline_seconds: After which the pod is ended; None for never.
        image: Of the pod's container.
        command: What the container runs, with variables.
        environment: What it gets, with variables.
        secrets: The variables whose values lie in the cluster.
        outputs: The files in the container that hold the values of parameters, by these.
    """

    name: str
    where: str
    inputs: tuple[str, ...]
    tasks: Mapping[str, Task]
    parallelism: int | None
    retry: Retry | None
    deadline_seconds: float | None
    image: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    secrets: tuple[str, ...]
    outputs: Mapping[str, str]

    @property
    def is_dag(self) -> bool:
        """Whether it has tasks."""
        return bool(self.tasks)


class Workflow(NamedTuple):
    """A whole workflow.

    Attributes:
        entrypoint: The name of the template that is run.
        on_exit: The name of the template that is run afterwards, however that ended; empty for none.
        deadline_seconds: After which everything is ended; None for never.
        parallelism: The most pods at the same time; None for any number.
        templates: By name.
    """

    entrypoint: str
    on_exit: str
    deadline_seconds: float | None
    parallelism: int | None
    templates: Mapping[str, Template]


class Ended(NamedTuple):
    """How a template that was called has ended.

    Attributes:
        phase: Its phase.
        outputs: The values of its output parameters.
    """

    phase: Phase
    outputs: Mapping[str, str] = {}
