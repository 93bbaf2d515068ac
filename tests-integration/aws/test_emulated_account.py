"""What surrounds the jobs of the emulator, and what tests do to it that no client can."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError
from fake_batch.lifecycle import TOO_MANY_VCPUS
from moto import mock_aws

if TYPE_CHECKING:
    from containers.base_image import BaseImage

    from aws.conftest import Jobs
    from aws.emulator import Emulator

ONCE = Config(retries={"total_max_attempts": 1})
WAIT = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done"


def names(jobs: Jobs, **request: Any) -> list[str]:
    """Return the names of the jobs that a list has, in its order."""
    return [job["jobName"] for job in jobs.client.list_jobs(**request)["jobSummaryList"]]


def test_a_disabled_queue_takes_no_jobs(jobs: Jobs) -> None:
    """Those that it has go on."""
    jobs.aws.batch.use(slots=1)
    ids = [jobs.submit("sleep 0.2"), jobs.submit()]
    jobs.client.update_job_queue(jobQueue=jobs.aws.queue(), state="DISABLED")
    with pytest.raises(ClientError, match="ClientException"):
        jobs.submit()
    assert [jobs.wait(job_id).status for job_id in ids] == ["SUCCEEDED", "SUCCEEDED"]


def test_a_disabled_compute_environment_starts_no_jobs(jobs: Jobs) -> None:
    """They are RUNNABLE until it is enabled."""
    name = f"{jobs.aws.queue()}-environment"
    jobs.client.update_compute_environment(computeEnvironment=name, state="DISABLED")
    job_id = jobs.submit()
    assert jobs.describe(job_id)["status"] == "RUNNABLE"
    jobs.client.update_compute_environment(computeEnvironment=name, state="ENABLED")
    assert jobs.describe(job_id)["status"] != "RUNNABLE"
    jobs.wait(job_id)


def test_a_job_that_is_too_large_is_stuck(jobs: Jobs) -> None:
    """It says why, and others go past it."""
    queue = jobs.aws.queue("small", most_vcpus=2)
    larger = {"resourceRequirements": [{"type": "VCPU", "value": "4"}]}
    stuck = jobs.submit(jobQueue=queue, containerOverrides=larger)
    assert jobs.end(jobQueue=queue)["status"] == "SUCCEEDED"
    job = jobs.describe(stuck)
    assert (job["status"], job["statusReason"]) == ("RUNNABLE", TOO_MANY_VCPUS)


def test_lists_name_running_jobs_unless_asked_otherwise(jobs: Jobs) -> None:
    """And children only where their parent is named."""
    queue = jobs.aws.queue()
    jobs.end(jobName="ended")
    parent = jobs.submit(WAIT, jobName="array", arrayProperties={"size": 2})
    jobs.wait(jobs.submit(WAIT, jobName="single"), "RUNNING")
    assert names(jobs, jobQueue=queue) == ["single"]
    assert names(jobs, jobQueue=queue, jobStatus="PENDING") == ["array"]
    assert names(jobs, jobQueue=queue, jobStatus="SUCCEEDED") == ["ended"]
    for index in range(2):
        jobs.wait(f"{parent}:{index}", "RUNNING")
    assert names(jobs, arrayJobId=parent) == ["array", "array"]
    by_name = [{"name": "JOB_NAME", "values": ["A*"]}]
    assert names(jobs, jobQueue=queue, filters=by_name) == ["array"]


def test_lists_come_in_pages(jobs: Jobs) -> None:
    """With a filter the newest job is the first."""
    jobs.aws.batch.hold()
    for number in range(5):
        jobs.submit(jobName=f"job-{number}")
    pages = jobs.client.get_paginator("list_jobs").paginate(
        jobQueue=jobs.aws.queue(), filters=[{"name": "JOB_NAME", "values": ["job-*"]}], maxResults=2
    )
    found = [[job["jobName"] for job in page["jobSummaryList"]] for page in pages]
    assert found == [["job-4", "job-3"], ["job-2", "job-1"], ["job-0"]]


def test_two_queues_are_apart(jobs: Jobs) -> None:
    """Each has a compute environment of its own."""
    spot, on_demand = jobs.aws.queues()
    jobs.aws.batch.hold(spot)
    held = jobs.submit(jobQueue=spot)
    assert jobs.end(jobQueue=on_demand)["jobQueue"].endswith("/on-demand")
    assert jobs.describe(held)["status"] == "RUNNABLE"
    jobs.aws.batch.release()
    assert jobs.wait(held).status == "SUCCEEDED"


def test_a_job_gets_stuck_for_a_reason(jobs: Jobs) -> None:
    """Until jobs are released."""
    reason = "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - Service cannot fulfill the capacity requested"
    jobs.aws.batch.hold()
    job_id = jobs.submit()
    jobs.aws.batch.get_stuck(job_id, reason)
    job = jobs.describe(job_id)
    assert (job["status"], job["statusReason"]) == ("RUNNABLE", reason)
    ended = jobs.submit()
    jobs.aws.batch.get_stuck(ended, reason)
    jobs.client.terminate_job(jobId=ended, reason="enough")
    jobs.aws.batch.release()
    jobs.wait(job_id)
    assert jobs.describe(job_id)["status"] == "SUCCEEDED"
    assert jobs.describe(ended)["statusReason"] == "enough"


def test_a_forgotten_job_is_neither_described_nor_listed(jobs: Jobs) -> None:
    """The emulator itself still knows that there was one."""
    job_id = jobs.end()["jobId"]
    jobs.aws.batch.forget(job_id)
    assert jobs.client.describe_jobs(jobs=[job_id])["jobs"] == []
    assert names(jobs, jobQueue=jobs.aws.queue(), jobStatus="SUCCEEDED") == []
    (seen,) = jobs.aws.batch.jobs()
    assert (seen.name, seen.job_id, seen.status, seen.queue) == ("job", job_id, "SUCCEEDED", "spot")


def test_calls_are_counted_by_operation(jobs: Jobs) -> None:
    """Whichever protocol the service speaks."""
    bucket, secret = jobs.aws.bucket(), jobs.aws.secret("s3cret")
    jobs.aws.traffic.reset()
    s3 = jobs.aws.client("s3")
    s3.put_object(Bucket=bucket, Key="a/b", Body=b"")
    s3.list_objects_v2(Bucket=bucket)
    s3.get_object(Bucket=bucket, Key="a/b")
    s3.copy_object(Bucket=bucket, Key="c", CopySource={"Bucket": bucket, "Key": "a/b"})
    s3.upload_part(
        Bucket=bucket,
        Key="d",
        PartNumber=1,
        UploadId=s3.create_multipart_upload(Bucket=bucket, Key="d")["UploadId"],
        Body=b"",
    )
    s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "c"}]})
    jobs.aws.client("secretsmanager").get_secret_value(SecretId=secret)
    jobs.aws.client("iam").list_roles()
    jobs.client.list_jobs(jobQueue=jobs.aws.queue())
    counted = dict(jobs.aws.calls)
    for operation in ("CreateJobQueue", "CreateComputeEnvironment", "CreateRole"):
        counted.pop(operation)
    assert counted == dict.fromkeys(
        [
            "PutObject",
            "ListObjectsV2",
            "GetObject",
            "CopyObject",
            "CreateMultipartUpload",
            "UploadPart",
            "DeleteObjects",
            "GetSecretValue",
            "ListRoles",
            "ListJobs",
        ],
        1,
    )


def test_calls_are_throttled(jobs: Jobs) -> None:
    """As many as were asked for; nothing takes effect meanwhile."""
    client = jobs.aws.client("batch", config=ONCE)
    job_id = jobs.submit()
    jobs.aws.traffic.throttle("DescribeJobs", 2)
    for _ in range(2):
        with pytest.raises(client.exceptions.ClientError, match="TooManyRequestsException") as refused:
            client.describe_jobs(jobs=[job_id])
        assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 429
    assert len(client.describe_jobs(jobs=[job_id])["jobs"]) == 1
    client.close()


def test_an_answer_is_lost_after_the_call_took_effect(jobs: Jobs) -> None:
    """The client cannot know that there is a job."""
    client = jobs.aws.client("batch", config=ONCE)
    request = {
        "jobName": "lost",
        "jobQueue": jobs.aws.queue(),
        "jobDefinition": jobs.aws.job_definition(jobs.image),
    }
    jobs.aws.traffic.lose_answer("SubmitJob")
    with pytest.raises(ConnectionClosedError):
        client.submit_job(**request)
    assert [job.name for job in jobs.aws.batch.jobs()] == ["lost"]
    client.close()


def test_a_reset_empties_the_account_and_ends_jobs(jobs: Jobs) -> None:
    """What is asked for afterwards is made anew."""
    jobs.wait(jobs.submit(WAIT), "RUNNING")
    jobs.aws.reset()
    assert jobs.aws.batch.jobs() == []
    assert jobs.client.describe_job_queues()["jobQueues"] == []
    assert jobs.end()["status"] == "SUCCEEDED"


def test_nothing_is_left_when_an_emulator_is_closed(base_image: BaseImage) -> None:
    """No container, no thread and no port, though jobs were running and waiting."""
    script = f"""\
