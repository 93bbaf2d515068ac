"""Each way to fail: the sentence that a person sees, the budget that it spends, and whether the user's `retry` is for it."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from batch_kit import ANSWER, BEGIN, LAST, REFUSE
from fake_batch import (
    CannotPull,
    Fails,
    Forgotten,
    Hangs,
    Outcome,
    Reclaimed,
    Runs,
    RunsOutOfMemory,
    Succeeds,
    Unschedulable,
)
from fake_s3 import refusal

from magnus.domain.run_log import Status

if TYPE_CHECKING:
    from batch_kit import Kit
    from fake_batch import RunningJob, Script

DONE = Succeeds(after=1, lines=[BEGIN, LAST])
HANGS = Hangs(lines=[BEGIN])
RECLAIMED = "the host of the job was reclaimed (Host EC2 (instance i-0abc1234def567890) terminated.)"
NOT_PULLED = (
    "the container could not be started: CannotPullContainerError: Error response from daemon: manifest for image:tag not "
    "found; Task failed to start; look whether the image exists, holds magnus, and may be fetched by the execution role"
)
CPU = (
    "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE - CE(s) associated with the job queue cannot meet the CPU requirement "
    "of the job"
)
NEVER = (
    "Batch can never start the job: {}; let it ask for less (`resources`), or choose a queue whose compute environments are "
    "enabled and large enough"
)
QUEUES = ("spot", "on-demand")


def end_with(exit_code: int) -> Script:
    """Return what begins, and ends with an exit code."""
    return Fails(exit_code=exit_code, lines=[BEGIN, "about to break"])


class TestTheStepItself:
    """Its failures are what the user's `retry` is for; none of them is tried again by the executor."""

    def test_a_failure_that_the_step_recorded_is_its_own(self, kit: Kit) -> None:
        """The run log has more to say of it than Batch."""
        kit.aws.in_order(end_with(1))
        job = kit.job()
        kit.lent.recorded.add(job.identity)
        end = kit.run(job)
        assert (end.status, end.retryable, end.exit_code) == (Status.FAIL, True, 1)
        assert kit.aws.calls["SubmitJob"] == 1

    @pytest.mark.parametrize(
        ("script", "message", "failure", "exit_code"),
        [
            (end_with(3), "the process of the step ended by itself with exit code 3", "exit:3", 3),
            (end_with(139), "the process of the step was ended by the signal SIGSEGV", "exit:139", 139),
            (end_with(255), "the process of the step was ended by the signal 127", "exit:255", 255),
            (
                RunsOutOfMemory(lines=[BEGIN]),
                (
                    "the step was killed because it needed more than its memory (OutOfMemoryError: Container killed due to "
                    "memory usage); give it more (`resources: {memory: ...}`), or let it need less"
                ),
                "exit:137",
                137,
            ),
        ],
    )
    def test_a_process_that_was_broken_off_is_explained(
        self, kit: Kit, script: Script, message: str, failure: str, exit_code: int
    ) -> None:
        """By its exit code, and what Batch says of it."""
        kit.aws.in_order(script)
        end = kit.run()
        assert (end.status, end.message, end.failure) == (Status.FAIL, message, failure)
        assert (end.exit_code, end.retryable) == (exit_code, True)
        assert kit.aws.calls["SubmitJob"] == 1

    def test_batch_ends_a_step_that_does_not_end_itself(self, kit: Kit) -> None:
        """Five minutes later, which is for starting magnus; the words are those of every executor."""
        kit.aws.in_order(HANGS)
        began = kit.clock.now()
        end = kit.run(kit.job(timeout=30))
        assert (end.message, end.failure, end.retryable) == ("timed out after 30 s", "timeout", True)
        assert 330 < kit.clock.now() - began < 370


