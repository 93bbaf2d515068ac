"""What the executor `local-container` can be told."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - pydantic reads the annotations of options
from dataclasses import dataclass, field
from typing import Literal

from magnus.domain.sizes import in_mib
from magnus.ports.executor import CommonOptions

EXECUTOR = "local-container"
"""What configurations call the executor."""

INSIDE = "/magnus"
"""What magnus brings into a container lies below this folder."""

PROJECT = f"{INSIDE}/project"
PRIVATE = f"{INSIDE}/private"
"""In the memory of the container: what must not be seen from outside."""


@dataclass(frozen=True, slots=True)
class LocalContainerOptions(CommonOptions):
    """Options of `local-container`; a node's `executor_config` may override each of them for that node.

    Attributes:
        docker_image: The image that steps run in; it holds magnus, in the version that is used here.
        max_workers: How many containers run at the same time with *enable_parallel*; by default the number of usable cores.
        environment: Variables of the container. They can be seen by whoever may look at containers: no place for secrets.
        network: The network that containers are on: the name of one, `bridge`, `host` or `none`; by default the engine's own.
        pull: When the image is fetched: `never`, `missing` (if it is not there), or `always` (before each run).
        run_in_local: Run steps on this machine instead, as the executor `local` does.
        mount_project: Mount the working directory and run steps in it; else the image's own working directory is the
            project, baked in.
        isolation: The steps that share a data folder, where the project is mounted: those of a `branch`, those of a branch with
            one for the outermost graph as well (`run`), or none (`step`).
        entrypoint: Replaces the image's entry point; `[]` for none. An image's own must run the command that it is given.
        service_addresses: Host, or host:port, of a service as seen from here, to what it is called from inside.
        cpu: Processors, fractions allowed, where a step's `resources` ask for none.
        memory: Likewise memory: text with a unit (`512MiB`, `2GiB`), or a whole number of MiB.
        gpu: Likewise whole graphics processors.
        shm: Likewise shared memory, written like *memory*.
    """

    docker_image: str = ""
    max_workers: int | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    network: str | None = None
    pull: Literal["never", "missing", "always"] = "missing"
    run_in_local: bool = False
    mount_project: bool = True
    isolation: Literal["branch", "run", "step"] = "branch"
    entrypoint: tuple[str, ...] | None = None
    service_addresses: Mapping[str, str] = field(default_factory=dict)
    cpu: float | None = None
    memory: int | str | None = None
    gpu: int = 0
    shm: int | str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        if not self.docker_image and not self.run_in_local:
            message = (
                "docker_image is missing: name the image that steps run in, for instance one made by "
                "`magnus build_docker`"
            )
            raise ValueError(message)
        if self.max_workers is not None and self.max_workers < 1:
            message = f"max_workers is at least 1, not {self.max_workers}"
            raise ValueError(message)
        if self.cpu is not None and self.cpu <= 0:
            message = f"cpu is a number above 0, not {self.cpu:g}"
            raise ValueError(message)
        if self.gpu < 0:
            message = f"gpu is a whole number, at least 0, not {self.gpu}"
            raise ValueError(message)
        for name in ("memory", "shm"):
            if (size := getattr(self, name)) is not None:
                _check_size(name, size)

    def address_inside(self, host: str, port: int) -> tuple[str, int]:
        """Return how a server is reached from inside; the more exact entry of *service_addresses* wins."""
        found = self.service_addresses.get(f"{host}:{port}") or self.service_addresses.get(host) or host
        name, colon, number = found.rpartition(":")
        is_bare_ipv6 = ":" in name and not name.endswith("]")
        if colon and number.isdigit() and not is_bare_ipv6:
            found, port = name, int(number)
        return found.removeprefix("[").removesuffix("]"), port


def _check_size(name: str, size: int | str) -> None:
    try:
        in_mib(size)
    except ValueError as error:
        message = f"{name} {error}"
        raise ValueError(message) from None
