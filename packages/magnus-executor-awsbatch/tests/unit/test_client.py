"""What the client makes of the vendor's errors; what it makes of answers is in `tests-integration/aws`, against an emulator."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from batch_kit import TestClock
from botocore.exceptions import ConnectTimeoutError, NoCredentialsError, ReadTimeoutError
from fake_batch import AnswerLost, FakeAws

from magnus.errors import ConfigurationError, JobSubmissionError, ServiceError
from magnus_executor_awsbatch.batch import Batch
from magnus_executor_awsbatch.client import connect
from magnus_executor_awsbatch.errors import MissingError, ThrottledError, UnansweredError

if TYPE_CHECKING:
    from collections.abc import Callable

URL = "https://fake"
REQUEST = {"jobName": "job", "jobQueue": "spot", "jobDefinition": "definition"}


class Account:
    """An account and its client."""

    def __init__(self) -> None:
        """Have a definition."""
        self.clock = TestClock()
        self.aws = FakeAws(self.clock.now)
        self.definition = self.aws.job_definition()
        self.batch = Batch(connect=self.aws.client, sleep=self.clock.sleep)


@pytest.fixture
def account() -> Account:
    """Return an account."""
    return Account()


NUMBERS = itertools.count()

CALLS: list[tuple[str, Callable[[Batch], Any]]] = [
    ("ListJobs", lambda batch: batch.find("spot", "job")),
    ("TerminateJob", lambda batch: batch.terminate("id", "why")),
    ("DescribeJobDefinitions", lambda batch: batch.job_definition("definition")),
    ("DescribeJobQueues", lambda batch: batch.queues(["spot"])),
    ("DescribeComputeEnvironments", lambda batch: batch.queues(["spot"])),
    (
        "RegisterJobDefinition",
        lambda batch: batch.register(
            {
                "jobDefinitionName": f"d{next(NUMBERS)}",  # one that is there is not registered again
                "type": "container",
                "containerProperties": {"image": "i"},
            }
        ),
    ),
]


@pytest.mark.parametrize(("operation", "ask"), CALLS)
def test_what_may_be_asked_twice_is_asked_again(
    account: Account, operation: str, ask: Callable[[Batch], Any]
) -> None:
    """After growing pauses, five times in all; then the error is told."""
    account.aws.throttle(operation, 4)
    ask(account.batch)
    assert (account.aws.calls[operation], account.clock.passed) == (5, 7.5)
    account.aws.refuse(operation, "InternalFailure", status=503, calls=5)
    with pytest.raises(UnansweredError):
        ask(account.batch)
    assert account.aws.calls[operation] == 10


@pytest.mark.parametrize(
    ("operation", "ask"),
    [
        ("SubmitJob", lambda batch: batch.submit(REQUEST)),
        ("DescribeJobs", lambda batch: batch.describe(["id"])),
        ("FilterLogEvents", lambda batch: list(batch.log_events("/aws/batch/job", ["s"], 0))),
    ],
)
def test_what_has_a_pace_of_its_own_is_asked_once(
    account: Account, operation: str, ask: Callable[[Batch], Any]
) -> None:
    """A submission that is repeated could run twice; looks have their pauses."""
    account.aws.throttle(operation)
    with pytest.raises(ThrottledError):
        ask(account.batch)
    assert (account.aws.calls[operation], account.clock.passed) == (1, 0)


def test_a_registration_without_an_answer_is_not_made_twice(account: Account) -> None:
    """The definition is found by its name, which is that of its content."""
    account.aws.lose_answer("RegisterJobDefinition")
    request = {"jobDefinitionName": "d", "type": "container", "containerProperties": {"image": "i"}}
    assert account.batch.register(request).endswith("job-definition/d:1")
    assert account.aws.calls["RegisterJobDefinition"] == 1


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (
            ConnectTimeoutError(endpoint_url=URL),
            ThrottledError,
            'SubmitJob: AWS cannot be reached: Connect timeout on endpoint URL: "https://fake"',
        ),
        (
            ReadTimeoutError(endpoint_url=URL),
            UnansweredError,
            'SubmitJob: no answer came: Read timeout on endpoint URL: "https://fake"',
        ),
        (
            NoCredentialsError(),
            JobSubmissionError,
            "SubmitJob: no AWS credentials were found; sign in (`aws configure`), or give this place a role",
        ),
    ],
)
def test_a_submission_tells_apart_what_may_have_happened(
    account: Account, error: Exception, kind: type[ServiceError], message: str
) -> None:
    """Nothing was submitted; nobody knows; it never will be."""
    account.aws.fail("SubmitJob", error)
    with pytest.raises(kind) as caught:
        account.batch.submit(REQUEST)
    assert str(caught.value) == message
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("TooManyRequestsException", 429, ThrottledError),
        ("ThrottlingException", 400, ThrottledError),
        ("RequestLimitExceeded", 503, ThrottledError),
        ("InternalFailure", 500, UnansweredError),
        ("ServerException", 500, UnansweredError),
        ("ClientException", 400, JobSubmissionError),
        ("AccessDeniedException", 403, JobSubmissionError),
    ],
)
def test_a_refused_submission_is_known_by_its_code(
    account: Account, code: str, status: int, kind: type[ServiceError]
) -> None:
    """And by the status of HTTP."""
    account.aws.refuse("SubmitJob", code, status=status)
    with pytest.raises(ServiceError) as caught:
        account.batch.submit(REQUEST)
    assert type(caught.value) is kind


def test_a_request_that_the_service_would_refuse_is_not_sent(account: Account) -> None:
    """The library knows what it takes."""
    with pytest.raises(JobSubmissionError, match=r'(?s)^SubmitJob would refuse the request: .*"jobQueue"'):
        account.batch.submit({"jobName": "job", "jobDefinition": "d"})
    assert account.aws.calls["SubmitJob"] == 0


def test_a_lost_answer_is_no_refusal(account: Account) -> None:
    """The job is there."""
    account.aws.in_order(AnswerLost())
    with pytest.raises(UnansweredError, match=r"^SubmitJob: no answer came: "):
        account.batch.submit(REQUEST)
    assert len(account.batch.find("spot", "job")) == 1


def test_lines_of_what_is_not_there_are_missing(account: Account) -> None:
    """A group or a stream: the error says which."""
    with pytest.raises(MissingError, match=r"log group does not exist"):
        list(account.batch.log_events("/none", ["s"], 0))
    account.aws.logs.create("/aws/batch/job")
    with pytest.raises(MissingError, match=r"log stream does not exist"):
        list(account.batch.log_events("/aws/batch/job", ["s"], 0))


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (
            "UnrecognizedClientException",
            "ListJobs: the AWS credentials are not valid any more, or never were (UnrecognizedClientException); sign in again",
        ),
        ("Odd", "ListJobs: Asked for by a test"),
    ],
)
def test_a_refusal_says_what_to_do(account: Account, code: str, message: str) -> None:
    """Where that is known."""
    account.aws.refuse("ListJobs", code)
    with pytest.raises(ServiceError) as caught:
        account.batch.find("spot", "job")
    assert str(caught.value) == message
    assert not caught.value.retriable


def test_without_a_region_nobody_knows_whom_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told before anything is called."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/none")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(
        ConfigurationError, match=r"^no AWS region is known: set `region` in the configuration"
    ):
        connect("batch", "", "")


@pytest.mark.parametrize("name", ["AWS_REGION", "AWS_DEFAULT_REGION"])
def test_the_environment_names_the_region_in_either_way(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library itself looks at one of the two only."""
    for other in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/none")
    monkeypatch.setenv(name, "eu-west-2")
    client = connect("batch", "", "")
    assert client.meta.region_name == "eu-west-2"
    client.close()


@pytest.mark.parametrize(("service", "attempts"), [("batch", 1), ("logs", 5), ("s3", 5)])
def test_the_library_does_not_repeat_calls_to_batch(service: str, attempts: int) -> None:
    """A repeated submission could run twice."""
    client = connect(service, "eu-west-1", "http://127.0.0.1:1")
    assert client.meta.config.retries["total_max_attempts"] == attempts
    assert (client.meta.region_name, client.meta.endpoint_url) == ("eu-west-1", "http://127.0.0.1:1")
    client.close()