class TestReclaimedHosts:
    """Batch itself tries again on the same queue, the executor on the next one."""

    def test_batch_tries_again(self, kit: Kit) -> None:
        """As often as the budget says; nobody submits anything."""
        kit.aws.in_order(Reclaimed(times=3, lines=[BEGIN], after=5, then=DONE))
        assert kit.run().status is Status.SUCCESS
        assert kit.aws.calls["SubmitJob"] == 1

    def test_a_job_fails_when_the_budget_is_spent(self, kit: Kit) -> None:
        """The user's `retry` is not for that."""
        kit.aws.in_order(Reclaimed(lines=[BEGIN], after=5))
        end = kit.run()
        assert end.message == f"{RECLAIMED} (host-reclaimed: tried again 3 times; see `budgets`)"
        assert (end.status, end.failure, end.retryable) == (Status.FAIL, "host-reclaimed", False)
        (job,) = kit.jobs()
        assert len(job.attempts) == 4

    def test_it_goes_on_to_the_next_queue_after_that(self, kit: Kit) -> None:
        """Spot first, then on demand; the name is another one, and a person is told."""
        kit.aws.in_order(Reclaimed(lines=[BEGIN], after=5), DONE)
        assert kit.run(kit.job(job_queue=QUEUES, budgets={"host-reclaimed": 1})).status is Status.SUCCESS
        spot, on_demand = kit.jobs()
        assert [len(job.attempts) for job in (spot, on_demand)] == [2, 1]
        assert [job.queue_name for job in (spot, on_demand)] == ["spot", "on-demand"]
        assert spot.name != on_demand.name
        assert kit.lent.told == [f"step: {RECLAIMED}; submitted again to the queue 'on-demand'"]
        assert kit.s3.keys == []

    def test_the_last_queue_is_the_last(self, kit: Kit) -> None:
        """Each has had the whole budget."""
        kit.aws.script("*", Reclaimed(lines=[BEGIN], after=5))
        end = kit.run(kit.job(job_queue=QUEUES, budgets={"host-reclaimed": 1}))
        assert end.message == f"{RECLAIMED} (host-reclaimed: tried again once on each queue; see `budgets`)"
        assert [len(job.attempts) for job in kit.jobs()] == [2, 2]
        assert not end.retryable

    def test_no_budget_means_one_attempt_on_each_queue(self, kit: Kit) -> None:
        """Queues are tried in order all the same."""
        kit.aws.script("*", Reclaimed(lines=[BEGIN], after=5))
        kit.run(kit.job(job_queue=QUEUES, budgets={"host-reclaimed": 0}))
        assert [len(job.attempts) for job in kit.jobs()] == [1, 1]

    def test_fargate_says_it_in_other_words(self, kit: Kit) -> None:
        """Batch tries again for them too."""
        reclaimed = Outcome("Your Spot Task was interrupted.")
        kit.aws.in_order(Runs(lambda _running: reclaimed))
        end = kit.run()
        assert end.message.startswith("the host of the job was reclaimed (Your Spot Task was interrupted.)")
        assert len(kit.jobs()[0].attempts) == 4