import socket, threading
from aws.batch_corrections.scheduler import LABEL
from aws.emulator import Emulator
from containers.engine import connect
engine = connect()
aws = Emulator(engine, slots=1)
definition = aws.job_definition({base_image.tag!r}, command=["sleep", "60"])
request = dict(jobQueue=aws.queue(), jobDefinition=definition)
ids = [aws.client("batch").submit_job(jobName="job", **request)["jobId"] for _ in range(2)]
aws.batch.wait(ids[0], "RUNNING")
(running,) = [each for each in engine.containers.list(filters={{"label": LABEL}}, ignore_removed=True) if ids[0] in each.name]
aws.close()
assert running.id not in [each.id for each in engine.containers.list(all=True, ignore_removed=True)]
engine.close()
assert threading.enumerate() == [threading.main_thread()], threading.enumerate()
with socket.socket() as probe:
    assert probe.connect_ex(("127.0.0.1", int(aws.endpoint.rpartition(":")[2])))
"""
    folder = Path(__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_an_account_is_whole_after_moto_was_used_in_this_process(
    aws_emulator: Emulator, request: pytest.FixtureRequest
) -> None:
    """As unit tests do, that have run here before: what `mock_aws` empties is emptied for the emulator too."""
    aws_emulator.queue()
    with mock_aws():
        pass
    aws: Emulator = request.getfixturevalue("aws")
    aws.queue()
    assert len(aws.client("batch").describe_job_queues()["jobQueues"]) == 1
