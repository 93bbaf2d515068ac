"""A map whose branch is one task is an array, whose children are the jobs of its items."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from batch_kit import ANSWER, BEGIN, LAST
from fake_batch import CannotPull, Children, Fails, Hangs, Reclaimed, Runs, Succeeds, Unschedulable

from magnus.domain.run_log import Status

if TYPE_CHECKING:
    from batch_kit import Kit
    from fake_batch import RunningJob

DONE = Succeeds(after=1, lines=[BEGIN, LAST])
CPU = "MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - too much"


def test_jobs_together_are_one_submission(kit: Kit) -> None:
    """Each has an end of its own; nothing is left in the handover."""
    executor = kit.executor()
    jobs = kit.items(3)
    assert executor.trigger_jobs(jobs, kit.lent) == [Status.TRIGGERED] * 3
    ends = kit.finish(executor, 3)
    assert {end.job.identity for end in ends} == {job.identity for job in jobs}
    assert {end.status for end in ends} == {Status.SUCCESS}
    (request,) = kit.submitted()
    assert request["arrayProperties"] == {"size": 3}
    assert request["tags"]["magnus-step"] == "map._.fit"
    assert kit.s3.keys == []


def test_a_map_of_one_item_is_no_array(kit: Kit) -> None:
    """Batch has none of one child."""
    executor = kit.executor()
    executor.trigger_jobs(kit.items(1), kit.lent)
    assert kit.finish(executor)[0].status is Status.SUCCESS
    assert "arrayProperties" not in kit.submitted()[0]


def test_every_child_finds_its_own_message(kit: Kit) -> None:
    """And leaves its own answer."""
    found = {}

    def work(running: RunningJob) -> None:
        mailbox = kit.mailbox(running)
        found[running.index] = mailbox.read().rstrip(b"\0")
        mailbox.answer(f"from {running.index}".encode())
        for line in (BEGIN, ANSWER, LAST):
            running.print(line)

    kit.aws.in_order(Runs(work))
    executor = kit.executor()
    executor.trigger_jobs(kit.items(12), kit.lent)
    kit.finish(executor, 12)
    assert found == {index: f"do map.{index}.fit, attempt 1".encode() for index in range(12)}
    assert kit.lent.last("map.11.fit").answers == [b"from 11"]
    assert kit.s3.keys == []


def test_more_than_an_array_holds_is_several(kit: Kit) -> None:
    """10,000 children at most; one that is left is no array."""
    executor = kit.executor()
    executor.trigger_jobs(kit.items(10_001), kit.lent)
    sizes = [request.get("arrayProperties") for request in kit.submitted()]
    assert sizes == [{"size": 10_000}, None]
    ends = kit.finish(executor, 10_001)
    assert Counter(end.status for end in ends) == {Status.SUCCESS: 10_001}
    assert kit.s3.keys == []


def test_what_was_asked_for_before_is_left_out(kit: Kit) -> None:
    """The others are an array of their own."""
    executor = kit.executor()
    jobs = kit.items(4)
    executor.trigger_job(jobs[1], kit.lent)
    executor.trigger_jobs(jobs, kit.lent)
    assert [request.get("arrayProperties") for request in kit.submitted()] == [None, {"size": 3}]
    assert len(kit.finish(executor, 4)) == 4


def test_one_failed_child_is_tried_again_alone(kit: Kit) -> None:
    """Its siblings are not touched."""
    kit.aws.in_order(Children({1: CannotPull()}, others=DONE), DONE)
    executor = kit.executor()
    executor.trigger_jobs(kit.items(3), kit.lent)
    assert {end.status for end in kit.finish(executor, 3)} == {Status.SUCCESS}
    array, alone = kit.submitted()
    assert (array["arrayProperties"], alone.get("arrayProperties")) == ({"size": 3}, None)
    assert alone["tags"]["magnus-step"] == "map.1.fit"
    assert kit.lent.told[0].startswith("map.1.fit: the container could not be started: CannotPull")
    assert kit.s3.keys == []


def test_a_reclaimed_child_goes_on_to_the_next_queue_alone(kit: Kit) -> None:
    """After the attempts that Batch makes itself."""
    kit.aws.in_order(Children({2: Reclaimed()}, others=DONE), DONE)
    executor = kit.executor()
    queues = ("spot", "on-demand")
    executor.trigger_jobs(kit.items(3, job_queue=queues, budgets={"host-reclaimed": 1}), kit.lent)
    assert {end.status for end in kit.finish(executor, 3)} == {Status.SUCCESS}
    assert [request["jobQueue"] for request in kit.submitted()] == ["spot", "on-demand"]
    assert len(next(job for job in kit.aws.jobs() if job.index == 2).attempts) == 2


def test_the_own_failure_of_a_child_is_its_own(kit: Kit) -> None:
    """The array fails as a whole in Batch; its other children have succeeded all the same."""
    kit.aws.in_order(Children({0: Fails(exit_code=3, lines=[BEGIN, LAST])}, others=DONE))
    executor = kit.executor()
    executor.trigger_jobs(kit.items(3), kit.lent)
    ends = {end.job.step_name: end for end in kit.finish(executor, 3)}
    assert [ends[f"map.{index}.fit"].status for index in range(3)] == [
        Status.FAIL,
        Status.SUCCESS,
        Status.SUCCESS,
    ]
    assert ends["map.0.fit"].retryable


class TestUnseenChildren:
    """Batch makes the children of an array some time after it."""

    def test_only_the_array_is_asked_for_until_there_are_some(self, kit: Kit) -> None:
        """Nobody is lost meanwhile."""
        kit.aws.script("*", Succeeds(after=100, lines=[BEGIN, LAST]))
        kit.aws.make_children_after(60)
        executor = kit.executor()
        executor.trigger_jobs(kit.items(1000), kit.lent)
        assert executor.wait_for_jobs(55) == []
        assert 9 <= kit.aws.calls["DescribeJobs"] <= 11
        assert {end.status for end in kit.finish(executor, 1000)} == {Status.SUCCESS}

    def test_the_array_is_asked_for_no_more_once_all_are_seen(self, kit: Kit) -> None:
        """Ten children need one call."""
        kit.aws.script("*", Hangs(lines=[BEGIN]))
        executor = kit.executor()
        executor.trigger_jobs(kit.items(10), kit.lent)
        executor.wait_for_jobs(20)
        asked = [call.request["jobs"] for call in kit.aws.requests if call.operation == "DescribeJobs"]
        assert all(":" in job_id for job_id in asked[-1])

    def test_an_array_that_failed_before_it_had_any_fails_them_all(self, kit: Kit) -> None:
        """With what Batch says of it."""
        kit.aws.script("*", Hangs())
        kit.aws.make_children_after(1e9)
        executor = kit.executor()
        executor.trigger_jobs(kit.items(3), kit.lent)
        executor.wait_for_jobs(12)
        (array,) = kit.jobs()
        array.status, array.status_reason = "FAILED", "Dependent Job failed"
        ends = kit.finish(executor, 3)
        (message,) = {end.message for end in ends}
        assert message == (
            "the job is lost: Batch says that it failed, without an exit code (Dependent Job failed); it may still run (lost: "
            "not tried again; see `budgets`)"
        )

    def test_an_array_that_succeeded_with_children_that_nobody_saw_is_no_endless_wait(self, kit: Kit) -> None:
        """The run log tells what they did."""
        executor = kit.executor()
        jobs = kit.items(2)
        executor.trigger_jobs(jobs, kit.lent)
        (array,) = kit.jobs()
        for child in array.children:
            kit.aws.forget(child.job_id)
        kit.lent.recorded.add(jobs[0].identity)
        ends = {end.job.step_name: end for end in kit.finish(executor, 2)}
        assert ends["map.0.fit"].status is Status.SUCCESS
        assert ends["map.1.fit"].message.startswith("the container ended well without running the step")

    def test_an_array_that_is_forgotten_is_lost_with_all_its_children(self, kit: Kit) -> None:
        """It is ended once, child by child."""
        executor = kit.executor()
        executor.trigger_jobs(kit.items(2), kit.lent)
        kit.aws.forget(kit.jobs()[0].job_id)
        ends = kit.finish(executor, 2)
        assert {end.failure for end in ends} == {"lost"}

    def test_an_array_that_waits_in_vain_is_unschedulable(self, kit: Kit) -> None:
        """Though it has no children that could say so."""
        kit.aws.script("*", Unschedulable())
        kit.aws.make_children_after(1e9)
        executor = kit.executor()
        executor.trigger_jobs(kit.items(2), kit.lent)
        kit.aws.registry.change_queue("spot", state="DISABLED")
        ends = kit.finish(executor, 2, patience=120)
        assert {end.failure for end in ends} == {"unschedulable"}


class TestUnschedulableArrays:
    """What no environment can run, none of the children can."""

    def test_the_array_is_ended_as_a_whole(self, kit: Kit) -> None:
        """Once, and not child by child."""
        kit.aws.in_order(Unschedulable(because=CPU))
        executor = kit.executor()
        executor.trigger_jobs(kit.items(50), kit.lent)
        ends = kit.finish(executor, 50)
        assert {(end.failure, end.retryable) for end in ends} == {("unschedulable", False)}
        assert kit.aws.calls["TerminateJob"] == 1
        assert kit.jobs()[0].is_terminated

    def test_children_that_run_go_on(self, kit: Kit) -> None:
        """A queue that is disabled lets them."""
        kit.aws.in_order(Children({0: Succeeds(after=600, lines=[BEGIN, LAST])}, others=Unschedulable()))
        executor = kit.executor()
        executor.trigger_jobs(kit.items(3), kit.lent)
        executor.wait_for_jobs(12)
        kit.aws.registry.change_queue("spot", state="DISABLED")
        ends = {end.job.step_name: end for end in kit.finish(executor, 3)}
        assert [ends[f"map.{index}.fit"].failure for index in range(3)] == [
            "",
            "unschedulable",
            "unschedulable",
        ]
        assert ends["map.0.fit"].status is Status.SUCCESS

    def test_a_queue_is_looked_at_once_for_all_that_wait(self, kit: Kit) -> None:
        """Not once for each child."""
        kit.aws.in_order(Unschedulable())
        executor = kit.executor()
        executor.trigger_jobs(kit.items(50), kit.lent)
        before = kit.aws.calls["DescribeJobQueues"]
        executor.wait_for_jobs(110)
        assert 1 <= kit.aws.calls["DescribeJobQueues"] - before <= 2


class TestCalls:
    """What a large map costs."""

    @pytest.mark.parametrize("seconds", [1, 60])
    def test_a_thousand_items(self, kit: Kit, seconds: float) -> None:
        """One submission; ten calls for each look at them."""
        kit.aws.script("*", Succeeds(after=seconds, lines=[BEGIN, LAST]))
        executor = kit.executor()
        began = kit.clock.now()
        executor.trigger_jobs(kit.items(1000), kit.lent)
        kit.finish(executor, 1000)
        duration = kit.clock.now() - began
        assert kit.aws.calls["SubmitJob"] == 1
        assert kit.aws.calls["DescribeJobs"] <= duration / 5 * 10 + 10
        assert kit.aws.calls["FilterLogEvents"] <= duration / 5 * 10 + 10
        assert kit.s3.calls == {"PutObject": 2, "DeleteObjects": 1}

    def test_what_ended_is_not_asked_for_again(self, kit: Kit) -> None:
        """Of 101 jobs the last runs long; it alone is asked for."""
        kit.aws.in_order(Children({100: Hangs(lines=[BEGIN])}, others=DONE))
        executor = kit.executor()
        executor.trigger_jobs(kit.items(101), kit.lent)
        kit.finish(executor, 100)
        executor.wait_for_jobs(20)
        last = [call for call in kit.aws.requests if call.operation == "DescribeJobs"][-1]
        assert len(last.request["jobs"]) == 1

    def test_busy_answers_in_the_middle_cost_nobody_his_turn(self, kit: Kit) -> None:
        """What was read is kept, and the next look begins where this one ended."""
        kit.aws.in_order(Children(dict.fromkeys(range(400), Hangs(lines=[BEGIN])), others=DONE))
        executor = kit.executor()
        executor.trigger_jobs(kit.items(1000), kit.lent)
        executor.wait_for_jobs(4)
        kit.aws.throttle_after("DescribeJobs", good=3, rounds=1000)
        ends = kit.finish(executor, 600)
        assert {end.status for end in ends} == {Status.SUCCESS}
