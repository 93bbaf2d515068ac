"""The fake of Batch: real clients, virtual time, and what scripts make of jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
    ParamValidationError,
)
from fake_batch import (
    AnswerLost,
    CannotPull,
    Children,
    Fails,
    FailsToStart,
    FakeAws,
    Forgotten,
    Hangs,
    Outcome,
    Reclaimed,
    Refused,
    RunningJob,
    Runs,
    RunsOutOfMemory,
    Succeeds,
    Throttled,
    Unschedulable,
    VirtualClock,
)

if TYPE_CHECKING:
    from fake_batch import Script

CAPACITY = "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - Service cannot fulfill the capacity requested"


class Account:
    """A fake with a definition, and its clients."""

    def __init__(self) -> None:
        self.clock = VirtualClock()
        self.fake = FakeAws(self.clock.now)
        self.definition = self.fake.job_definition()
        self.batch = self.fake.client("batch")
        self.logs = self.fake.client("logs")

    def submit(self, name: str = "job", **more: Any) -> str:
        """Submit a job and return its id."""
        request = {"jobName": name, "jobQueue": "spot", "jobDefinition": self.definition}
        return str(self.batch.submit_job(**request | more)["jobId"])

    def run(self, script: Script, **more: Any) -> str:
        """Submit a job that follows *script*."""
        self.fake.in_order(script)
        return self.submit(**more)

    def describe(self, job_id: str) -> dict[str, Any]:
        """Return a job as the client sees it."""
        (job,) = self.batch.describe_jobs(jobs=[job_id])["jobs"]
        return dict(job)

    def status(self, job_id: str) -> str:
        """Return the status of a job."""
        return str(self.describe(job_id)["status"])

    def log(self, job_id: str) -> list[str]:
        """Return what the last attempt of a job has printed, as far as it can be read."""
        stream = self.describe(job_id)["container"]["logStreamName"]
        events = self.logs.filter_log_events(logGroupName="/aws/batch/job", logStreamNames=[stream])["events"]
        return [event["message"] for event in events]


@pytest.fixture
def account() -> Account:
    """Return a new account."""
    return Account()


def test_a_job_goes_through_its_states_in_virtual_time(account: Account) -> None:
    """Each as long as its script says."""
    job_id = account.run(Succeeds(waits=2, starts=3, after=4))
    seen = []
    for _ in range(10):
        seen.append(account.status(job_id))
        account.clock.sleep(1)
    assert seen == ["RUNNABLE"] * 2 + ["STARTING"] * 3 + ["RUNNING"] * 4 + ["SUCCEEDED"]
    job = account.describe(job_id)
    assert job["stoppedAt"] - job["startedAt"] == 4000
    assert job["container"]["exitCode"] == 0


def test_a_failed_job_has_an_exit_code(account: Account) -> None:
    """And no second attempt unless it asked for one."""
    job = account.describe(account.run(Fails(3)))
    assert (job["status"], job["container"]["exitCode"], len(job["attempts"])) == ("FAILED", 3, 1)


def test_a_reclaimed_job_is_tried_again_as_its_strategy_says(account: Account) -> None:
    """Without a strategy it has failed."""
    script = Reclaimed(times=2, after=5)
    assert account.status(account.run(script)) == "RUNNING"
    job_id = account.run(script, retryStrategy={"attempts": 3})
    account.clock.sleep(10)
    job = account.describe(job_id)
    assert job["status"] == "SUCCEEDED"
    assert [attempt["container"].get("exitCode") for attempt in job["attempts"]] == [None, None, 0]
    assert job["attempts"][0]["statusReason"].startswith("Host EC2 (instance i-")
    failed = [job.status for job in account.fake.jobs()]
    assert failed == ["FAILED", "SUCCEEDED"]


def test_an_image_that_cannot_be_pulled(account: Account) -> None:
    """The job never runs, so it has no log."""
    job = account.describe(account.run(CannotPull()))
    assert (job["status"], job["statusReason"]) == ("FAILED", "Task failed to start")
    assert job["container"]["reason"].startswith("CannotPullContainerError: ")
    assert not {"exitCode", "logStreamName"} & job["container"].keys()


def test_too_little_memory(account: Account) -> None:
    """The container says so."""
    container = account.describe(account.run(RunsOutOfMemory()))["container"]
    assert (container["exitCode"], container["reason"]) == (
        137,
        "OutOfMemoryError: Container killed due to memory usage",
    )


def test_an_unschedulable_job_waits_for_ever(account: Account) -> None:
    """With the reason, until it is ended."""
    job_id = account.run(Unschedulable(CAPACITY))
    account.clock.sleep(1e6)
    job = account.describe(job_id)
    assert (job["status"], job["statusReason"]) == ("RUNNABLE", CAPACITY)
    account.batch.terminate_job(jobId=job_id, reason="enough")
    assert account.status(job_id) == "FAILED"


def test_a_job_that_is_too_large_waits_for_ever(account: Account) -> None:
    """The fake finds out by itself."""
    large = {"resourceRequirements": [{"type": "VCPU", "value": "512"}]}
    job = account.describe(account.submit(containerOverrides=large))
    assert job["status"] == "RUNNABLE"
    assert job["statusReason"].startswith("MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE")


def test_a_disabled_environment_starts_no_jobs(account: Account) -> None:
    """Until it is enabled."""
    account.fake.registry.change_environment("spot", state="DISABLED")
    job_id = account.submit()
    assert account.status(job_id) == "RUNNABLE"
    account.fake.registry.change_environment("spot", state="ENABLED")
    assert account.status(job_id) == "SUCCEEDED"


def test_a_forgotten_job_is_not_described(account: Account) -> None:
    """From a time on, or from now on."""
    later, now = account.run(Forgotten(5, then=Hangs())), account.submit()
    assert len(account.batch.describe_jobs(jobs=[later, now])["jobs"]) == 2
    account.fake.forget(now)
    account.clock.sleep(5)
    assert account.batch.describe_jobs(jobs=[later, now])["jobs"] == []
    assert account.batch.list_jobs(jobQueue="spot")["jobSummaryList"] == []


def test_a_submission_is_throttled_refused_or_lost(account: Account) -> None:
    """Only what is lost takes effect."""
    account.fake.script("throttled", Throttled(calls=2))
    account.fake.script("refused", Refused("no such thing"))
    account.fake.script("lost", AnswerLost(then=Fails(2)))
    for _ in range(2):
        with pytest.raises(ClientError, match="TooManyRequestsException"):
            account.submit("throttled")
    account.submit("throttled")
    with pytest.raises(account.batch.exceptions.ClientException, match="no such thing"):
        account.submit("refused")
    with pytest.raises(ConnectionClosedError):
        account.submit("lost")
    assert [(job.name, job.status) for job in account.fake.jobs()] == [
        ("throttled", "SUCCEEDED"),
        ("lost", "FAILED"),
    ]
    assert account.fake.calls["SubmitJob"] == 5


def test_any_call_can_fail(account: Account) -> None:
    """As often as was said, in the words of its service."""
    account.fake.throttle("FilterLogEvents")
    account.fake.throttle("DescribeJobs")
    account.fake.be_out_of_reach("DescribeJobs")
    account.fake.refuse("ListJobs", "AccessDeniedException", status=403)
    with pytest.raises(ClientError, match="ThrottlingException"):
        account.logs.filter_log_events(logGroupName="none")
    with pytest.raises(ClientError, match="TooManyRequestsException"):
        account.batch.describe_jobs(jobs=["none"])
    with pytest.raises(EndpointConnectionError):
        account.batch.describe_jobs(jobs=["none"])
    with pytest.raises(ClientError, match="AccessDeniedException"):
        account.batch.list_jobs(jobQueue="spot")
    assert account.batch.describe_jobs(jobs=["none"])["jobs"] == []


def test_the_real_library_checks_requests(account: Account) -> None:
    """A wrong one does not reach the service."""
    with pytest.raises(ParamValidationError, match="jobQueue"):
        account.batch.submit_job(jobName="job", jobDefinition="definition")
    with pytest.raises(ParamValidationError, match="colour"):
        account.submit(colour="red")
    assert account.fake.requests == []


def test_an_answer_that_the_service_could_not_give_is_a_mistake(account: Account) -> None:
    """Answers are held against the description of the service."""
    account.fake.registry.change_queue("spot", colour="red")
    with pytest.raises(AssertionError, match="colour"):
        account.batch.describe_job_queues(jobQueues=["spot"])


def test_real_work_sees_what_was_submitted(account: Account) -> None:
    """Its exit code and its lines are the job's."""
    seen: list[RunningJob] = []

    def work(job: RunningJob) -> int:
        seen.append(job)
        job.print(f"child {job.index}")
        return job.index or 0

    overrides = {"command": ["run", "Ref::what"], "environment": [{"name": "A", "value": "1"}]}
    job_id = account.run(
        Runs(work),
        arrayProperties={"size": 2},
        containerOverrides=overrides,
        parameters={"what": "this"},
    )
    job = account.describe(job_id)
    assert (job["status"], job["statusReason"]) == ("FAILED", "Array Child Job failed")
    assert account.describe(f"{job_id}:1")["container"]["exitCode"] == 1
    assert account.log(f"{job_id}:1") == ["child 1"]
    first = seen[0]
    assert (first.name, first.queue, first.attempt, list(first.command)) == (
        "job",
        "spot",
        1,
        ["run", "this"],
    )
    assert first.environment == {
        "A": "1",
        "AWS_BATCH_JOB_ID": f"{job_id}:0",
        "AWS_BATCH_JOB_ARRAY_INDEX": "0",
        "AWS_BATCH_JOB_ATTEMPT": "1",
        "AWS_BATCH_JQ_NAME": "spot",
        "AWS_BATCH_CE_NAME": "spot-environment",
    }


