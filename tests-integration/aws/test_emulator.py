"""Each correction of the emulated Batch, and what tests can do with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from harness import wait_for

if TYPE_CHECKING:
    from containers.base_image import BaseImage

    from aws.emulator import Emulator


def submit(aws: Emulator, image: BaseImage, command: str, **more: Any) -> str:
    """Submit a shell command and return the job's id."""
    answer = aws.client("batch").submit_job(
        jobName="job",
        jobQueue=aws.queue(),
        jobDefinition=aws.job_definition(image.tag),
        containerOverrides={"command": ["sh", "-c", command]},
        **more,
    )
    return str(answer["jobId"])


def describe(aws: Emulator, job_id: str) -> dict[str, Any]:
    """Return a job as the client sees it."""
    (job,) = aws.client("batch").describe_jobs(jobs=[job_id])["jobs"]
    return dict(job)


def test_a_job_that_ends_well_succeeds(aws: Emulator, base_image: BaseImage) -> None:
    """The exit code is told even if it is 0."""
    job_id = submit(aws, base_image, "true")
    aws.batch.wait(job_id)
    job = describe(aws, job_id)
    assert job["status"] == "SUCCEEDED"
    assert job["container"]["exitCode"] == 0
    assert job["attempts"][0]["container"]["exitCode"] == 0


def test_the_exit_code_of_a_failed_job_is_told(aws: Emulator, base_image: BaseImage) -> None:
    """It stands in the job and in its attempt, with the reason of the status."""
    job_id = submit(aws, base_image, "exit 3")
    aws.batch.wait(job_id)
    job = describe(aws, job_id)
    assert (job["status"], job["statusReason"]) == ("FAILED", "Essential container in task exited")
    assert job["container"]["exitCode"] == 3
    (attempt,) = job["attempts"]
    assert (attempt["container"]["exitCode"], attempt["statusReason"]) == (
        3,
        "Essential container in task exited",
    )


def test_children_of_an_array_know_their_index(aws: Emulator, base_image: BaseImage) -> None:
    """The variable and the end of the job id say the same."""
    job_id = submit(
        aws, base_image, 'echo "$AWS_BATCH_JOB_ARRAY_INDEX $AWS_BATCH_JOB_ID"', arrayProperties={"size": 3}
    )
    aws.batch.wait(job_id)
    assert [aws.log(f"{job_id}:{index}") for index in range(3)] == [
        [f"{index} {job_id}:{index}"] for index in range(3)
    ]


def test_lines_are_there_while_the_container_runs(aws: Emulator, base_image: BaseImage) -> None:
    """A stream is named, and can be read, before the job ends."""
    job_id = submit(aws, base_image, "echo hello; exec sleep 60")
    wait_for(lambda: aws.log(job_id) == ["hello"], 5, "the line of a running job")
    assert describe(aws, job_id)["status"] == "RUNNING"
    aws.client("batch").terminate_job(jobId=job_id, reason="enough")
    assert aws.batch.wait(job_id).status == "FAILED"
