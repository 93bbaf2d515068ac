"""What becomes of jobs when the traversal ends before them: they are ended, or left and found again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from batch_kit import ANSWER, BEGIN, HANDOVER, LAST, Kit
from fake_batch import AnswerLost, CannotPull, Children, Hangs, Runs, Succeeds, Throttled
from fake_s3 import refusal

from magnus.domain.owner import own_label
from magnus.domain.run_log import Status
from magnus.errors import ConfigurationError
from magnus.ports.executor import ComputeNeeds

if TYPE_CHECKING:
    from collections.abc import Callable

    from fake_batch import RunningJob

    from magnus_executor_awsbatch.executor import AwsBatchExecutor

HANGS = Hangs(lines=[BEGIN])
DEAD = own_label() + "0"
"""The number of this process, which began at another time."""


class Stop(BaseException):
    """What a signal raises, wherever it finds the traversal."""


@pytest.fixture
def as_another_process(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Have what is submitted from now on be owned by another process."""

    def own_as(label: str) -> None:
        monkeypatch.setattr("magnus_executor_awsbatch.submitter.own_label", lambda: label)

    return own_as


@pytest.fixture
def left(kit: Kit, as_another_process: Callable[[str], None]) -> Kit:
    """Return an account in which a traversal of run `run` that was killed has left the job of `step`, running."""
    as_another_process(DEAD)
    kit.aws.script("*", Succeeds(after=300, lines=[BEGIN, (1.0, "early"), (299.0, "late"), (299.5, LAST)]))
    executor = kit.executor()
    executor.trigger_job(kit.job(), kit.lent)
    executor.wait_for_jobs(30)
    as_another_process(own_label())
    return kit


