"""How jobs of the emulator run and end: each test fails without one of the corrections."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError
from harness import wait_for

if TYPE_CHECKING:
    from docker import DockerClient

    from aws.conftest import Jobs

EXITED = "Essential container in task exited"
IGNORE_SIGTERM = "trap '' TERM; echo ready; while :; do sleep 0.05; done"
HEED_SIGTERM = "trap 'echo goodbye; exit 7' TERM; echo ready; while :; do sleep 0.05; done"


def names_of_containers(engine: DockerClient, job_id: str) -> list[str]:
    """Return the names of the containers that a job has, running or not."""
    return [
        container.name or ""
        for container in engine.containers.list(all=True, ignore_removed=True)
        if job_id.replace(":", "-") in (container.name or "")
    ]


def ready(jobs: Jobs, command: str) -> str:
    """Submit a command that prints `ready`, and return the job's id once it has."""
    job_id = jobs.submit(command)
    wait_for(lambda: jobs.aws.log(job_id) == ["ready"], 10, "the job to be ready")
    return job_id


def test_a_job_that_ends_well_succeeds(jobs: Jobs) -> None:
    """The exit code is told even if it is 0."""
    job = jobs.end("true")
    assert (job["status"], job["container"]["exitCode"]) == ("SUCCEEDED", 0)
    assert job["attempts"][0]["container"]["exitCode"] == 0


def test_the_exit_code_of_a_failed_job_is_told(jobs: Jobs) -> None:
    """It stands in the job, in its attempt and in lists, with the reason of the status."""
    job = jobs.end("exit 3")
    assert (job["status"], job["statusReason"], job["container"]["exitCode"]) == ("FAILED", EXITED, 3)
    (attempt,) = job["attempts"]
    assert (attempt["statusReason"], attempt["container"]["exitCode"]) == (EXITED, 3)
    assert job["createdAt"] <= attempt["startedAt"] <= attempt["stoppedAt"]
    (summary,) = jobs.client.list_jobs(jobQueue=jobs.aws.queue(), jobStatus="FAILED")["jobSummaryList"]
    assert summary["container"] == {"exitCode": 3}


def test_a_job_knows_where_it_runs(jobs: Jobs) -> None:
    """The service's own variables are set, and reach the server of the emulator."""
    names = (
        "AWS_BATCH_JOB_ID",
        "AWS_BATCH_JOB_ATTEMPT",
        "AWS_BATCH_JQ_NAME",
        "AWS_BATCH_CE_NAME",
        "AWS_ENDPOINT_URL",
    )
    job = jobs.end("; ".join(f'echo "${name}"' for name in names))
    wanted = [job["jobId"], "1", "spot", "spot-environment", jobs.aws.endpoint]
    assert jobs.aws.log(job["jobId"]) == wanted


def test_variables_of_the_submission_win(jobs: Jobs) -> None:
    """Over those of the definition, and over what the emulator gives to every container."""
    definition = jobs.aws.job_definition(
        jobs.image, environment=[{"name": "A", "value": "defined"}, {"name": "B", "value": "defined"}]
    )
    variables = [{"name": "B", "value": "submitted"}, {"name": "AWS_REGION", "value": "elsewhere"}]
    job = jobs.end(
        'echo "$A $B $AWS_REGION"', jobDefinition=definition, containerOverrides={"environment": variables}
    )
    assert jobs.aws.log(job["jobId"]) == ["defined submitted elsewhere"]


def test_a_missing_image_is_said_to_be_missing(jobs: Jobs) -> None:
    """No container ran, so there is no exit code and no log."""
    job = jobs.end(jobDefinition=jobs.aws.job_definition("magnus-tests-there-is-none:1"))
    assert (job["status"], job["statusReason"]) == ("FAILED", "Task failed to start")
    assert job["container"]["reason"].startswith("CannotPullContainerError: ")
    assert not {"exitCode", "logStreamName"} & job["container"].keys()
    assert job["attempts"][0]["container"]["reason"] == job["container"]["reason"]


def test_a_missing_program_is_said_to_be_missing(jobs: Jobs, engine: DockerClient) -> None:
    """The container that could not be started does not stay behind."""
    job = jobs.end(containerOverrides={"command": ["there-is-none"]})
    assert (job["status"], job["statusReason"]) == ("FAILED", "Task failed to start")
    assert job["container"]["reason"].startswith("CannotStartContainerError: ")
    assert names_of_containers(engine, job["jobId"]) == []


def test_a_container_that_needs_too_much_memory_is_killed(jobs: Jobs) -> None:
    """The limit is the one of the submission, which replaces that of the definition."""
    limit = [{"type": "MEMORY", "value": "24"}]
    job = jobs.end(
        "exec python3 -c 'x = bytearray(60 << 20)'", containerOverrides={"resourceRequirements": limit}
    )
    assert job["container"]["exitCode"] == 137
    assert job["container"]["reason"] == "OutOfMemoryError: Container killed due to memory usage"
    requirements = {item["type"]: item["value"] for item in job["container"]["resourceRequirements"]}
    assert requirements == {"MEMORY": "24", "VCPU": "1"}


