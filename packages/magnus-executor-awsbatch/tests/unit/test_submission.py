"""How a job gets to Batch: once, whatever becomes of an answer."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from batch_kit import BEGIN, LAST
from fake_batch import AnswerLost, Refused, Runs, Succeeds, Throttled
from fake_s3 import refusal

from magnus.domain.run_log import Status

if TYPE_CHECKING:
    from batch_kit import Kit
    from fake_batch import RunningJob

DONE = Succeeds(lines=[BEGIN, LAST])


def test_a_job_is_submitted_and_its_end_is_told(kit: Kit) -> None:
    """One submission; nothing is left in the handover, and what the core has lent is closed."""
    executor = kit.executor()
    end = kit.run(kit.job(), executor)
    assert (end.status, end.message, end.job.step_name) == (Status.SUCCESS, "", "step")
    (request,) = kit.submitted()
    assert (request["jobQueue"], request["containerOverrides"]["command"][:2]) == ("spot", ["magnus", "step"])
    assert kit.s3.keys == []
    assert kit.lent.last().is_closed
    assert executor.wait_for_jobs(None) == []


def test_the_services_are_asked_where_the_options_say(kit: Kit) -> None:
    """Batch, its logs and the handover."""
    kit.run(kit.job(region="eu-west-1", endpoint_url="http://here:1"))
    assert kit.places == {(name, "eu-west-1", "http://here:1") for name in ("batch", "logs", "s3")}


def test_a_job_finds_what_it_is_told(kit: Kit) -> None:
    """By the address in its command."""
    found = []

    def work(running: RunningJob) -> None:
        found.append(kit.mailbox(running).read())
        running.print(BEGIN)
        running.print(LAST)

    kit.aws.in_order(Runs(work))
    assert kit.run().status is Status.SUCCESS
    assert found == [b"do step, attempt 1"]


def test_a_job_that_is_asked_for_twice_is_submitted_once(kit: Kit) -> None:
    """While it runs, and after its end."""
    executor = kit.executor()
    assert [executor.trigger_job(kit.job(), kit.lent) for _ in range(2)] == [Status.TRIGGERED] * 2
    kit.finish(executor)
    assert executor.trigger_job(kit.job(), kit.lent) is Status.SUCCESS
    assert executor.wait_for_jobs(None) == []
    assert kit.aws.calls["SubmitJob"] == 1


def test_attempts_are_jobs_of_their_own(kit: Kit) -> None:
    """Their names differ."""
    executor = kit.executor()
    for attempt in (1, 2):
        kit.run(kit.job(attempt=attempt), executor)
    assert len({request["jobName"] for request in kit.submitted()}) == 2


class TestTooManyCalls:
    """Submissions that are refused for that are put off."""

    def test_they_are_tried_again_after_growing_pauses(self, kit: Kit) -> None:
        """Others are taken meanwhile."""
        kit.aws.script("*slow*", Throttled(calls=3, then=DONE))
        executor = kit.executor()
        executor.trigger_job(kit.job("slow"), kit.lent)
        executor.trigger_job(kit.job("quick"), kit.lent)
        assert [end.status for end in kit.finish(executor, 2)] == [Status.SUCCESS] * 2
        tries = [
            call.at
            for call in kit.aws.requests
            if call.operation == "SubmitJob" and "slow" in str(call.request)
        ]
        pauses = [round(after - before) for before, after in pairwise(tries)]
        assert pauses == [1, 2, 4]
        assert (
            kit.lent.told
            == ["slow: SubmitJob: there are too many calls (TooManyRequestsException); trying again"] * 3
        )

    def test_a_job_ends_when_the_budget_is_spent(self, kit: Kit) -> None:
        """The user's `retry` is not for that; nothing is left, and others go on."""
        kit.aws.script("*slow*", Throttled(calls=100))
        executor = kit.executor()
        executor.trigger_job(kit.job("slow", budgets={"throttled": 2}), kit.lent)
        (end,) = kit.finish(executor)
        assert end.message == (
            "AWS was too busy to take the job: SubmitJob: there are too many calls (TooManyRequestsException) "
            "(throttled: tried again 2 times; see `budgets`)"
        )
        assert (end.status, end.failure, end.retryable) == (Status.FAIL, "throttled", False)
        assert kit.aws.calls["SubmitJob"] == 3
        assert kit.s3.keys == []
        assert kit.run(kit.job("quick"), executor).status is Status.SUCCESS
        assert kit.aws.calls["SubmitJob"] == 4

    def test_no_network_is_like_too_many_calls(self, kit: Kit) -> None:
        """Nothing was submitted."""
        kit.aws.be_out_of_reach("SubmitJob")
        assert kit.run().status is Status.SUCCESS
        assert kit.aws.calls["ListJobs"] == 0