class TestNotStarted:
    """The container, or magnus in it, could not begin."""

    def test_it_is_tried_once_more(self, kit: Kit) -> None:
        """A registry may have had a bad moment; Batch itself does not try again."""
        kit.aws.in_order(CannotPull(), DONE)
        assert kit.run().status is Status.SUCCESS
        assert [len(job.attempts) for job in kit.jobs()] == [1, 1]
        assert kit.lent.told == [f"step: {NOT_PULLED}; submitted again to the queue 'spot'"]

    @pytest.mark.parametrize(
        ("budget", "again"), [(0, "not tried again"), (1, "tried again once"), (2, "tried again 2 times")]
    )
    def test_it_fails_when_the_budget_is_spent(self, kit: Kit, budget: int, again: str) -> None:
        """With the remedy; the user's `retry` is not for that."""
        kit.aws.script("*", CannotPull())
        end = kit.run(kit.job(budgets={"not-started": budget}))
        assert end.message == f"{NOT_PULLED} (not-started: {again}; see `budgets`)"
        assert (end.status, end.failure, end.retryable) == (Status.FAIL, "not-started", False)
        assert kit.aws.calls["SubmitJob"] == 1 + budget
        assert kit.s3.keys == []

    def test_an_image_without_magnus_is_told_with_its_last_words(self, kit: Kit) -> None:
        """And tried again as the budget says."""
        kit.aws.script("*", Fails(exit_code=127, lines=["exec: magnus: not found"]))
        end = kit.run()
        assert end.message == (
            "magnus could not begin in the container, which ended with exit code 127: exec: magnus: not found; look whether "
            "the image holds magnus, in the version that is used here, and lets it run (`magnus build_docker` makes one that "
            "does) (not-started: tried again once; see `budgets`)"
        )
        assert (end.failure, end.exit_code, end.retryable) == ("not-started", 127, False)

    def test_what_magnus_refuses_is_not_tried_again(self, kit: Kit) -> None:
        """It would refuse it again; its own words are the sentence."""
        kit.aws.in_order(
            Fails(exit_code=2, lines=[f"{REFUSE}here is magnus-core 2, but the run was started by 1", LAST])
        )
        end = kit.run()
        assert end.message == (
            "here is magnus-core 2, but the run was started by 1 (not-started: not tried again)"
        )
        assert (kit.aws.calls["SubmitJob"], end.retryable) == (1, False)

    def test_a_container_that_ends_well_without_a_record_has_done_nothing(self, kit: Kit) -> None:
        """Its entry point did not run the command; another try would do as little."""
        kit.aws.in_order(Succeeds(lines=["Hello from Docker!"]))
        end = kit.run()
        assert end.message == (
            "the container ended well without running the step: Hello from Docker!; its entry point did not run the command "
            'that it was given: let it end with exec "$@" (not-started: not tried again)'
        )
        assert (end.status, end.failure, end.retryable) == (Status.FAIL, "not-started", False)
        assert kit.aws.calls["SubmitJob"] == 1

    def test_a_record_is_enough_where_no_lines_can_be_read(self, kit: Kit) -> None:
        """What the run log holds has happened."""
        kit.aws.in_order(Succeeds())
        job = kit.job()
        kit.lent.recorded.add(job.identity)
        assert kit.run(job).status is Status.SUCCESS


class TestUnschedulable:
    """Nothing will ever start the job: it ends, and does not wait without an end."""

    def test_batch_says_that_no_environment_is_large_enough(self, kit: Kit) -> None:
        """The job is ended, or it would start once somebody made it possible."""
        kit.aws.in_order(Unschedulable(because=CPU))
        end = kit.run()
        assert end.message == f"{NEVER.format(CPU)} (unschedulable: not tried again; see `budgets`)"
        assert (end.status, end.failure, end.retryable) == (Status.FAIL, "unschedulable", False)
        (job,) = kit.jobs()
        assert (job.status, job.is_terminated) == ("FAILED", True)
        assert str(job.status_reason).startswith("given up by magnus: Batch can never start the job")

    @pytest.mark.parametrize(
        ("change", "problem"),
        [
            ("queue", "the queue 'spot' is disabled"),
            (
                "environment",
                "the queue 'spot' has nothing to run jobs on: the compute environment 'spot-environment' is disabled",
            ),
        ],
    )
    def test_what_is_disabled_while_a_job_waits_is_noticed(self, kit: Kit, change: str, problem: str) -> None:
        """Batch itself says nothing of it; the queue is looked at now and then."""
        kit.aws.in_order(Unschedulable())
        executor = kit.executor()
        executor.trigger_job(kit.job(), kit.lent)
        assert executor.wait_for_jobs(20) == []
        if change == "queue":
            kit.aws.registry.change_queue("spot", state="DISABLED")
        else:
            kit.aws.registry.change_environment("spot", state="DISABLED")
        (end,) = kit.finish(executor, patience=120)
        assert end.message == f"{NEVER.format(problem)} (unschedulable: not tried again; see `budgets`)"

    def test_a_queue_that_is_deleted_is_noticed(self, kit: Kit) -> None:
        """Likewise."""
        kit.aws.in_order(Unschedulable())
        executor = kit.executor()
        executor.trigger_job(kit.job(), kit.lent)
        kit.aws.registry.remove_queue("spot")
        (end,) = kit.finish(executor, patience=120)
        assert end.message.startswith("Batch can never start the job: the queue 'spot' is gone;")

    def test_a_budget_is_spent_if_there_is_one(self, kit: Kit) -> None:
        """For who enlarges environments meanwhile."""
        kit.aws.in_order(Unschedulable(because=CPU), DONE)
        assert kit.run(kit.job(budgets={"unschedulable": 1})).status is Status.SUCCESS
        assert [job.is_terminated for job in kit.jobs()] == [True, False]


