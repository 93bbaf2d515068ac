"""Tasks that are commands in an image of their own, in which there need be no magnus."""

from __future__ import annotations

import os
from collections.abc import Mapping  # noqa: TC003 - pydantic reads the annotations of options
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from magnus.domain.limits import Limits
from magnus.domain.shell_command import shell_arguments, shell_command_problem
from magnus.ports.task_type import TaskFailedError, TaskResult, TaskType
from magnus_executor_container import diagnosis
from magnus_executor_container.config import INSIDE, PROJECT
from magnus_executor_container.container_spec import ContainerSpec, own_groups, own_user, run_labels
from magnus_executor_container.errors import EngineRefusedError, ImageMissingError

if TYPE_CHECKING:
    from pathlib import Path

    from magnus.ports.task_type import TaskContext
    from magnus_executor_container.client import ContainerEnd, Engine

_OUTPUTS = "MAGNUS_OUTPUT_PARAMETERS"
_PARAMETERS = "MAGNUS_PARAMETERS_FILE"
_FOR_THE_TASK = ("MAGNUS_PRM_", "MAGNUS_RUN_")
_KEPT_BYTES = 4096


@dataclass(frozen=True, slots=True)
class ContainerTaskOptions:
    """What `command_config` of a container task may hold.

    Attributes:
        image: The image.
        shell: What the command is given to, with `-c`.
        strict: Whether the first line that fails ends the command, and a pipe fails with any of its parts, as for a shell task.
        environment: Variables besides the parameters; anybody who may look at containers sees them.
        network: The network that the container is on; by default the engine's own.
        pull: When the image is fetched: `never`, `missing` (if it is not there), or `always`.
    """

    image: str
    shell: str = "/bin/sh"
    strict: bool = True
    environment: Mapping[str, str] = field(default_factory=dict)
    network: str | None = None
    pull: Literal["never", "missing", "always"] = "missing"


class ContainerTask(TaskType):
    """Runs the command in a container of the image, as the user who runs magnus, in the mounted working directory.

    It finds and leaves parameters and metrics as a shell task does: `MAGNUS_PRM_*`, all of them in the JSON file named in
    `MAGNUS_PARAMETERS_FILE`, and `name=json` lines in the file named in `MAGNUS_OUTPUT_PARAMETERS`.
    """

    Options: ClassVar[type[Any]] = ContainerTaskOptions

    def find_problem(self, command: str) -> str | None:
        """Return what makes *command* impossible to run, whatever the image."""
        return shell_command_problem(command)

    def run(self, command: str, options: Any, context: TaskContext) -> TaskResult:
        """Run the container to its end; nothing is left of it, however it ends.

        Raises:
            TaskFailedError: It could not be started, or ended with another exit code than 0.
            ServiceError: The engine does not answer.
        """
        # The vendor's library takes as long to import as all of magnus.
        from magnus_executor_container.client import Engine

        environment, outputs = context.child_environment()
        spec = _container(command, options, context, environment, outputs)
        engine = Engine()
        try:
            end, last_words = _run(engine, spec, options)
        finally:
            engine.close()
        if end.exit_code == 0:
            context.collect_child_outputs()
            return TaskResult()
        if end.out_of_memory:
            raise TaskFailedError(diagnosis.out_of_memory(spec).message, end.exit_code)
        cause = diagnosis.not_executed(spec, last_words)
        message = cause.message if cause else f"the command failed with exit code {end.exit_code}"
        raise TaskFailedError(message, end.exit_code)


def _container(
    command: str,
    options: ContainerTaskOptions,
    context: TaskContext,
    environment: Mapping[str, str],
    outputs: Path,
) -> ContainerSpec:
    asked = context.resources
    inside = {_OUTPUTS: f"{INSIDE}/outputs", _PARAMETERS: f"{INSIDE}/parameters.json"}
    given = {name: value for name, value in environment.items() if name.startswith(_FOR_THE_TASK)}
    return ContainerSpec(
        image=options.image,
        command=tuple(shell_arguments(options.shell, command, strict=options.strict)),
        entrypoint=(options.shell,),
        labels=run_labels(context.run_id, context.step_name),
        environment={**given, **inside, **options.environment},
        mounts={
            os.getcwd(): (PROJECT, False),  # noqa: PTH109
            str(outputs): (inside[_OUTPUTS], False),
            environment[_PARAMETERS]: (inside[_PARAMETERS], True),
        },
        working_dir=PROJECT,
        user=own_user(),
        groups=own_groups(),
        network=options.network,
        limits=Limits() if asked is None else Limits(asked.cpu, asked.memory_mib, asked.gpu, asked.shm_mib),
    )


def _run(engine: Engine, spec: ContainerSpec, options: ContainerTaskOptions) -> tuple[ContainerEnd, str]:
    """Run the container; return how it ended, and what it wrote last."""
    from magnus_executor_container.guardian import guarded
    from magnus_executor_container.rehearsal import obtain

    tail = b""

    def show(data: bytes, stream: int) -> None:
        nonlocal tail
        tail = (tail + data)[-_KEPT_BYTES:]
        _show(data, stream)

    try:
        obtain(engine, options.image, options.pull)
        container = engine.create(spec)
        try:
            with guarded(container.id):
                end = container.run(b"", show)
        finally:
            container.remove()
        return end, tail.decode(errors="replace")
    except ImageMissingError as error:
        message = diagnosis.missing_image(options.image, error.reason, options.pull).message
        raise TaskFailedError(message) from error
    except EngineRefusedError as error:
        raise TaskFailedError(diagnosis.not_created(spec, error, options.pull).message) from error


def _show(data: bytes, stream: int) -> None:
    """Write where the core captures what tasks print."""
    view = memoryview(data)
    while view:
        view = view[os.write(stream, view) :]