class TestLostAnswers:
    """Nobody knows whether the job was taken."""

    def test_it_is_found_by_its_name(self, kit: Kit) -> None:
        """And not submitted twice."""
        kit.aws.in_order(AnswerLost(then=DONE))
        assert kit.run().status is Status.SUCCESS
        assert (kit.aws.calls["SubmitJob"], len(kit.jobs())) == (1, 1)

    def test_an_array_is_found_too(self, kit: Kit) -> None:
        """With its children."""
        kit.aws.in_order(AnswerLost(then=DONE))
        executor = kit.executor()
        executor.trigger_jobs(kit.items(3), kit.lent)
        assert {end.status for end in kit.finish(executor, 3)} == {Status.SUCCESS}
        assert len(kit.jobs()) == 1

    def test_what_was_not_taken_is_submitted_again_once_it_would_be_listed(self, kit: Kit) -> None:
        """Not sooner: it could have been taken, and not be listed yet."""
        kit.aws.refuse("SubmitJob", "InternalFailure", status=500)
        assert kit.run().status is Status.SUCCESS
        first, second = (call.at for call in kit.aws.requests if call.operation == "SubmitJob")
        assert 30 <= second - first < 35
        assert len(kit.jobs()) == 1

    def test_what_is_listed_late_is_not_submitted_again(self, kit: Kit) -> None:
        """The list is not asked in vain."""
        kit.aws.in_order(AnswerLost(then=DONE))
        kit.aws.hide_from_lists(seconds=20)
        assert kit.run().status is Status.SUCCESS
        assert len(kit.jobs()) == 1

    def test_a_list_that_cannot_be_had_is_asked_again(self, kit: Kit) -> None:
        """The job may run meanwhile."""
        kit.aws.in_order(AnswerLost(then=DONE))
        kit.aws.throttle("ListJobs", 12)
        assert kit.run().status is Status.SUCCESS
        assert len(kit.jobs()) == 1

    def test_a_list_that_is_refused_ends_the_job_as_lost(self, kit: Kit) -> None:
        """Nobody may say that it does not run."""
        kit.aws.in_order(AnswerLost(then=DONE))
        kit.aws.refuse("ListJobs", "AccessDeniedException", status=403)
        end = kit.run()
        assert (end.failure, end.retryable) == ("lost", False)
        assert end.message == (
            "the job is lost: nobody knows whether it was submitted: ListJobs: access is denied (Asked for by a test); allow "
            "it to the identity that magnus runs as; it may still run (lost: not tried again; see `budgets`)"
        )


@pytest.mark.parametrize("count", [1, 3])
def test_a_refused_submission_fails_its_steps_for_good(kit: Kit, count: int) -> None:
    """With what Batch said; asked for again, they are known as failed."""
    kit.aws.in_order(Refused(message="Role is not valid"))
    executor = kit.executor()
    jobs = kit.items(count)
    assert executor.trigger_jobs(jobs, kit.lent) == [Status.TRIGGERED] * count
    ends = kit.finish(executor, count)
    assert {(end.status, end.message, end.failure, end.retryable) for end in ends} == {
        (Status.FAIL, "SubmitJob: Role is not valid", "submission", False)
    }
    assert executor.trigger_jobs(jobs, kit.lent) == [Status.FAIL] * count
    assert kit.s3.keys == []


def test_a_handover_that_cannot_be_written_fails_its_steps(kit: Kit) -> None:
    """Nothing is submitted, and what the core has lent is closed."""
    kit.s3.fail("PutObject", refusal("PutObject", "AccessDenied", 403))
    executor = kit.executor()
    end = kit.run(kit.job(), executor)
    assert end.message == (
        "PutObject on s3://bucket/handover: access is denied (Asked for by a test); allow it to the identity that magnus "
        "runs as"
    )
    assert (end.failure, end.retryable) == ("submission", False)
    assert kit.submitted() == []
    assert kit.lent.last().is_closed
    assert executor.trigger_job(kit.job(), kit.lent) is Status.FAIL


def test_what_another_process_has_submitted_under_the_name_is_followed(kit: Kit) -> None:
    """So of two that traverse the same run only one submits; the marks are those of the first."""
    first, second = kit.executor(), kit.executor()
    kit.aws.script("*", Succeeds(after=60, lines=[BEGIN, LAST]))
    first.trigger_job(kit.job(), kit.lent)
    second.trigger_job(kit.job(), kit.lent)
    assert kit.aws.calls["SubmitJob"] == 1
    assert [remote.mark for remote in kit.lent.remotes["step"]] == ["mark1", "mark2", "mark1"]
    assert kit.lent.remotes["step"][1].is_closed
    assert kit.finish(second)[0].status is Status.SUCCESS


def test_what_another_process_has_only_meant_to_submit_is_submitted_after_a_while(kit: Kit) -> None:
    """It was killed in between."""
    first = kit.executor()
    kit.aws.throttle("SubmitJob")
    first.trigger_job(kit.job(), kit.lent)
    began = kit.clock.now()
    second = kit.executor()
    second.trigger_job(kit.job(), kit.lent)
    assert 10 <= kit.clock.now() - began < 13
    assert len(kit.jobs()) == 1
    assert kit.finish(second)[0].status is Status.SUCCESS
