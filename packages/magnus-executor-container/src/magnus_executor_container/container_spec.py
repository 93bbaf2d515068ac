"""The container of one step, as data: what is asked of the engine, made without it."""

from __future__ import annotations

import getpass
import os
from typing import TYPE_CHECKING, NamedTuple

from magnus.domain.limits import Limits
from magnus.domain.nothing import NOTHING
from magnus.domain.owner import own_label
from magnus_executor_container.config import PRIVATE, PROJECT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from magnus.ports.executor import ComputeNeeds
    from magnus_executor_container.config import LocalContainerOptions

RUN_LABEL = "magnus.run_id"
STEP_LABEL = "magnus.step"
ATTEMPT_LABEL = "magnus.attempt"
OWNER_LABEL = "magnus.owner"

HOME = "/tmp"  # noqa: S108 - the container's own, and the only folder that any image lets any user write to


class ContainerSpec(NamedTuple):
    """A container.

    Attributes:
        image: Its image.
        command: The argument vector.
        entrypoint: Replaces that of the image; None keeps it.
        labels: What it can be found by.
        environment: Variables that anybody may see.
        mounts: Host path to (path inside, whether it is read-only).
        memory_folders: Folders in memory, which only the user inside may read.
        working_dir: Where the command runs; None for the image's own.
        user: `uid:gid`.
        groups: Further groups of the user.
        network: The network; None for the engine's own.
        limits: What it may use.
        reads_stdin: Whether something is sent to its stdin.
    """

    image: str
    command: Sequence[str]
    labels: Mapping[str, str]
    entrypoint: Sequence[str] | None = None
    environment: Mapping[str, str] = {}
    mounts: Mapping[str, tuple[str, bool]] = {}
    memory_folders: Sequence[str] = ()
    working_dir: str | None = None
    user: str = ""
    groups: Sequence[int] = ()
    network: str | None = None
    limits: Limits = Limits()
    reads_stdin: bool = False


def run_labels(run_id: str, step_name: str = "", attempt_number: int | None = None) -> dict[str, str]:
    """Return what a container of a run is found by, of one of its steps (else a rehearsal's), of an attempt at it."""
    labels = {RUN_LABEL: run_id, OWNER_LABEL: own_label(), STEP_LABEL: step_name}
    if attempt_number is not None:
        labels[ATTEMPT_LABEL] = str(attempt_number)
    return labels


def own_user() -> str:
    """Return the user who runs magnus here, as the engine wants it: what a container leaves then belongs to them."""
    return f"{os.getuid()}:{os.getgid()}"


def own_groups() -> tuple[int, ...]:
    """Return the other groups of that user."""
    return tuple(group for group in os.getgroups() if group != os.getgid())


def step_container(
    options: LocalContainerOptions,
    command: Sequence[str],
    labels: Mapping[str, str],
    needs: Sequence[ComputeNeeds],
    limits: Limits = Limits(),  # noqa: B008 - a constant value
    data_folders: Mapping[str, str] = NOTHING,
) -> ContainerSpec:
    """Return the container in which magnus runs a step, as the user who runs magnus here.

    *data_folders* lie over those of the project: host path to path relative to the project.
    """
    mounts: dict[str, tuple[str, bool]] = {os.getcwd(): (PROJECT, False)} if options.mount_project else {}  # noqa: PTH109
    environment: dict[str, str] = {"HOME": HOME, "USER": _user_name()}
    mounts |= {path: (f"{PROJECT}/{name}", False) for path, name in data_folders.items()}
    for need in needs:
        mounts |= need.mounts
        environment |= need.environment
    return ContainerSpec(
        image=options.docker_image,
        command=command,
        labels=labels,
        entrypoint=options.entrypoint,
        environment={**environment, **options.environment},
        mounts=mounts,
        memory_folders=(PRIVATE,),
        working_dir=PROJECT if options.mount_project else None,
        user=own_user(),
        groups=own_groups(),
        network=options.network,
        limits=limits,
        reads_stdin=True,
    )


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a uid without a name
        return str(os.getuid())