def test_real_work_may_say_how_it_ended(account: Account) -> None:
    """Though it was the host that went away."""

    def work(job: RunningJob) -> Outcome | None:
        return Outcome("Host EC2 (instance i-0) terminated.") if job.attempt == 1 else None

    job = account.describe(account.run(Runs(work), retryStrategy={"attempts": 2}))
    assert (job["status"], len(job["attempts"])) == ("SUCCEEDED", 2)


def test_real_work_may_submit_jobs(account: Account) -> None:
    """The clients can be asked from within."""

    def work(job: RunningJob) -> None:
        if job.name == "job":
            account.submit("inner")

    account.run(Runs(work))
    assert [(job.name, job.status) for job in account.fake.jobs()] == [
        ("job", "SUCCEEDED"),
        ("inner", "SUCCEEDED"),
    ]


def test_children_have_scripts_of_their_own(account: Account) -> None:
    """The parent ends after the last one."""
    job_id = account.run(Children({1: Fails(4)}, others=Succeeds(after=2)), arrayProperties={"size": 3})
    summary = account.describe(job_id)["arrayProperties"]["statusSummary"]
    assert {status: count for status, count in summary.items() if count} == {"RUNNING": 2, "FAILED": 1}
    assert account.status(job_id) == "PENDING"
    account.clock.sleep(2)
    assert account.status(job_id) == "FAILED"
    children = account.batch.list_jobs(arrayJobId=job_id, jobStatus="FAILED")["jobSummaryList"]
    assert [child["arrayProperties"] for child in children] == [{"index": 1}]