class TestLost:
    """Nobody can see the job any more. It may still run, so by default it is not tried again."""

    @pytest.mark.parametrize("script", [Forgotten(then=HANGS), Forgotten(seconds=30, then=HANGS)])
    def test_a_job_that_batch_has_forgotten(self, kit: Kit, script: Script) -> None:
        """At once, or after some time; once is not enough: a new job may not be known everywhere yet."""
        kit.aws.in_order(script)
        end = kit.run()
        assert end.message == (
            "the job is lost: Batch does not know it any more; it may still run (lost: not tried again; see `budgets`)"
        )
        assert (end.status, end.failure, end.retryable) == (Status.FAIL, "lost", False)
        assert kit.aws.calls["DescribeJobs"] >= 5

    def test_a_job_that_is_not_known_for_a_moment_is_not_lost(self, kit: Kit) -> None:
        """It is looked at again."""
        kit.aws.in_order(Succeeds(after=60, lines=[BEGIN, LAST]))
        executor = kit.executor()
        executor.trigger_job(kit.job(), kit.lent)
        (job,) = kit.jobs()
        kit.aws.forget(job.job_id)
        assert executor.wait_for_jobs(18) == []
        kit.aws.remember(job.job_id)
        assert kit.finish(executor)[0].status is Status.SUCCESS

    @pytest.mark.parametrize(
        ("code", "status", "looks", "said"),
        [
            (
                "AccessDeniedException",
                403,
                10,
                (
                    "DescribeJobs: access is denied (Asked for by a test); allow it to the identity that magnus runs as"
                ),
            ),
            (
                "ExpiredTokenException",
                400,
                10,
                (
                    "DescribeJobs: the AWS credentials are not valid any more, or never were (ExpiredTokenException); sign in "
                    "again"
                ),
            ),
            (
                "InternalFailure",
                500,
                10,
                "DescribeJobs: AWS answered with an error of its own (InternalFailure): Asked for by a test",
            ),
            (
                "TooManyRequestsException",
                429,
                30,
                "DescribeJobs: there are too many calls (TooManyRequestsException)",
            ),
        ],
    )
    def test_a_status_that_cannot_be_read(
        self, kit: Kit, code: str, status: int, looks: int, said: str
    ) -> None:
        """Is not still running: after growing pauses it is given up, with the cause."""
        kit.aws.in_order(HANGS)
        kit.aws.refuse("DescribeJobs", code, status=status, calls=1000)
        end = kit.run()
        assert end.message == (
            f"the job is lost: its status cannot be read: {said}; it may still run (lost: not tried again; see `budgets`)"
        )
        asked = [call.at for call in kit.aws.requests if call.operation == "DescribeJobs"]
        assert len(asked) == looks
        pauses = [after - before for before, after in pairwise(asked)]
        assert pauses[0] > 9
        assert 80 <= pauses[-1] <= 96
        assert kit.jobs()[0].is_terminated

    def test_a_status_that_can_be_read_again_is(self, kit: Kit) -> None:
        """The count begins anew."""
        kit.aws.in_order(Succeeds(after=3600, lines=[BEGIN, LAST]))
        executor = kit.executor()
        executor.trigger_job(kit.job(), kit.lent)
        for _ in range(3):
            kit.aws.refuse("DescribeJobs", "InternalFailure", status=500, calls=9)
            assert executor.wait_for_jobs(900) == []
        assert kit.finish(executor)[0].status is Status.SUCCESS

    def test_a_status_that_nobody_knows(self, kit: Kit) -> None:
        """A newer Batch may have more of them."""
        kit.aws.in_order(HANGS)
        executor = kit.executor()
        executor.trigger_job(kit.job(), kit.lent)
        kit.jobs()[0].status = "DREAMING"
        (end,) = kit.finish(executor)
        assert end.message == (
            "the job is lost: Batch gives it the status 'DREAMING', which nobody here knows; it may still run (lost: not tried "
            "again; see `budgets`)"
        )

    def test_a_job_that_somebody_else_has_ended(self, kit: Kit) -> None:
        """With their reason; nobody starts it again."""
        kit.aws.in_order(HANGS)
        executor = kit.executor(kit.options(budgets={"lost": 3}))
        executor.trigger_job(kit.job(budgets={"lost": 3}), kit.lent)
        executor.wait_for_jobs(12)
        kit.aws.client("batch").terminate_job(jobId=kit.jobs()[0].job_id, reason="too dear")
        (end,) = kit.finish(executor)
        assert end.message == "the job was terminated, and not by this run: too dear (lost: not tried again)"
        assert (end.failure, end.retryable, kit.aws.calls["SubmitJob"]) == ("lost", False, 1)

    def test_a_failure_without_exit_code_or_reason(self, kit: Kit) -> None:
        """Batch does not know more either."""
        kit.aws.in_order(Runs(lambda _running: Outcome("")))
        end = kit.run()
        assert end.message.startswith(
            "the job is lost: Batch says that it failed, without an exit code (and without a reason); it may still run"
        )

    def test_a_budget_is_spent_if_there_is_one(self, kit: Kit) -> None:
        """The lost job is ended first, as far as that is possible."""
        kit.aws.in_order(Forgotten(then=HANGS), DONE)
        assert kit.run(kit.job(budgets={"lost": 1})).status is Status.SUCCESS
        assert [call.operation for call in kit.aws.requests].count("TerminateJob") == 1


