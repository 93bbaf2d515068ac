"""A project whose steps are jobs of an emulated account, with its stores in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws.emulator import REGION
from aws.project_image import image_that_works_in, project_image
from aws.stores import secrets_of, store_blocks

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from docker import DockerClient
    from harness import Project

    from aws.emulator import Emulator

POLL_SECONDS = 0.2

KEPT = "/kept"
"""Where jobs find what outlives them."""


class Account:
    """What a test says of `local-aws-batch`: a bucket, queues, images, and magnus called with credentials."""

    def __init__(self, aws: Emulator, engine: DockerClient, magnus_image: str) -> None:
        """Use *aws*, with a new bucket."""
        self.aws = aws
        self.bucket = aws.bucket()
        self._engine = engine
        self._magnus_image = magnus_image

    @property
    def place(self) -> dict[str, str]:
        """Where the account is, for the options of any back end."""
        return {"region": REGION, "endpoint_url": self.aws.endpoint}

    def image(self, folder: Path, stands_on: str = "") -> str:
        """Return an image with the files of *folder* as they are now."""
        return project_image(self._engine, stands_on or self._magnus_image, folder)

    def executor(self, project: Project, image: str = "", **options: Any) -> dict[str, Any]:
        """Return the block of the executor, whose jobs run in an image with the files of *project* as they are now.

        *image* is what that stands on, if not an image with magnus.
        """
        config = {
            "job_queue": self.aws.queue(),
            "docker_image": "" if "job_definition" in options else self.image(project.folder, image),
            "poll_interval": POLL_SECONDS,
            "memory": "1GiB",
            **self.place,
            **options,
        }
        return {
            "type": "local-aws-batch",
            "config": {name: value for name, value in config.items() if value is not None},
        }

    def secrets_of(self, file: Path) -> str:
        """Return the name of a secret that holds what a dotenv file does."""
        return secrets_of(self.aws, file)

    def services(self, **secrets: Any) -> dict[str, Any]:
        """Return the blocks of the stores in the account's bucket, and of the secrets in the account."""
        return store_blocks(self.aws.endpoint, self.bucket, **secrets)

    def configure(
        self,
        project: Project,
        name: str = "config.yaml",
        *,
        services: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        """Write a configuration of *project*."""
        blocks = self.services() | dict(services or {})
        project.write(name, {"executor": self.executor(project, **options), **blocks})

    def definition_that_works_in(self, folder: Path) -> str:
        """Return a job definition whose jobs work in *folder* of this machine, as on a shared file system."""
        return self.definition_that_keeps(image_that_works_in(self._engine, self._magnus_image, KEPT), folder)

    def definition_that_keeps(self, image: str, folder: Path) -> str:
        """Return a job definition whose jobs find *folder* of this machine, as they would find a shared file system."""
        return self.aws.job_definition(
            image,
            volumes=[{"name": "kept", "host": {"sourcePath": str(folder)}}],
            mountPoints=[{"sourceVolume": "kept", "containerPath": KEPT, "readOnly": False}],
            environment=[{"name": "KEPT_FOLDER", "value": KEPT}],
            linuxParameters={"initProcessEnabled": True},
        )

    def jobs(self) -> list[Any]:
        """Return every job that the account has ever been given."""
        return self.aws.batch.jobs()