def test_terminating_a_parent_ends_its_children(account: Account) -> None:
    """When they have had the time that they need for it."""
    account.fake.simulation.seconds_to_die = 3
    job_id = account.run(Children({0: Hangs()}, others=Unschedulable()), arrayProperties={"size": 2})
    assert account.status(f"{job_id}:0") == "RUNNING"
    account.batch.terminate_job(jobId=job_id, reason="enough")
    assert (account.status(job_id), account.status(f"{job_id}:1")) == ("PENDING", "FAILED")
    account.clock.sleep(3)
    for described in (job_id, f"{job_id}:0", f"{job_id}:1"):
        job = account.describe(described)
        assert (job["status"], job["statusReason"], job["isTerminated"]) == ("FAILED", "enough", True)


def test_cancelling_does_nothing_to_a_running_job(account: Account) -> None:
    """The call succeeds all the same."""
    job_id = account.run(Hangs())
    assert account.status(job_id) == "RUNNING"
    account.batch.cancel_job(jobId=job_id, reason="enough")
    assert account.status(job_id) == "RUNNING"


def test_a_timeout_ends_an_attempt(account: Account) -> None:
    """It is not tried again."""
    job_id = account.run(Hangs(), timeout={"attemptDurationSeconds": 60}, retryStrategy={"attempts": 3})
    account.clock.sleep(59)
    assert account.status(job_id) == "RUNNING"
    account.clock.sleep(1)
    assert account.describe(job_id)["statusReason"] == "Job attempt duration exceeded timeout"