class TestStopping:
    """On Ctrl-C, SIGTERM or `max_time` nothing of the run goes on."""

    def test_every_job_is_ended_once(self, kit: Kit) -> None:
        """An array as a whole; nothing is left in the handover, and all that the core has lent is closed."""
        kit.aws.script("*", HANGS)
        executor = kit.executor()
        executor.trigger_job(kit.job(), kit.lent)
        executor.trigger_jobs(kit.items(30), kit.lent)
        executor.wait_for_jobs(12)
        executor.stop_jobs()
        assert kit.aws.calls["TerminateJob"] == 2
        assert all(job.is_terminated for job in kit.aws.jobs() if not job.children)
        assert {job.status_reason for job in kit.aws.jobs() if not job.children} == {
            "the run was interrupted"
        }
        assert kit.s3.keys == []
        assert all(remote.is_closed for remotes in kit.lent.remotes.values() for remote in remotes)
        assert executor.wait_for_jobs(None) == []

    def test_it_does_not_wait_for_ever(self, kit: Kit) -> None:
        """A step may take its time to end; what is left is up to Batch."""
        kit.aws.script("*", HANGS)
        kit.aws.terminate_after(60)
        executor = kit.executor()
        executor.trigger_job(kit.job(), kit.lent)
        executor.wait_for_jobs(12)
        began = kit.clock.now()
        executor.stop_jobs()
        assert 8 <= kit.clock.now() - began < 9
        assert kit.s3.keys == []

    def test_busy_answers_do_not_leave_a_job_running(self, kit: Kit) -> None:
        """The call is repeated."""
        kit.aws.script("*", HANGS)
        executor = kit.executor()
        executor.trigger_job(kit.job(), kit.lent)
        executor.wait_for_jobs(12)
        kit.aws.throttle("TerminateJob", 3)
        executor.stop_jobs()
        assert kit.jobs()[0].is_terminated

    def test_a_job_that_cannot_be_ended_is_told_and_can_be_reaped(self, kit: Kit) -> None:
        """So its handover stays."""
        kit.aws.script("*", HANGS)
        executor = kit.executor()
        executor.trigger_job(kit.job(), kit.lent)
        executor.wait_for_jobs(12)
        kit.aws.refuse("TerminateJob", "AccessDeniedException", status=403, calls=1000)
        executor.stop_jobs()
        executor.close()
        (job,) = kit.jobs()
        assert kit.lent.told == [
            (
                "step: its job could not be ended: TerminateJob: access is denied (Asked for by a test); allow it to the "
                "identity that magnus runs as"
            ),
            f"step: the job {job.name} in the queue 'spot' may still run; `magnus runs reap` ends it",
        ]
        assert len(kit.s3.keys) == 2

    def test_what_was_not_submitted_yet_never_is(self, kit: Kit) -> None:
        """It was put off."""
        kit.aws.script("*", Throttled(calls=100))
        executor = kit.executor()
        executor.trigger_job(kit.job(), kit.lent)
        executor.stop_jobs()
        assert kit.aws.calls["TerminateJob"] == 0
        assert kit.s3.keys == []
        assert executor.wait_for_jobs(None) == []

    def test_a_signal_in_the_middle_of_a_submission_leaves_nothing_running(self, kit: Kit) -> None:
        """The job was taken, but nobody came to know its id."""
        kit.aws.script("*", HANGS)
        kit.aws.throttle("SubmitJob")
        executor = kit.executor()
        executor.trigger_job(kit.job(), kit.lent)
        kit.aws.interrupt_after("SubmitJob", Stop())
        with pytest.raises(Stop):
            executor.wait_for_jobs(60)
        assert len(kit.jobs()) == 1
        executor.stop_jobs()
        assert kit.jobs()[0].is_terminated
        assert kit.s3.keys == []

    def test_a_job_that_may_have_been_taken_and_is_not_listed_is_told(self, kit: Kit) -> None:
        """And can be reaped later."""
        kit.aws.script("*", AnswerLost(then=HANGS))
        kit.aws.hide_from_lists(60)
        executor = kit.executor()
        executor.trigger_job(kit.job(), kit.lent)
        executor.stop_jobs()
        (job,) = kit.jobs()
        assert kit.lent.told[-1] == (
            f"step: the job {job.name} in the queue 'spot' may still run; `magnus runs reap` ends it"
        )
        assert len(kit.s3.keys) == 2

    @pytest.mark.parametrize("calls", range(12))
    def test_a_signal_at_any_moment_leaves_nothing(self, kit: Kit, calls: int) -> None:
        """Whichever call to AWS it interrupts: a child that is tried again, one that answers, one that goes on."""

        def work(running: RunningJob) -> None:
            mailbox = kit.mailbox(running)
            mailbox.read()
            mailbox.answer(b"learned")
            for line in (BEGIN, ANSWER, LAST):
                running.print(line)

        kit.aws.in_order(Children({0: CannotPull(), 1: Runs(work)}, others=HANGS), HANGS)
        executor = kit.executor()
        executor.trigger_jobs(kit.items(4), kit.lent)
        kit.interrupt_after(calls, Stop())
        with pytest.raises(Stop):
            self.wait_for_ever(executor)
        kit.interrupt_after(None)
        executor.stop_jobs()
        executor.close()
        assert all(job.has_ended for job in kit.aws.jobs())
        if kit.s3.keys:  # the call that it interrupted was a submission
            assert kit.lent.told[-1].endswith("may still run; `magnus runs reap` ends it")
            executor.reap("run", list)

    def wait_for_ever(self, executor: AwsBatchExecutor) -> None:
        """Wait as the core does."""
        for _ in range(100):
            executor.wait_for_jobs(60)

    def test_what_was_found_and_not_asked_for_yet_is_ended_too(self, left: Kit) -> None:
        """It belongs to the run."""
        executor = left.executor()
        executor.adopt("run", (), left.lent)
        executor.stop_jobs()
        assert left.jobs()[0].is_terminated
        assert left.s3.keys == []


