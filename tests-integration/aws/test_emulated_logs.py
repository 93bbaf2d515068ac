"""What jobs of the emulator print: each test fails without one of the corrections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from harness import wait_for

from aws.batch_corrections.log_lines import lines

if TYPE_CHECKING:
    from aws.conftest import Jobs

GROUP = "/aws/batch/job"


def test_lines_are_there_while_the_container_runs(jobs: Jobs) -> None:
    """For both ways of reading; the stream is named too."""
    job_id = jobs.submit("trap 'exit 0' TERM; echo out; echo err >&2; while :; do sleep 0.05; done")
    wait_for(lambda: sorted(jobs.aws.log(job_id)) == ["err", "out"], 10, "the lines of a running job")
    job = jobs.describe(job_id)
    assert job["status"] == "RUNNING"
    stream = job["container"]["logStreamName"]
    events = jobs.aws.client("logs").get_log_events(logGroupName=GROUP, logStreamName=stream)["events"]
    assert sorted(event["message"] for event in events) == ["err", "out"]
    assert all(event["timestamp"] >= job["createdAt"] for event in events)


def test_events_of_several_streams_are_in_the_order_of_time(jobs: Jobs) -> None:
    """Page by page, from a time on, each with an id of its own."""
    job_id = jobs.submit("for i in 1 2 3; do echo $i; sleep 0.02; done", arrayProperties={"size": 2})
    jobs.wait(job_id)
    streams = [jobs.describe(f"{job_id}:{index}")["container"]["logStreamName"] for index in range(2)]
    found: list[dict[str, Any]] = []
    token: dict[str, str] = {}
    while not found or token:
        page = jobs.aws.client("logs").filter_log_events(
            logGroupName=GROUP, logStreamNames=streams, limit=2, **token
        )
        found += page["events"]
        token = {"nextToken": page["nextToken"]} if "nextToken" in page else {}
    times = [event["timestamp"] for event in found]
    assert times == sorted(times)
    assert len({event["eventId"] for event in found}) == 6
    later = jobs.aws.client("logs").filter_log_events(
        logGroupName=GROUP, logStreamNames=streams, startTime=times[3]
    )
    assert [event["timestamp"] for event in later["events"]] == [each for each in times if each >= times[3]]


def test_an_unknown_stream_is_an_error(jobs: Jobs) -> None:
    """And so are more than 100 streams."""
    jobs.end()
    logs = jobs.aws.client("logs")
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        logs.filter_log_events(logGroupName=GROUP, logStreamNames=["job/default/none"])
    with pytest.raises(ClientError, match="InvalidParameterException"):
        logs.filter_log_events(logGroupName=GROUP, logStreamNames=[str(number) for number in range(101)])


def test_a_definition_may_name_its_group(jobs: Jobs) -> None:
    """It has to exist, or no container starts."""
    options = {"awslogs-group": "/my/group", "awslogs-stream-prefix": "mine"}
    definition = jobs.aws.job_definition(
        jobs.image, logConfiguration={"logDriver": "awslogs", "options": options}
    )
    job = jobs.end("echo hello", jobDefinition=definition)
    assert job["statusReason"] == "Task failed to start"
    assert "/my/group" in job["container"]["reason"]
    jobs.aws.client("logs").create_log_group(logGroupName="/my/group")
    job = jobs.end("echo hello", jobDefinition=definition)
    assert job["container"]["logStreamName"].startswith("mine/default/")
    assert jobs.aws.log(job["jobId"]) == ["hello"]


def test_a_long_line_stays_whole(jobs: Jobs) -> None:
    """The engine splits it into parts of 16 KiB."""
    job = jobs.end("python3 -c \"print('x' * 50_000); print('ü', end='')\"")
    assert jobs.aws.log(job["jobId"]) == ["x" * 50_000, "ü"]


def test_lines_keep_their_time_and_lose_their_end() -> None:
    """Of a split line the time of its first part counts; an empty one is no event."""
    frames = [
        b"2026-01-02T03:04:05.678901234Z one \r\n",
        b"2026-01-02T03:04:06Z tw",
        b"2026-01-02T03:04:07Z o\n",
        b"2026-01-02T03:04:08Z \n",
        b"2026-01-02T03:04:09.5Z three",
    ]
    start = 1767323045000
    wanted = [(start + 678, "one "), (start + 1000, "two"), (start + 4500, "three")]
    assert list(lines(frames)) == wanted
