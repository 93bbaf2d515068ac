"""What the tests of the emulator share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from containers.base_image import BaseImage
    from fake_batch.jobs import Job

    from aws.emulator import Emulator


class Jobs:
    """Submits shell commands as jobs, and looks at them as a client does."""

    def __init__(self, aws: Emulator, image: str) -> None:
        """Run commands in *image*."""
        self.aws = aws
        self.image = image
        self.client: Any = aws.client("batch")

    def submit(self, command: str = "true", **more: Any) -> str:
        """Submit a command and return the job's id; *more* are parameters of `SubmitJob`."""
        overrides = {"command": ["sh", "-c", command]} | more.pop("containerOverrides", {})
        request = {"jobName": "job", "jobQueue": self.aws.queue(), "containerOverrides": overrides} | more
        if "jobDefinition" not in request:
            request["jobDefinition"] = self.aws.job_definition(self.image)
        return str(self.client.submit_job(**request)["jobId"])

    def end(self, command: str = "true", **more: Any) -> dict[str, Any]:
        """Submit a command, wait for its end, and describe it."""
        job_id = self.submit(command, **more)
        self.wait(job_id)
        return self.describe(job_id)

    def wait(self, job_id: str, *statuses: str) -> Job:
        """Wait until a job has one of *statuses*, or has ended."""
        return self.aws.batch.wait(job_id, statuses or ("SUCCEEDED", "FAILED"))

    def describe(self, job_id: str) -> dict[str, Any]:
        """Return a job as the client sees it."""
        (job,) = self.client.describe_jobs(jobs=[job_id])["jobs"]
        return dict(job)


@pytest.fixture
def jobs(aws: Emulator, base_image: BaseImage) -> Jobs:
    """Submit jobs to an empty account."""
    aws.batch.use(kill_after_seconds=0.4)
    return Jobs(aws, base_image.tag)