class TestLeaving:
    """With `on_interrupt: detach` jobs go on."""

    def test_only_who_detaches_leaves_jobs(self, kit: Kit) -> None:
        """By default they are ended."""
        assert not kit.executor().leaves_jobs
        assert kit.executor(kit.options(on_interrupt="detach")).leaves_jobs

    def test_closing_touches_nothing_of_what_goes_on(self, kit: Kit) -> None:
        """The handover stays for who attaches."""
        kit.aws.script("*", HANGS)
        executor = kit.executor(kit.options(on_interrupt="detach"))
        executor.trigger_job(kit.job(), kit.lent)
        executor.wait_for_jobs(12)
        executor.close()
        assert len(kit.s3.keys) == 2
        assert not kit.jobs()[0].is_terminated


class TestAttaching:
    """The jobs of an earlier traversal are found by their names."""

    def test_a_job_that_runs_is_followed_and_not_submitted_again(self, left: Kit) -> None:
        """Its lines are shown from the first on, by the mark that it was started with."""
        executor = left.executor()
        (job,) = left.jobs()
        assert executor.adopt("run", (), left.lent) == [f"found the job {job.job_id} of step"]
        assert executor.trigger_job(left.job(), left.lent) is Status.TRIGGERED
        (end,) = left.finish(executor)
        assert end.status is Status.SUCCESS
        assert left.lent.last().lines == ["early", "late"]
        assert left.lent.last().mark == left.lent.remotes["step"][0].mark
        assert left.aws.calls["SubmitJob"] == 1
        assert left.s3.keys == []

    def test_a_job_that_has_ended_meanwhile_is_told_at_once(self, left: Kit) -> None:
        """Nothing is submitted."""
        left.clock.sleep(1000)
        executor = left.executor()
        executor.adopt("run", (), left.lent)
        assert left.run(left.job(), executor).status is Status.SUCCESS
        assert left.aws.calls["SubmitJob"] == 1

    def test_a_job_that_was_recorded_meanwhile_leaves_nothing(self, left: Kit) -> None:
        """Nobody asks for it again."""
        left.clock.sleep(1000)
        executor = left.executor()
        executor.adopt("run", (), left.lent)
        assert len(left.s3.keys) == 2
        executor.close()
        assert left.s3.keys == []

    def test_a_job_that_runs_and_was_not_asked_for_keeps_its_handover(self, left: Kit) -> None:
        """It may not have read it yet."""
        executor = left.executor()
        executor.adopt("run", (), left.lent)
        executor.close()
        assert len(left.s3.keys) == 2

    def test_an_array_is_followed_child_by_child(
        self, kit: Kit, as_another_process: Callable[[str], None]
    ) -> None:
        """Those that ended and were recorded before are not asked for."""
        as_another_process(DEAD)
        slow = Succeeds(after=300, lines=[BEGIN, LAST])
        kit.aws.script("*", Children({0: Succeeds(after=1, lines=[BEGIN, LAST])}, others=slow))
        first = kit.executor()
        jobs = kit.items(3)
        first.trigger_jobs(jobs, kit.lent)
        first.wait_for_jobs(30)
        as_another_process(own_label())
        second = kit.executor()
        (array,) = kit.jobs()
        assert second.adopt("run", (), kit.lent) == [f"found the job {array.job_id} of map.0.fit and 2 more"]
        second.trigger_jobs(jobs[1:], kit.lent)
        assert {end.status for end in kit.finish(second, 2)} == {Status.SUCCESS}
        assert kit.aws.calls["SubmitJob"] == 1
        second.close()
        assert kit.s3.keys == []

    def test_what_was_meant_and_never_submitted_is_submitted(
        self, kit: Kit, as_another_process: Callable[[str], None]
    ) -> None:
        """After the time that a job may take to be listed; once."""
        as_another_process(DEAD)
        kit.aws.throttle("SubmitJob")
        kit.executor().trigger_job(kit.job(), kit.lent)
        as_another_process(own_label())
        began = kit.clock.now()
        second = kit.executor()
        assert second.adopt("run", (), kit.lent) == []
        assert 10 <= kit.clock.now() - began < 13
        assert kit.run(kit.job(), second).status is Status.SUCCESS
        assert len(kit.jobs()) == 1

    @pytest.mark.parametrize("is_there", [True, False])
    def test_clocks_that_differ_make_the_wait_neither_shorter_nor_longer(
        self, kit: Kit, as_another_process: Callable[[str], None], *, is_there: bool
    ) -> None:
        """That of the other machine may be ahead."""
        as_another_process("elsewhere/1/1")
        if is_there:
            kit.aws.in_order(AnswerLost(then=HANGS))
            kit.aws.hide_from_lists(5)
        else:
            kit.aws.throttle("SubmitJob")
        kit.clock.wrong_by = 100.0
        kit.executor().trigger_job(kit.job(), kit.lent)
        as_another_process(own_label())
        kit.clock.wrong_by = 0.0
        began = kit.clock.now()
        assert len(kit.executor().adopt("run", (), kit.lent)) == is_there
        assert kit.clock.now() - began < 13

    def test_what_was_submitted_a_moment_ago_is_waited_for(
        self, kit: Kit, as_another_process: Callable[[str], None]
    ) -> None:
        """Until it is listed."""
        as_another_process(DEAD)
        kit.aws.in_order(Succeeds(after=60, lines=[BEGIN, LAST]))
        kit.aws.hide_from_lists(8)
        kit.executor().trigger_job(kit.job(), kit.lent)
        as_another_process(own_label())
        second = kit.executor()
        assert len(second.adopt("run", (), kit.lent)) == 1
        kit.run(kit.job(), second)
        assert len(kit.jobs()) == 1

    def test_the_newest_of_several_tries_is_followed(
        self, kit: Kit, as_another_process: Callable[[str], None]
    ) -> None:
        """The child that was tried again alone, and the others in the array."""
        as_another_process(DEAD)
        slow = Succeeds(after=300, lines=[BEGIN, LAST])
        kit.aws.in_order(Children({1: CannotPull()}, others=slow), slow)
        first = kit.executor()
        jobs = kit.items(3)
        first.trigger_jobs(jobs, kit.lent)
        first.wait_for_jobs(30)
        array, alone = kit.jobs()
        as_another_process(own_label())
        second = kit.executor()
        assert second.adopt("run", (), kit.lent) == [
            f"found the job {array.job_id} of map.0.fit and 2 more",
            f"found the job {alone.job_id} of map.1.fit",
        ]
        second.trigger_jobs(jobs, kit.lent)
        assert {end.status for end in kit.finish(second, 3)} == {Status.SUCCESS}
        assert kit.aws.calls["SubmitJob"] == 2
        assert kit.s3.keys == []

    def test_a_try_that_was_meant_and_never_submitted_is_submitted_as_it_was_meant(
        self, kit: Kit, as_another_process: Callable[[str], None]
    ) -> None:
        """Under its own name, to its own queue: the name of the first try is taken by a job that has ended."""
        as_another_process(DEAD)
        options: dict[str, Any] = {"job_queue": ("spot", "on-demand"), "budgets": {"host-reclaimed": 0}}
        from fake_batch import Reclaimed

        kit.aws.in_order(Reclaimed(after=1), AnswerLost(then=Succeeds(after=60, lines=[BEGIN, LAST])))
        first = kit.executor(kit.options(**options))
        first.trigger_job(kit.job(**options), kit.lent)
        kit.aws.fail("SubmitJob", Stop())
        with pytest.raises(Stop):
            first.wait_for_jobs(60)
        as_another_process(own_label())
        second = kit.executor(kit.options(**options))
        assert second.adopt("run", (), kit.lent) == []
        assert kit.run(kit.job(**options), second).status is Status.SUCCESS
        assert [job.queue_name for job in kit.jobs()] == ["spot", "on-demand"]

    def test_a_traversal_that_lives_is_not_robbed(self, kit: Kit) -> None:
        """On the same machine that is known."""
        kit.aws.script("*", HANGS)
        kit.executor().trigger_job(kit.job(), kit.lent)
        with pytest.raises(
            ConfigurationError, match=r"^run 'run' is still traversed by the magnus that began it"
        ):
            kit.executor().adopt("run", (), kit.lent)

    def test_who_has_attached_owns_the_jobs(self, left: Kit) -> None:
        """A third is told so."""
        second = left.executor()
        second.adopt("run", (), left.lent)
        second.trigger_job(left.job(), left.lent)
        with pytest.raises(ConfigurationError, match=r"^run 'run' is still traversed"):
            left.executor().adopt("run", (), left.lent)
        assert left.executor().reap("run", list) == [
            "left alone: the jobs of run 'run'; the magnus that submitted them still runs"
        ]

    def test_nothing_is_found_where_nothing_was_left(self, kit: Kit) -> None:
        """Nor of another run."""
        assert kit.executor().adopt("other", (), kit.lent) == []