def test_jobs_wait_for_others(account: Account) -> None:
    """They fail with them too."""
    first, second = account.run(Succeeds(after=5)), account.run(Fails(after=5))
    third, fourth = (account.submit(dependsOn=[{"jobId": job_id}]) for job_id in (first, second))
    assert (account.status(third), account.status(fourth)) == ("PENDING", "PENDING")
    account.clock.sleep(5)
    assert (account.status(third), account.status(fourth)) == ("SUCCEEDED", "FAILED")


def test_lines_come_with_time_and_late(account: Account) -> None:
    """What an attempt would have printed after its end is never seen."""
    account.fake.logs.lag_seconds = 2
    job_id = account.run(Succeeds(after=10, lines=["first", (4, "second"), (11, "never")]))
    account.status(job_id)
    assert account.log(job_id) == []
    account.clock.sleep(2)
    assert account.log(job_id) == ["first"]
    account.clock.sleep(4)
    assert account.log(job_id) == ["first", "second"]
    account.clock.sleep(20)
    assert account.log(job_id) == ["first", "second"]


def test_logs_come_in_pages_from_a_time_on(account: Account) -> None:
    """Of several streams, in the order of time."""
    job_id = account.run(
        Children(
            {0: Succeeds(lines=["a", (2, "c")], after=9), 1: Succeeds(lines=[(1, "b"), (3, "d")], after=9)}
        ),
        arrayProperties={"size": 2},
    )
    account.describe(job_id)
    account.clock.sleep(9)
    streams = [account.describe(f"{job_id}:{index}")["container"]["logStreamName"] for index in range(2)]
    pages = account.logs.get_paginator("filter_log_events").paginate(
        logGroupName="/aws/batch/job", logStreamNames=streams, PaginationConfig={"PageSize": 3}
    )
    events = [[event["message"] for event in page["events"]] for page in pages]
    assert events == [["a", "b", "c"], ["d"]]
    since = int(account.clock.now() - 9 + 2) * 1000
    page = account.logs.filter_log_events(
        logGroupName="/aws/batch/job", logStreamNames=streams, startTime=since
    )
    assert [event["message"] for event in page["events"]] == ["c", "d"]


def test_an_unknown_stream_is_an_error(account: Account) -> None:
    """And an unknown group too."""
    with pytest.raises(account.logs.exceptions.ResourceNotFoundException, match="group"):
        account.logs.filter_log_events(logGroupName="/aws/batch/job")
    account.describe(account.submit())
    with pytest.raises(account.logs.exceptions.ResourceNotFoundException, match="stream"):
        account.logs.filter_log_events(logGroupName="/aws/batch/job", logStreamNames=["none"])


