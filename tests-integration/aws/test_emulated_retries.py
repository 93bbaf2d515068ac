"""Retry strategies in the emulator: each test fails without one of the corrections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from harness import wait_for

if TYPE_CHECKING:
    from aws.conftest import Jobs

ATTEMPT = "exit $((3 - $AWS_BATCH_JOB_ATTEMPT))"
"""Fails with 2, then with 1, and then succeeds."""
WAIT = "echo ready; exec sleep 60"
HOST_GONE_ONLY = {
    "attempts": 3,
    "evaluateOnExit": [
        {"onStatusReason": "Host EC2*", "action": "RETRY"},
        {"onReason": "*", "action": "EXIT"},
    ],
}


def codes(job: dict[str, Any]) -> list[int | None]:
    """Return the exit codes of all attempts."""
    return [attempt["container"].get("exitCode") for attempt in job["attempts"]]


def test_a_job_is_tried_as_often_as_the_submission_says(jobs: Jobs) -> None:
    """Each attempt has a number, an exit code and a log stream of its own."""
    job = jobs.end(ATTEMPT, retryStrategy={"attempts": 3})
    assert (job["status"], codes(job)) == ("SUCCEEDED", [2, 1, 0])
    assert len({attempt["container"]["logStreamName"] for attempt in job["attempts"]}) == 3


def test_attempts_run_out(jobs: Jobs) -> None:
    """The last one says how the job failed."""
    job = jobs.end(ATTEMPT, retryStrategy={"attempts": 2})
    assert (job["status"], codes(job), job["container"]["exitCode"]) == ("FAILED", [2, 1], 1)


def test_the_definition_may_say_it_and_the_submission_wins(jobs: Jobs) -> None:
    """One revision's strategy says nothing about the next revision."""
    properties = {"image": jobs.image, "vcpus": 1, "memory": 64}
    register = jobs.client.register_job_definition
    request = {"jobDefinitionName": "tried", "type": "container", "containerProperties": properties}
    first = register(**request, retryStrategy={"attempts": 2})["jobDefinitionArn"]
    second = register(**request)["jobDefinitionArn"]
    assert codes(jobs.end("exit 1", jobDefinition=first)) == [1, 1]
    assert codes(jobs.end("exit 1", jobDefinition=first, retryStrategy={"attempts": 1})) == [1]
    assert codes(jobs.end("exit 1", jobDefinition=second)) == [1]


@pytest.mark.parametrize(
    ("rule", "wanted"),
    [
        ({"onExitCode": "2", "action": "EXIT"}, [2]),
        ({"onExitCode": "1", "action": "exit"}, [2, 1]),
        ({"onExitCode": "2*", "onStatusReason": "Essential*", "action": "Exit"}, [2]),
        ({"onExitCode": "2", "onStatusReason": "Host EC2*", "action": "EXIT"}, [2, 1, 0]),
        ({"onStatusReason": "Essential", "action": "EXIT"}, [2, 1, 0]),
        ({"onReason": "*", "action": "EXIT"}, [2]),
    ],
)
def test_a_rule_that_fits_decides(jobs: Jobs, rule: dict[str, str], wanted: list[int]) -> None:
    """All its conditions have to fit; without a rule that fits a job is tried again."""
    assert codes(jobs.end(ATTEMPT, retryStrategy={"attempts": 3, "evaluateOnExit": [rule]})) == wanted


def test_a_reclaimed_host_is_told_from_a_failure(jobs: Jobs) -> None:
    """The attempt has no exit code, and the reason names the host; the next attempt runs elsewhere."""
    job_id = jobs.submit(f'[ "$AWS_BATCH_JOB_ATTEMPT" = 2 ] && exit 4; {WAIT}', retryStrategy=HOST_GONE_ONLY)
    wait_for(lambda: jobs.aws.log(job_id) == ["ready"], 10, "the job to be ready")
    jobs.aws.batch.reclaim(job_id)
    jobs.wait(job_id)
    job = jobs.describe(job_id)
    assert codes(job) == [None, 4]
    assert job["attempts"][0]["statusReason"] == "Host EC2 (instance i-0abc1234def567890) terminated."
    assert (job["status"], job["container"]["exitCode"]) == ("FAILED", 4)


def test_a_terminated_job_is_not_tried_again(jobs: Jobs) -> None:
    """Whatever its strategy says."""
    job_id = jobs.submit(WAIT, retryStrategy={"attempts": 3})
    jobs.wait(job_id, "RUNNING")
    jobs.client.terminate_job(jobId=job_id, reason="enough")
    jobs.wait(job_id)
    assert codes(jobs.describe(job_id)) == [137]