class TestReaping:
    """What a killed or detached traversal has left is ended."""

    def test_what_runs_is_ended_and_the_handover_cleared(self, left: Kit) -> None:
        """One line for each job; nothing needs to be prepared."""
        (job,) = left.jobs()
        assert self.reap(left) == [
            f"terminated the job {job.job_id} ({job.name}), which a traversal had left"
        ]
        assert left.jobs()[0].is_terminated
        assert left.jobs()[0].status_reason == "ended by `magnus runs reap run`"
        assert left.s3.keys == []

    def test_what_has_ended_is_only_cleared(self, left: Kit) -> None:
        """There is nothing to tell."""
        left.clock.sleep(1000)
        assert self.reap(left) == []
        assert left.aws.calls["TerminateJob"] == 0
        assert left.s3.keys == []

    def test_what_belongs_to_a_traversal_that_lives_is_left_alone(self, kit: Kit) -> None:
        """And said so."""
        kit.aws.script("*", HANGS)
        kit.executor().trigger_job(kit.job(), kit.lent)
        assert self.reap(kit) == [
            "left alone: the jobs of run 'run'; the magnus that submitted them still runs"
        ]
        assert not kit.jobs()[0].is_terminated

    def test_other_runs_are_not_touched(self, left: Kit) -> None:
        """Not even one whose id begins alike."""
        assert left.executor().reap("ru", list) == []
        assert len(left.s3.keys) == 2

    def test_the_needs_are_asked_for_only_where_they_name_the_place(self, left: Kit) -> None:
        """Finding them may read files."""

        def never() -> list[ComputeNeeds]:
            raise AssertionError

        assert len(left.executor().reap("run", never)) == 1

    def test_the_place_may_be_lent_by_a_service(self, left: Kit) -> None:
        """Where the options name none; without any, nothing can have been left."""
        options = left.options(handover="")
        assert left.executor(options).reap("run", list) == []
        assert len(left.executor(options).reap("run", lambda: [ComputeNeeds(handover=HANDOVER)])) == 1

    def reap(self, kit: Kit) -> list[str]:
        """Reap with an executor that nothing was prepared for."""
        from magnus_executor_awsbatch.executor import AwsBatchExecutor

        return AwsBatchExecutor(kit.options(), connect=kit.connect, clock=kit.clock).reap("run", list)


def test_a_handover_that_cannot_be_cleared_is_told(kit: Kit) -> None:
    """The step has ended well all the same."""
    executor = kit.executor()
    executor.trigger_job(kit.job(), kit.lent)
    kit.s3.fail("DeleteObjects", refusal("DeleteObjects", "AccessDenied", 403), calls=10)
    assert kit.finish(executor)[0].status is Status.SUCCESS
    executor.close()
    why = (
        "DeleteObjects on s3://bucket/handover: access is denied (Asked for by a test); allow it to the identity that magnus "
        "runs as"
    )
    assert kit.lent.told == [
        f"step: its handover could not be removed: {why}",
        f"the handover of the run could not be removed: {why}",
    ]