def test_a_container_is_removed_when_its_job_has_ended(jobs: Jobs, engine: DockerClient) -> None:
    """Nobody sees the end of a job while its container is still there."""
    job_id = ready(jobs, HEED_SIGTERM)
    assert len(names_of_containers(engine, job_id)) == 1
    jobs.client.terminate_job(jobId=job_id, reason="enough")
    jobs.wait(job_id)
    assert names_of_containers(engine, job_id) == []


def test_a_terminated_job_gets_sigterm_first(jobs: Jobs) -> None:
    """It may end in order; it has failed all the same, for the reason that was given."""
    job_id = ready(jobs, HEED_SIGTERM)
    jobs.client.terminate_job(jobId=job_id, reason="no longer needed")
    jobs.wait(job_id)
    job = jobs.describe(job_id)
    assert (job["status"], job["statusReason"]) == ("FAILED", "no longer needed")
    assert (job["container"]["exitCode"], job["isTerminated"]) == (7, True)
    assert jobs.aws.log(job_id) == ["ready", "goodbye"]


def test_a_job_that_ignores_sigterm_is_killed(jobs: Jobs) -> None:
    """After the time that it is given."""
    job_id = ready(jobs, IGNORE_SIGTERM)
    start = time.monotonic()
    jobs.client.terminate_job(jobId=job_id, reason="no longer needed")
    jobs.wait(job_id)
    assert time.monotonic() - start > 0.4
    assert jobs.describe(job_id)["container"]["exitCode"] == 137


def test_cancelling_does_nothing_to_a_running_job(jobs: Jobs) -> None:
    """But it takes one that waits out of the queue."""
    jobs.aws.batch.use(slots=1)
    running = ready(jobs, HEED_SIGTERM)
    waiting = jobs.submit()
    for job_id in (running, waiting):
        jobs.client.cancel_job(jobId=job_id, reason="not now")
    assert jobs.describe(running)["status"] == "RUNNING"
    job = jobs.describe(waiting)
    assert (job["status"], job["statusReason"], job["isCancelled"]) == ("FAILED", "not now", True)
    assert job["attempts"] == []


def test_a_timeout_ends_an_attempt_and_is_not_retried(jobs: Jobs) -> None:
    """The reason says so, whatever the retry strategy is."""
    job = jobs.end(HEED_SIGTERM, timeout={"attemptDurationSeconds": 1}, retryStrategy={"attempts": 2})
    assert (job["status"], job["statusReason"]) == ("FAILED", "Job attempt duration exceeded timeout")
    assert len(job["attempts"]) == 1


def test_only_some_jobs_run_at_a_time(jobs: Jobs) -> None:
    """The others are RUNNABLE until one has ended."""
    jobs.aws.batch.use(slots=2)
    ids = [jobs.submit(HEED_SIGTERM) for _ in range(3)]
    for job_id in ids[:2]:
        jobs.wait(job_id, "RUNNING")
    assert jobs.describe(ids[2])["status"] == "RUNNABLE"
    jobs.client.terminate_job(jobId=ids[0], reason="enough")
    jobs.wait(ids[2], "RUNNING")


def test_a_user_and_a_mount_point_have_an_effect(jobs: Jobs) -> None:
    """A mount point may be without `readOnly`."""
    definition = jobs.aws.job_definition(
        jobs.image,
        user="1000:1000",
        volumes=[{"name": "host", "host": {"sourcePath": "/proc/sys/kernel"}}],
        mountPoints=[{"sourceVolume": "host", "containerPath": "/mnt"}],
    )
    job = jobs.end("id -u; cat /mnt/ostype", jobDefinition=definition)
    assert jobs.aws.log(job["jobId"]) == ["1000", "Linux"]


def test_a_job_reaches_the_services_of_the_account(jobs: Jobs) -> None:
    """Its container has their address without being told."""
    bucket = jobs.aws.bucket()
    put = f"""\
import os, urllib.request as r
url = os.environ["AWS_ENDPOINT_URL"] + "/{bucket}/greeting"
r.urlopen(r.Request(url, data=b"hello", method="PUT", headers={{"Content-Type": "text/plain"}}))
"""
    job = jobs.end(containerOverrides={"command": ["python3", "-c", put]})
    assert job["status"] == "SUCCEEDED", jobs.aws.log(job["jobId"])
    stored = jobs.aws.client("s3").get_object(Bucket=bucket, Key="greeting")
    assert stored["Body"].read() == b"hello"


def test_a_reserved_variable_is_refused(jobs: Jobs) -> None:
    """What begins with AWS_BATCH is the service's."""
    variables = [{"name": "AWS_BATCH_JOB_ARRAY_INDEX", "value": "3"}]
    with pytest.raises(ClientError, match="AWS_BATCH"):
        jobs.submit(containerOverrides={"environment": variables})
