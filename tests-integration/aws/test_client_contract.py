"""What `Batch` promises, against the fake that unit tests use, and against the emulator by real calls."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import pytest
from fake_batch import (
    AnswerLost,
    CannotPull,
    Children,
    Fails,
    FakeAws,
    Hangs,
    Reclaimed,
    Succeeds,
    Unschedulable,
    VirtualClock,
)
from fake_batch.containers import DEFAULT_LOG_GROUP
from fake_batch.lifecycle import EXITED

from aws.emulator import REGION
from magnus.errors import JobSubmissionError, ServiceError
from magnus_executor_awsbatch.batch import Batch
from magnus_executor_awsbatch.errors import MissingError, ThrottledError, UnansweredError

if TYPE_CHECKING:
    from fake_batch import Script

    from aws.conftest import Jobs
    from magnus_executor_awsbatch.answers import JobState

PATIENCE_SECONDS = 30
CAPACITY = "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - none is free"
NEEDS = [{"type": "MEMORY", "value": "256"}, {"type": "VCPU", "value": "1"}]
MISSING_IMAGE = "magnus-no-such-image:1"
AGAIN = {
    "attempts": 2,
    "evaluateOnExit": [
        {"onStatusReason": "Host EC2*", "action": "RETRY"},
        {"onReason": "*", "action": "EXIT"},
    ],
}


class Side(ABC):
    """An account, by the client under test."""

    batch: Batch
    queue: str
    definition: str

    @abstractmethod
    def plan(self, command: str, script: Script) -> list[str]:
        """Return the command of the next job, which follows *script* where commands mean nothing."""

    @abstractmethod
    def spoil(self, what: str) -> None:
        """Throttle the next submission, or lose its answer."""

    @abstractmethod
    def wait(self) -> None:
        """Let some time pass."""

    @abstractmethod
    def stick(self, job_id: str) -> None:
        """Have a job that is RUNNABLE say that it waits for capacity."""

    @abstractmethod
    def hold(self) -> None:
        """Start no jobs from now on."""

    @abstractmethod
    def reclaim(self, job_id: str) -> None:
        """Take away the host of a running job."""

    @abstractmethod
    def forget(self, job_id: str) -> None:
        """Have the service know a job no more."""

    @abstractmethod
    def disable_queue(self) -> None:
        """Disable the queue."""

    @abstractmethod
    def another_queue(self, name: str, most_vcpus: int) -> str:
        """Return the name of a new queue."""

    def request(self, command: str = "true", script: Script | None = None, **more: Any) -> dict[str, Any]:
        """Return a request that submits a job."""
        words = self.plan(command, script or Succeeds())
        overrides = {"command": words}
        asked = {"jobName": "job", "jobQueue": self.queue, "jobDefinition": self.definition}
        return {**asked, "containerOverrides": overrides, **more}

    def submit(self, command: str = "true", script: Script | None = None, **more: Any) -> str:
        """Submit a job and return its id."""
        return self.batch.submit(self.request(command, script, **more))

    def until(self, job_id: str, *statuses: str) -> JobState:
        """Return what Batch says of a job once it has one of *statuses*."""
        for _ in range(PATIENCE_SECONDS * 20):
            state = self.batch.describe([job_id]).get(job_id)
            if state is not None and state.status in statuses:
                return state
            self.wait()
        raise AssertionError(self.batch.describe([job_id]))

    def end(self, command: str, script: Script, **more: Any) -> JobState:
        """Submit a job and return what Batch says of it after its end."""
        return self.until(self.submit(command, script, **more), "SUCCEEDED", "FAILED")

    def lines(self, stream: str, since: int = 0) -> list[tuple[str, int]]:
        """Return the lines of a stream with their times."""
        events = self.batch.log_events(DEFAULT_LOG_GROUP, [stream], since)
        return [(event.message, event.timestamp) for event in events]


class FakeSide(Side):
    """The fake, in virtual time."""

    def __init__(self) -> None:
        """Have an account with a definition."""
        self.clock = VirtualClock()
        self.aws = FakeAws(self.clock.now)
        self.batch = Batch(connect=self.aws.client, sleep=self.clock.sleep)
        self.queue, self.definition = "spot", self.aws.job_definition()
        self.lost = self.is_held = False

    def plan(self, command: str, script: Script) -> list[str]:
        """See the base."""
        script = Unschedulable() if self.is_held else script
        self.aws.in_order(AnswerLost(then=script) if self.lost else script)
        self.lost = False
        return ["sh", "-c", command]

    def spoil(self, what: str) -> None:
        """See the base."""
        if what == "throttle":
            self.aws.throttle("SubmitJob")
        else:
            self.lost = True

    def wait(self) -> None:
        """See the base."""
        self.clock.sleep(0.5)

    def stick(self, job_id: str) -> None:
        """See the base."""
        next(job for job in self.aws.jobs() if job.job_id == job_id).status_reason = CAPACITY

    def hold(self) -> None:
        """See the base."""
        self.is_held = True

    def reclaim(self, job_id: str) -> None:
        """Leave it to the script."""

    def forget(self, job_id: str) -> None:
        """See the base."""
        self.aws.forget(job_id)

    def disable_queue(self) -> None:
        """See the base."""
        self.aws.registry.change_queue(self.queue, state="DISABLED")

    def another_queue(self, name: str, most_vcpus: int) -> str:
        """See the base."""
        self.aws.registry.add_queue(name, most_vcpus)
        return name


class EmulatorSide(Side):
    """The emulator, by the calls of the real client."""

    def __init__(self, jobs: Jobs) -> None:
        """Use the account of *jobs*, whose credentials the environment has."""
        self.aws = jobs.aws
        self.batch = Batch(REGION, jobs.aws.endpoint)
        self.queue, self.definition = jobs.aws.queue(), jobs.aws.job_definition(jobs.image)

    def plan(self, command: str, script: Script) -> list[str]:
        """See the base."""
        return ["sh", "-c", command]

    def spoil(self, what: str) -> None:
        """See the base."""
        if what == "throttle":
            self.aws.traffic.throttle("SubmitJob", 1)
        else:
            self.aws.traffic.lose_answer("SubmitJob")

    def wait(self) -> None:
        """See the base."""
        time.sleep(0.05)

    def stick(self, job_id: str) -> None:
        """See the base."""
        self.aws.batch.get_stuck(job_id, CAPACITY)

    def hold(self) -> None:
        """See the base."""
        self.aws.batch.hold()

    def reclaim(self, job_id: str) -> None:
        """See the base."""
        self.aws.batch.reclaim(job_id)

    def forget(self, job_id: str) -> None:
        """See the base."""
        self.aws.batch.forget(job_id)

    def disable_queue(self) -> None:
        """See the base."""
        self.aws.client("batch").update_job_queue(jobQueue=self.queue, state="DISABLED")

    def another_queue(self, name: str, most_vcpus: int) -> str:
        """See the base."""
        return str(self.aws.queue(name, most_vcpus=most_vcpus))


@pytest.fixture(params=["fake", "emulator"])
def side(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Side:
    """Return an account with a queue and a job definition."""
    if request.param == "fake":
        return FakeSide()
    jobs: Jobs = request.getfixturevalue("jobs")
    for name, value in jobs.aws.environment.items():
        monkeypatch.setenv(name, value)
    return EmulatorSide(jobs)


class TestJobs:
    """From the submission to the end."""

    def test_a_job_that_ends_well(self, side: Side) -> None:
        """Has an exit code, a reason, and lines in order; later ones can be asked for alone."""
        printed = "echo one; sleep 0.1; echo two"
        state = side.end(printed, Succeeds(after=1, lines=["one", (0.5, "two")]))
        assert (state.status, state.exit_code, state.is_terminated) == ("SUCCEEDED", 0, False)
        assert state.reason == EXITED
        (one, first), (two, second) = side.lines(state.log_stream)
        assert (one, two) == ("one", "two")
        assert first < second
        assert side.lines(state.log_stream, since=second) == [("two", second)]

    def test_a_job_that_fails(self, side: Side) -> None:
        """Has the exit code of its container."""
        state = side.end("exit 3", Fails(exit_code=3))
        assert (state.status, state.exit_code, state.reason) == ("FAILED", 3, EXITED)
        assert not state.is_terminated

    def test_a_job_whose_image_is_missing(self, side: Side) -> None:
        """Says so in the reason of its container, and has no exit code."""
        properties = {"image": MISSING_IMAGE, "resourceRequirements": NEEDS}
        request = {"jobDefinitionName": "bad", "type": "container", "containerProperties": properties}
        state = side.end("true", CannotPull(), jobDefinition=side.batch.register(request))
        assert (state.status, state.exit_code, state.log_stream) == ("FAILED", None, "")
        assert state.container_reason.startswith("CannotPullContainerError: ")

    def test_a_job_that_is_terminated(self, side: Side) -> None:
        """Has the reason that was given, wherever it stood."""
        job_id = side.submit("sleep 60", Hangs())
        side.until(job_id, "RUNNING")
        side.batch.terminate(job_id, "enough")
        state = side.until(job_id, "FAILED")
        assert (state.reason, state.is_terminated) == ("enough", True)

    def test_a_job_that_loses_its_host(self, side: Side) -> None:
        """Is tried again as its retry strategy says, in another stream."""
        script = Reclaimed(after=10, times=1, lines=["hello"], then=Succeeds(after=10, lines=["hello"]))
        command = "echo hello; sleep 1"
        job_id = side.submit(command, script, retryStrategy=AGAIN)
        first = side.until(job_id, "RUNNING")
        side.reclaim(job_id)
        last = side.until(job_id, "SUCCEEDED")
        assert first.log_stream != last.log_stream
        assert [line for line, _ in side.lines(last.log_stream)] == ["hello"]

    def test_a_job_that_loses_its_host_for_good(self, side: Side) -> None:
        """Says that in the reason of its status."""
        job_id = side.submit("sleep 60", Reclaimed(after=10))
        side.until(job_id, "RUNNING")
        side.reclaim(job_id)
        state = side.until(job_id, "FAILED")
        assert state.reason.startswith("Host EC2 (instance i-")
        assert (state.exit_code, state.is_terminated) == (None, False)

    def test_a_job_that_waits(self, side: Side) -> None:
        """Says why, and ends at once when it is terminated."""
        side.hold()
        job_id = side.submit()
        side.until(job_id, "RUNNABLE")
        side.stick(job_id)
        assert side.until(job_id, "RUNNABLE").reason == CAPACITY
        side.batch.terminate(job_id, "enough")
        assert side.until(job_id, "FAILED").reason == "enough"

    def test_jobs_that_are_not_known_are_left_out(self, side: Side) -> None:
        """And those that were forgotten."""
        job_id = side.submit()
        assert set(side.batch.describe([job_id, "no-such-job"])) == {job_id}
        side.forget(job_id)
        assert side.batch.describe([job_id]) == {}
        assert side.batch.find(side.queue, "job") == []
        assert side.batch.describe([]) == {}

    def test_an_array_has_children(self, side: Side) -> None:
        """With ids made of its own; each has a state of its own."""
        script = Children({1: Fails(exit_code=4)})
        job_id = side.submit('exit "$((AWS_BATCH_JOB_ARRAY_INDEX * 4))"', script, arrayProperties={"size": 2})
        assert side.until(job_id, "FAILED").id == job_id
        states = side.batch.describe([f"{job_id}:0", f"{job_id}:1"])
        assert [states[f"{job_id}:{index}"].status for index in (0, 1)] == ["SUCCEEDED", "FAILED"]
        assert states[f"{job_id}:1"].exit_code == 4

    def test_an_array_is_terminated_with_its_children(self, side: Side) -> None:
        """By one call."""
        job_id = side.submit("sleep 60", Hangs(), arrayProperties={"size": 2})
        for index in (0, 1):
            side.until(f"{job_id}:{index}", "RUNNING")
        side.batch.terminate(job_id, "enough")
        for index in (0, 1):
            assert side.until(f"{job_id}:{index}", "FAILED").is_terminated


class TestSubmissions:
    """What a submission can come to."""

    def test_jobs_are_found_by_their_exact_name(self, side: Side) -> None:
        """In their queue, the newest first, whatever their status."""
        side.hold()
        first = side.submit(jobName="name")
        side.wait()
        second = side.submit(jobName="name")
        side.submit(jobName="name2")
        side.submit(jobName="NAME")
        side.submit(jobName="name", jobQueue=side.another_queue("other", 8))
        side.batch.terminate(first, "enough")
        side.until(first, "FAILED")
        found = side.batch.find(side.queue, "name")
        assert [job.id for job in found] == [second, first]
        assert found[1].status == "FAILED"

    def test_too_many_calls(self, side: Side) -> None:
        """Nothing was submitted."""
        side.spoil("throttle")
        with pytest.raises(
            ThrottledError, match=r"^SubmitJob: there are too many calls \(TooManyRequestsException\)$"
        ):
            side.submit()
        assert side.batch.find(side.queue, "job") == []

    def test_a_lost_answer(self, side: Side) -> None:
        """The job is there."""
        side.spoil("lose")
        with pytest.raises(UnansweredError, match=r"^SubmitJob: no answer came: "):
            side.submit()
        assert len(side.batch.find(side.queue, "job")) == 1

    @pytest.mark.parametrize(
        "wrong", [{"jobQueue": "none"}, {"jobDefinition": "none:1"}, {"arrayProperties": {"size": 10_001}}]
    )
    def test_a_refusal(self, side: Side, wrong: dict[str, Any]) -> None:
        """Nothing was submitted."""
        with pytest.raises(JobSubmissionError, match=r"^SubmitJob: "):
            side.submit(**wrong)

    def test_an_array_of_one_is_refused(self, side: Side) -> None:
        """So it is submitted as a job."""
        with pytest.raises(JobSubmissionError):
            side.submit(arrayProperties={"size": 1})


class TestLogs:
    """Lines of what is not there."""

    def test_a_group_that_is_not_there(self, side: Side) -> None:
        """The error says that it is the group."""
        with pytest.raises(MissingError, match="log group does not exist"):
            list(side.batch.log_events("/none", ["stream"], 0))

    def test_a_stream_that_is_not_there_spoils_the_others(self, side: Side) -> None:
        """They have to be asked for without it."""
        state = side.end("echo hello", Succeeds(lines=["hello"]))
        with pytest.raises(MissingError):
            list(side.batch.log_events(DEFAULT_LOG_GROUP, [state.log_stream, "none"], 0))
        assert [line for line, _ in side.lines(state.log_stream)] == ["hello"]


class TestDefinitionsAndQueues:
    """What jobs are submitted from, and to."""

    def test_definitions_are_found_by_name_revision_and_arn(self, side: Side) -> None:
        """By name the newest."""
        properties = {
            "image": "image:1",
            "resourceRequirements": NEEDS,
            "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "/own"}},
        }
        request = {"jobDefinitionName": "own", "type": "container", "containerProperties": properties}
        first = side.batch.register(request)
        second = side.batch.register({**request, "containerProperties": {**properties, "image": "image:2"}})
        assert first != second
        for name, arn, image in (
            ("own", second, "image:2"),
            ("own:1", first, "image:1"),
            (first, first, "image:1"),
        ):
            assert side.batch.job_definition(name) == (arn, image, "/own")
        assert side.batch.job_definition("none") is None

    def test_queues_tell_what_they_can_run(self, side: Side) -> None:
        """Those that are not there are left out."""
        side.another_queue("large", 16)
        (large,) = side.batch.queues(["large", "none"])
        assert large == ("large", "", 16)

    def test_a_disabled_queue_is_a_problem(self, side: Side) -> None:
        """And takes no jobs."""
        side.disable_queue()
        (queue,) = side.batch.queues([side.queue])
        assert queue.problem == f"the queue '{side.queue}' is disabled"
        with pytest.raises(ServiceError):
            side.submit()