def test_lists_come_in_pages_newest_first(account: Account) -> None:
    """When they are filtered by name."""
    for number in range(3):
        account.submit(f"job-{number}")
    pages = account.batch.get_paginator("list_jobs").paginate(
        jobQueue="spot", filters=[{"name": "JOB_NAME", "values": ["JOB-*"]}], maxResults=2
    )
    found = [[job["jobName"] for job in page["jobSummaryList"]] for page in pages]
    assert found == [["job-2", "job-1"], ["job-0"]]


def test_definitions_are_found_as_the_service_finds_them(account: Account) -> None:
    """By name or ARN, with a revision or the latest that is active."""
    register = account.batch.register_job_definition
    properties = {"image": "image:2", "vcpus": 1, "memory": 64}
    for _ in range(2):
        register(jobDefinitionName="other", type="container", containerProperties=properties)
    find = account.batch.describe_job_definitions
    assert [each["revision"] for each in find(jobDefinitionName="other")["jobDefinitions"]] == [2, 1]
    arn = find(jobDefinitions=["other:1"])["jobDefinitions"][0]["jobDefinitionArn"]
    assert find(jobDefinitions=[arn])["jobDefinitions"][0]["revision"] == 1
    wanted = {"other": 2, "other:1": 1, arn: 1, arn.removesuffix(":1"): 2}
    for name, revision in wanted.items():
        job = account.describe(account.submit(jobDefinition=name))
        assert job["jobDefinition"].endswith(f"/other:{revision}")
    with pytest.raises(account.batch.exceptions.ClientException, match="none:1"):
        account.submit(jobDefinition="none:1")


def test_queues_and_environments_are_described(account: Account) -> None:
    """Those that are asked for, by name or ARN."""
    (queue,) = account.batch.describe_job_queues(jobQueues=["on-demand"])["jobQueues"]
    arn = queue["computeEnvironmentOrder"][0]["computeEnvironment"]
    answer = account.batch.describe_compute_environments(computeEnvironments=[arn])
    assert answer["computeEnvironments"][0]["computeResources"]["maxvCpus"] == 256
    account.fake.registry.change_queue("on-demand", state="DISABLED")
    with pytest.raises(account.batch.exceptions.ClientException, match="disabled"):
        account.submit(jobQueue="on-demand")


def test_scripts_are_for_names_in_order(account: Account) -> None:
    """The last one holds for all further jobs; a later word wins."""
    account.fake.script("train-*", Fails(1), Fails(2))
    account.fake.script("train-last", Fails(3))
    names = ["train-a", "train-b", "train-c", "train-last", "other"]
    jobs = [account.describe(account.submit(name)) for name in names]
    assert [job["container"]["exitCode"] for job in jobs] == [1, 2, 2, 3, 0]


def test_calls_are_recorded_with_their_time(account: Account) -> None:
    """With what was asked."""
    job_id = account.submit()
    account.clock.sleep(7)
    account.describe(job_id)
    operations = [(call.operation, call.at - account.fake.requests[0].at) for call in account.fake.requests]
    assert operations == [("SubmitJob", 0), ("DescribeJobs", 7)]
    assert account.fake.requests[1].request == {"jobs": [job_id]}
    assert account.clock.passed == 7


def test_a_container_that_does_not_start_is_tried_again(account: Account) -> None:
    """If its strategy says so, by the reason of the status or of the container."""
    rules = [
        {"onStatusReason": "Task failed to start", "action": "RETRY"},
        {"onReason": "*", "action": "EXIT"},
    ]
    strategy = {"attempts": 3, "evaluateOnExit": rules}
    job = account.describe(account.run(FailsToStart(times=1, then=Fails(4)), retryStrategy=strategy))
    assert [attempt["container"].get("exitCode") for attempt in job["attempts"]] == [None, 4]
    assert job["attempts"][0]["container"]["reason"].startswith("DockerTimeoutError")