def test_budgets_are_apart(kit: Kit) -> None:
    """Each cause has its own."""
    kit.aws.in_order(CannotPull(), Unschedulable(because=CPU), CannotPull())
    budgets: dict[str, Any] = {"not-started": 1, "unschedulable": 1}
    end = kit.run(kit.job(budgets=budgets))
    assert end.message == f"{NOT_PULLED} (not-started: tried again once; see `budgets`)"
    assert kit.aws.calls["SubmitJob"] == 3


def test_a_job_that_cannot_be_tried_again_fails_as_it_did(kit: Kit) -> None:
    """Why it could not is told."""

    def work(_running: RunningJob) -> Outcome:
        kit.s3.fail("PutObject", refusal("PutObject", "AccessDenied", 403))
        return Outcome("CannotStartContainerError: no space left")

    kit.aws.in_order(Runs(work))
    end = kit.run()
    assert end.message.startswith(
        "the container could not be started: CannotStartContainerError: no space left;"
    )
    assert end.message.endswith("(not-started: not tried again; see `budgets`)")
    assert kit.lent.told[0].startswith(
        "step: it could not be tried again: PutObject on s3://bucket/handover: access is denied"
    )


class TestAnswers:
    """Secrets that a step has learned lie in its mailbox."""

    def answer(self, kit: Kit) -> Runs:
        """Return what leaves an answer."""

        def work(running: RunningJob) -> None:
            mailbox = kit.mailbox(running)
            mailbox.read()
            mailbox.answer(b"learned")
            for line in (BEGIN, ANSWER, LAST):
                running.print(line)

        return Runs(work)

    def test_they_are_taken_and_removed(self, kit: Kit) -> None:
        """Before the end is told."""
        kit.aws.in_order(self.answer(kit))
        assert kit.run().status is Status.SUCCESS
        assert kit.lent.last().answers == [b"learned"]
        assert kit.s3.keys == []

    def test_one_that_cannot_be_read_is_told_and_fails_nothing(self, kit: Kit) -> None:
        """Later steps hide less."""
        kit.aws.in_order(self.answer(kit))
        executor = kit.executor()
        executor.trigger_job(kit.job(), kit.lent)
        kit.jobs()
        kit.s3.fail("GetObject", refusal("GetObject", "AccessDenied", 403))
        assert kit.finish(executor)[0].status is Status.SUCCESS
        assert kit.lent.told[0].startswith("step: the secrets that it learned cannot be read: GetObject on")
        assert kit.s3.keys == []

    def test_one_that_nobody_was_told_of_is_removed_in_the_end(self, kit: Kit) -> None:
        """The line that tells of it may get lost."""

        def work(running: RunningJob) -> None:
            mailbox = kit.mailbox(running)
            mailbox.read()
            mailbox.answer(b"learned")
            running.print(BEGIN)

        kit.aws.in_order(Runs(work))
        executor = kit.executor()
        kit.run(kit.job(), executor)
        assert [key.partition(".")[2] for key in kit.s3.keys] == ["answer.0"]
        executor.close()
        assert kit.s3.keys == []
