"""A project whose steps are jobs of an emulated account, with its stores in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aws.emulator import REGION
from aws.project_image import project_image

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping

    from docker import DockerClient
    from harness import Project

    from aws.emulator import Emulator

POLL_SECONDS = 0.2


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

    def image(self, project: Project) -> str:
        """Return an image with the files of *project* as they are now."""
        return project_image(self._engine, self._magnus_image, project.folder)

    def executor(self, project: Project, **options: Any) -> dict[str, Any]:
        """Return the block of the executor, whose jobs run in an image with the files of *project* as they are now."""
        config = {
            "job_queue": self.aws.queue(),
            "docker_image": self.image(project),
            "poll_interval": POLL_SECONDS,
            "memory": "1GiB",
            **self.place,
            **options,
        }
        return {
            "type": "local-aws-batch",
            "config": {name: value for name, value in config.items() if value is not None},
        }

    def services(self) -> dict[str, Any]:
        """Return the blocks of the stores in the account's bucket."""
        return {
            "run_log_store": {
                "type": "s3",
                "config": {"bucket": self.bucket, "prefix": "runs", **self.place},
            },
            "catalog": {"type": "s3", "config": {"bucket": self.bucket, "prefix": "catalog", **self.place}},
            "secrets": {"type": "aws-secrets-manager", "config": {**self.place}},
        }

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

    def magnus(self, project: Project, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Call magnus with the account's credentials."""
        return project.magnus(*arguments, **{**self.aws.environment, **variables})

    def jobs(self) -> list[Any]:
        """Return every job that the account has ever been given."""
        return self.aws.batch.jobs()
