"""Arrays and dependencies in the emulator: each test fails without one of the corrections."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aws.conftest import Jobs

WAIT = "trap 'exit 7' TERM; while :; do sleep 0.05; done"


def test_children_know_their_index(jobs: Jobs) -> None:
    """The variable, the end of the job id and the description say the same."""
    command = 'echo "$AWS_BATCH_JOB_ARRAY_INDEX $AWS_BATCH_JOB_ID"'
    job = jobs.end(command, arrayProperties={"size": 3})
    for index in range(3):
        child = f"{job['jobId']}:{index}"
        assert jobs.aws.log(child) == [f"{index} {child}"]
        assert jobs.describe(child)["arrayProperties"] == {"index": index}


def test_a_job_that_is_no_child_has_no_index(jobs: Jobs) -> None:
    """So a command can tell."""
    job = jobs.end('echo "${AWS_BATCH_JOB_ARRAY_INDEX-none}"')
    assert jobs.aws.log(job["jobId"]) == ["none"]


def test_a_parent_fails_by_itself_when_a_child_has_failed(jobs: Jobs) -> None:
    """It does so after the last child, though nobody describes it meanwhile."""
    job = jobs.end('exit "$AWS_BATCH_JOB_ARRAY_INDEX"', arrayProperties={"size": 2})
    assert (job["status"], job["statusReason"]) == ("FAILED", "Array Child Job failed")
    assert job["arrayProperties"]["size"] == 2
    summary = job["arrayProperties"]["statusSummary"]
    assert {status: count for status, count in summary.items() if count} == {"SUCCEEDED": 1, "FAILED": 1}
    assert "exitCode" not in job["container"]
    assert job["attempts"] == []


def test_a_parent_succeeds_by_itself(jobs: Jobs) -> None:
    """A job that depends on it starts without anybody's help."""
    first = jobs.submit(arrayProperties={"size": 2})
    second = jobs.end(dependsOn=[{"jobId": first}])
    assert second["status"] == "SUCCEEDED"
    assert jobs.aws.batch.job(first).status == "SUCCEEDED"


def test_a_parent_is_pending_while_its_children_run(jobs: Jobs) -> None:
    """It is never RUNNING itself."""
    job_id = jobs.submit(WAIT, arrayProperties={"size": 2})
    jobs.wait(f"{job_id}:1", "RUNNING")
    assert jobs.describe(job_id)["status"] == "PENDING"


def test_terminating_a_parent_ends_all_children(jobs: Jobs) -> None:
    """Those that run, and those that wait."""
    jobs.aws.batch.use(slots=1)
    job_id = jobs.submit(WAIT, arrayProperties={"size": 3})
    jobs.wait(f"{job_id}:0", "RUNNING")
    jobs.client.terminate_job(jobId=job_id, reason="enough")
    jobs.wait(job_id)
    for described in [job_id, *(f"{job_id}:{index}" for index in range(3))]:
        job = jobs.describe(described)
        assert (job["status"], job["statusReason"]) == ("FAILED", "enough")


def test_cancelling_a_parent_leaves_running_children_alone(jobs: Jobs) -> None:
    """Those that wait are cancelled."""
    jobs.aws.batch.use(slots=1)
    job_id = jobs.submit(WAIT, arrayProperties={"size": 2})
    jobs.wait(f"{job_id}:0", "RUNNING")
    jobs.client.cancel_job(jobId=job_id, reason="enough")
    assert [jobs.describe(f"{job_id}:{index}")["status"] for index in range(2)] == ["RUNNING", "FAILED"]


def test_a_child_is_terminated_alone(jobs: Jobs) -> None:
    """The others go on."""
    job_id = jobs.submit(WAIT, arrayProperties={"size": 2})
    for index in range(2):
        jobs.wait(f"{job_id}:{index}", "RUNNING")
    jobs.client.terminate_job(jobId=f"{job_id}:1", reason="enough")
    jobs.wait(f"{job_id}:1")
    assert jobs.describe(f"{job_id}:0")["status"] == "RUNNING"


def test_children_wait_for_each_other_as_asked(jobs: Jobs) -> None:
    """SEQUENTIAL: one after another. N_TO_N: each for the one with its index."""
    command = 'exit "$AWS_BATCH_JOB_ARRAY_INDEX"'
    first = jobs.submit(command, arrayProperties={"size": 3}, dependsOn=[{"type": "SEQUENTIAL"}])
    second = jobs.submit(arrayProperties={"size": 3}, dependsOn=[{"jobId": first, "type": "N_TO_N"}])
    jobs.wait(second)
    reasons = ["Essential container in task exited"] * 2 + ["Dependent Job failed"]
    assert [jobs.describe(f"{first}:{index}")["statusReason"] for index in range(3)] == reasons
    statuses = [jobs.describe(f"{second}:{index}")["status"] for index in range(3)]
    assert statuses == ["SUCCEEDED", "FAILED", "FAILED"]


def test_a_job_that_waits_for_another_is_cancelled_after_it(jobs: Jobs) -> None:
    """Until then it is PENDING."""
    first = jobs.submit("sleep 0.3")
    second = jobs.submit(dependsOn=[{"jobId": first}])
    jobs.client.cancel_job(jobId=second, reason="enough")
    assert jobs.describe(second)["status"] == "PENDING"
    jobs.wait(second)
    assert jobs.describe(first)["status"] == "SUCCEEDED"
    assert jobs.describe(second)["statusReason"] == "enough"


def test_a_job_fails_with_what_it_depends_on(jobs: Jobs) -> None:
    """It is never started."""
    first = jobs.submit("exit 1")
    second = jobs.end(dependsOn=[{"jobId": first}])
    assert (second["status"], second["statusReason"]) == ("FAILED", "Dependent Job failed")
    assert second["attempts"] == []
