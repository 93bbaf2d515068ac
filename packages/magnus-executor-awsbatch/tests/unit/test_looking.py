"""What a person sees while jobs wait and run: reasons, lines, and how often AWS is asked."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from batch_kit import BEGIN, LAST
from fake_batch import Children, Fails, Hangs, Reclaimed, Succeeds, Unschedulable
from fake_batch.containers import DEFAULT_LOG_GROUP

from magnus.domain.run_log import Status

if TYPE_CHECKING:
    from batch_kit import Kit

CAPACITY = "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - Service cannot fulfill the capacity requested"
UNKNOWN = "UNDETERMINED - Batch job is blocked, root cause is undetermined."


class TestReasonsForWaiting:
    """They are shown, each once."""

    def test_they_are_shown_as_they_change(self, kit: Kit) -> None:
        """A job that may still start goes on waiting."""
        kit.aws.in_order(Unschedulable(because=CAPACITY))
        executor = kit.executor()
        executor.trigger_job(kit.job(), kit.lent)
        assert executor.wait_for_jobs(3600) == []
        kit.jobs()[0].status_reason = UNKNOWN
        assert executor.wait_for_jobs(3600) == []
        assert kit.lent.told == [f"step: waits: {CAPACITY}", f"step: waits: {UNKNOWN}"]

    def test_an_array_shows_them_once_for_all(self, kit: Kit) -> None:
        """With the number of its children."""
        kit.aws.in_order(Unschedulable(because=CAPACITY))
        executor = kit.executor()
        executor.trigger_jobs(kit.items(5), kit.lent)
        executor.wait_for_jobs(60)
        assert kit.lent.told == [f"map.0.fit and 4 more: waits: {CAPACITY}"]

    def test_a_job_that_waits_for_its_next_attempt_says_why(self, kit: Kit) -> None:
        """Its host was reclaimed."""
        kit.aws.in_order(Reclaimed(times=1, after=1, then=Succeeds(waits=30, lines=[BEGIN, LAST])))
        assert kit.run().status is Status.SUCCESS
        assert kit.lent.told == ["step: waits: Host EC2 (instance i-0abc1234def567890) terminated."]

    def test_a_queue_that_cannot_be_looked_at_ends_nothing(self, kit: Kit) -> None:
        """It is looked at again."""
        kit.aws.in_order(Unschedulable())
        executor = kit.executor()
        executor.trigger_job(kit.job(), kit.lent)
        kit.aws.refuse("DescribeJobQueues", "AccessDeniedException", status=403, calls=100)
        assert executor.wait_for_jobs(600) == []


class TestLines:
    """What jobs print is handed on while they run."""

    def test_each_comes_once_in_order_and_live(self, kit: Kit) -> None:
        """A line of a second ago is there at the next look."""
        lines: list[str | tuple[float, str]] = [
            BEGIN,
            (10.0, "ten"),
            (10.0, "ten"),
            (20.0, "twenty"),
            (59.0, "last"),
            (59.5, LAST),
        ]
        kit.aws.in_order(Succeeds(after=60, lines=lines))
        executor = kit.executor()
        executor.trigger_job(kit.job(), kit.lent)
        executor.wait_for_jobs(17)
        assert kit.lent.last().lines == ["ten", "ten"]
        executor.wait_for_jobs(10)
        assert kit.lent.last().lines == ["ten", "ten", "twenty"]
        kit.finish(executor)
        assert kit.lent.last().lines == ["ten", "ten", "twenty", "last"]

    def test_the_last_ones_are_waited_for_after_the_end(self, kit: Kit) -> None:
        """They become readable later; once all is told nobody waits any more."""
        kit.aws.logs.lag_seconds = 8
        kit.aws.in_order(Succeeds(after=1, lines=[BEGIN, (0.9, "late"), (0.9, LAST)]))
        began = kit.clock.now()
        assert kit.run().status is Status.SUCCESS
        assert kit.lent.last().lines == ["late"]
        assert kit.clock.now() - began < 13

    def test_what_never_says_its_last_is_waited_for_a_little(self, kit: Kit) -> None:
        """It was broken off."""
        kit.aws.in_order(Fails(exit_code=9, after=1, lines=[BEGIN]))
        began = kit.clock.now()
        assert kit.run().failure == "exit:9"
        assert 15 <= kit.clock.now() - began < 19

    def test_another_attempt_of_batch_has_another_stream(self, kit: Kit) -> None:
        """Its lines are read from their start."""
        then = Succeeds(after=10, lines=[BEGIN, "second", LAST])
        kit.aws.in_order(Reclaimed(times=1, after=10, lines=[BEGIN, "first"], then=then))
        kit.run()
        assert kit.lent.last().lines == ["first", "second"]

    def test_lines_that_become_readable_out_of_order_are_all_shown(self, kit: Kit) -> None:
        """Up to ten seconds late."""
        kit.aws.in_order(Succeeds(after=40, lines=[BEGIN, (10.0, "on time"), (39.0, LAST)]))
        executor = kit.executor()
        executor.trigger_job(kit.job(), kit.lent)
        executor.wait_for_jobs(22)
        stream = kit.jobs()[0].attempts[0].log_stream_name
        assert stream is not None
        kit.aws.logs.put(DEFAULT_LOG_GROUP, stream, kit.clock.now() - 15, "late")
        kit.finish(executor)
        assert kit.lent.last().lines == ["on time", "late"]

    def test_a_hundred_jobs_share_a_call(self, kit: Kit) -> None:
        """150 need two."""
        kit.aws.script("*", Hangs(lines=[BEGIN, "hello"]))
        executor = kit.executor()
        executor.trigger_jobs(kit.items(150), kit.lent)
        executor.wait_for_jobs(7)
        assert kit.aws.calls["FilterLogEvents"] == 2
        assert all(kit.lent.last(f"map.{index}.fit").lines == ["hello"] for index in range(150))

    def test_a_stream_that_is_not_there_yet_hides_no_others(self, kit: Kit) -> None:
        """Though the service then tells of none of those that were asked for together."""
        kit.aws.script("*", Hangs(lines=[BEGIN, "hello"]))
        executor = kit.executor()
        executor.trigger_jobs(kit.items(20), kit.lent)
        stream = kit.aws.jobs()[8].attempts[0].log_stream_name
        assert stream is not None
        hidden = kit.aws.logs.remove(DEFAULT_LOG_GROUP, stream)
        executor.wait_for_jobs(7)
        shown = [index for index in range(20) if kit.lent.last(f"map.{index}.fit").lines]
        assert shown == [index for index in range(20) if index != 7]
        kit.aws.logs.restore(DEFAULT_LOG_GROUP, stream, hidden)
        executor.wait_for_jobs(6)
        assert all(kit.lent.last(f"map.{index}.fit").lines == ["hello"] for index in range(20))

    def test_streams_that_are_not_there_cost_a_bounded_number_of_calls(self, kit: Kit) -> None:
        """However many they are."""
        kit.aws.script("*", Hangs(lines=[BEGIN]))
        executor = kit.executor()
        executor.trigger_jobs(kit.items(100), kit.lent)
        for job in kit.aws.jobs():
            if job.index is not None and job.attempts[0].log_stream_name:
                kit.aws.logs.remove(DEFAULT_LOG_GROUP, job.attempts[0].log_stream_name)
        executor.wait_for_jobs(7)
        assert kit.aws.calls["FilterLogEvents"] == 20

    def test_a_quiet_job_does_not_have_all_lines_read_again(self, kit: Kit) -> None:
        """A look asks for the last minute, not for hours."""
        noisy = Succeeds(
            after=3600,
            lines=[BEGIN, *((float(second), f"{second}") for second in range(0, 3599, 10)), (3599.0, LAST)],
        )
        kit.aws.in_order(Children({0: noisy}, others=Hangs()))
        executor = kit.executor()
        executor.trigger_jobs(kit.items(2), kit.lent)
        kit.finish(executor)
        asked = [call for call in kit.aws.requests if call.operation == "FilterLogEvents"]
        late = [
            call.at - call.request["startTime"] / 1000 for call in asked if call.at > kit.clock.now() - 1000
        ]
        assert len(late) > 100
        assert max(late) < 100
        assert kit.lent.last("map.0.fit").lines == [str(second) for second in range(0, 3599, 10)]

    def test_the_group_is_that_of_the_definition(self, kit: Kit) -> None:
        """Which magnus registered, or found."""
        kit.aws.logs.create("/own")
        kit.aws.in_order(Succeeds(after=1, lines=[BEGIN, "hello", LAST]))
        kit.run(kit.job(log_group="/own"))
        assert kit.lent.last().lines == ["hello"]
        asked = [call.request for call in kit.aws.requests if call.operation == "FilterLogEvents"]
        assert {request["logGroupName"] for request in asked} == {"/own"}

    def test_lines_that_cannot_be_read_are_told_once_and_cost_no_patience(self, kit: Kit) -> None:
        """The run log tells what became of the step."""
        kit.aws.in_order(Succeeds(after=20, lines=[BEGIN, LAST]))
        kit.aws.refuse("FilterLogEvents", "AccessDeniedException", calls=100)
        job = kit.job()
        kit.lent.recorded.add(job.identity)
        began = kit.clock.now()
        assert kit.run(job).status is Status.SUCCESS
        assert kit.clock.now() - began < 27
        assert kit.lent.told == [
            (
                "what the jobs print cannot be shown: FilterLogEvents: access is denied (Asked for by a test); allow it to the "
                "identity that magnus runs as"
            )
        ]

    def test_a_failure_that_passes_costs_no_lines(self, kit: Kit) -> None:
        """Not even the last ones of jobs that ended meanwhile."""
        kit.aws.in_order(Succeeds(after=1, lines=[BEGIN, "hello", LAST]))
        kit.aws.refuse("FilterLogEvents", "InternalFailure", status=500)
        assert kit.run().status is Status.SUCCESS
        assert kit.lent.last().lines == ["hello"]

    def test_a_busy_service_slows_everything_down(self, kit: Kit) -> None:
        """The pauses double as long as it is busy."""
        kit.aws.in_order(Hangs(lines=[BEGIN]))
        kit.aws.throttle("FilterLogEvents", 3)
        executor = kit.executor()
        executor.trigger_job(kit.job(), kit.lent)
        executor.wait_for_jobs(100)
        looks = [call.at for call in kit.aws.requests if call.operation == "FilterLogEvents"]
        pauses = [after - before for before, after in pairwise(looks)][:4]
        for pause, factor in zip(pauses, (2, 4, 8, 1), strict=True):
            assert 5 * factor <= pause <= 6 * factor


@pytest.mark.parametrize("interval", [5.0, 30.0])
def test_jobs_are_looked_at_at_the_pace_that_is_asked_for(kit: Kit, interval: float) -> None:
    """A fifth slower at most."""
    kit.aws.in_order(Hangs(lines=[BEGIN]))
    executor = kit.executor(kit.options(poll_interval=interval))
    executor.trigger_job(kit.job(poll_interval=interval), kit.lent)
    executor.wait_for_jobs(30 * interval)
    assert 24 <= kit.aws.calls["DescribeJobs"] <= 30


def test_nothing_is_asked_while_nothing_runs(kit: Kit) -> None:
    """And a wait with nothing to wait for is over at once."""
    executor = kit.executor()
    began = kit.clock.now()
    assert executor.wait_for_jobs(None) == []
    assert (kit.clock.now(), kit.aws.calls["DescribeJobs"]) == (began, 0)


def test_a_wait_is_over_in_time(kit: Kit) -> None:
    """Though the job runs on."""
    kit.aws.in_order(Hangs(lines=[BEGIN]))
    executor = kit.executor()
    executor.trigger_job(kit.job(), kit.lent)
    began = kit.clock.now()
    assert executor.wait_for_jobs(2) == []
    assert kit.clock.now() == began + 2
