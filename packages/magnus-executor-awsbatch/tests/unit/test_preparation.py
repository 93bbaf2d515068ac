"""What is made sure of before the first step."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest

from magnus.domain.capabilities import Placement
from magnus.domain.graph import Graph
from magnus.domain.nodes import Node, Resources
from magnus.errors import ConfigurationError
from magnus.ports.executor import ComputeNeeds
from magnus_executor_awsbatch.executor import AwsBatchExecutor
from magnus_executor_awsbatch.judging import NO_HANDOVER

if TYPE_CHECKING:
    from batch_kit import Kit


class TestQueues:
    """All that is wrong is told at once, and nothing is registered then."""

    def test_every_problem_is_told(self, kit: Kit) -> None:
        """With what to change."""
        kit.aws.registry.add_queue("off", most_vcpus=8)
        kit.aws.registry.change_queue("off", state="DISABLED")
        kit.aws.registry.add_queue("small", most_vcpus=2)
        kit.aws.registry.add_queue("broken", most_vcpus=8)
        kit.aws.registry.change_queue("broken", status="INVALID", statusReason="no such role")
        kit.aws.registry.add_queue("idle", most_vcpus=8)
        kit.aws.registry.change_environment("idle", state="DISABLED")
        queues = ("spot", "none", "off", "small", "broken", "idle")
        options = kit.options(job_queue=queues)
        with pytest.raises(ConfigurationError) as caught:
            kit.executor(options, kit.node("fit", resources=Resources(cpu=4)))
        assert str(caught.value).splitlines() == [
            "there is no job queue 'none'",
            "the queue 'off' is disabled",
            "the queue 'broken' starts no jobs: no such role",
            "the queue 'idle' has nothing to run jobs on: the compute environment 'idle-environment' is disabled",
            "step 'fit': it asks for 4 processors, and the queue 'small' never has more than 2",
        ]
        assert kit.aws.calls["RegisterJobDefinition"] == 0

    def test_an_environment_that_is_broken_is_told_with_its_reason(self, kit: Kit) -> None:
        """In the words of Batch."""
        kit.aws.registry.change_environment("spot", status="INVALID", statusReason="no subnets")
        with pytest.raises(ConfigurationError, match=r"'spot-environment' starts no jobs: no subnets$"):
            kit.executor()

    def test_a_queue_may_be_named_by_its_arn(self, kit: Kit) -> None:
        """Jobs go to it likewise."""
        arn = "arn:aws:batch:us-east-1:123456789012:job-queue/spot"
        assert kit.run(kit.job(job_queue=arn)).message == ""
        assert kit.submitted()[0]["jobQueue"] == arn

    def test_a_graph_without_tasks_needs_no_aws(self, kit: Kit) -> None:
        """Nothing is asked."""
        kit.executor(None, Node("a", "as-is", {}, next="done"))
        assert kit.aws.calls == {}


class TestDefinitions:
    """One for each content, found or registered."""

    def test_one_is_registered_for_an_image_and_used_again(self, kit: Kit) -> None:
        """By other steps, and other runs."""
        kit.executor(None, kit.node("a"), kit.node("b"))
        kit.executor()
        assert kit.aws.calls["RegisterJobDefinition"] == 1

    def test_another_content_is_another_definition(self, kit: Kit) -> None:
        """Like another role; what only a submission says is not."""
        kit.executor()
        kit.executor(kit.options(job_role="arn:aws:iam::123456789012:role/x"))
        kit.executor(kit.options(environment={"A": "1"}, tags={"a": "b"}))
        assert kit.aws.calls["RegisterJobDefinition"] == 2

    def test_one_that_was_deregistered_is_registered_again(self, kit: Kit) -> None:
        """Under its name."""
        kit.executor()
        kit.aws.registry.deregister(kit.aws.registry.definitions()[0]["jobDefinitionArn"])
        kit.run()
        assert kit.submitted()[0]["jobDefinition"].endswith(":2")

    @pytest.mark.parametrize("named", ["name", "revision", "arn"])
    def test_one_that_is_given_is_used(self, kit: Kit, named: str) -> None:
        """By name (the newest revision), by revision, or by ARN."""
        first, second = (kit.aws.job_definition(f"image:{number}", "own") for number in (1, 2))
        name = {"name": "own", "revision": "own:1", "arn": first}[named]
        job = kit.job(docker_image="", job_definition=name)
        executor = kit.executor(job.options)
        kit.run(job, executor)
        assert kit.submitted()[0]["jobDefinition"] == (second if named == "name" else first)
        (identity,) = executor.add_code_identities(job)
        assert identity.code_identifier == ("image:2" if named == "name" else "image:1")

    def test_one_that_does_not_exist_is_refused(self, kit: Kit) -> None:
        """With what would do."""
        with pytest.raises(ConfigurationError) as caught:
            kit.executor(kit.options(docker_image="", job_definition="own:7"))
        assert str(caught.value) == (
            "there is no active job definition 'own:7'; register it, or name `docker_image` in its place"
        )


@pytest.mark.parametrize(("image", "dependable"), [("image:1", False), ("image@sha256:abc", True)])
def test_the_image_is_the_identity_of_the_code(kit: Kit, image: str, *, dependable: bool) -> None:
    """It can be relied on where it holds a digest."""
    job = kit.job(docker_image=image)
    (identity,) = kit.executor(job.options).add_code_identities(job)
    assert (identity.code_identifier, identity.code_identifier_type) == (image, "docker")
    assert identity.code_identifier_dependable is dependable


@pytest.mark.parametrize(("parallel", "room", "together"), [(True, sys.maxsize, 10_000), (False, 1, 1)])
def test_what_it_can_do_follows_the_options(kit: Kit, *, parallel: bool, room: int, together: int) -> None:
    """One step after another, if somebody wants that."""
    options = kit.options(enable_parallel=parallel)
    executor = AwsBatchExecutor(options)
    assert (executor.max_concurrent_jobs, executor.most_jobs_together) == (room, together)
    capabilities = AwsBatchExecutor.capabilities(options)
    assert (capabilities.placement, capabilities.concurrent_branches) == (Placement.REMOTE, parallel)


def test_the_place_to_hand_over_may_be_lent_by_a_service(kit: Kit) -> None:
    """Where the options name none."""
    options: dict[str, Any] = {"handover": ""}
    executor = kit.executor(kit.options(**options), needs=[ComputeNeeds(handover="s3://lent/here")])
    kit.run(kit.job(**options), executor)
    assert kit.lent.addresses[0].startswith("s3://lent/here/run/magnus-step-")


def test_without_a_place_to_hand_over_nothing_is_submitted(kit: Kit) -> None:
    """`magnus check` refuses it before."""
    executor = kit.executor(kit.options(handover=""))
    with pytest.raises(ConfigurationError) as caught:
        executor.trigger_job(kit.job(handover=""), kit.lent)
    assert str(caught.value) == NO_HANDOVER


def test_closing_what_was_never_used_asks_nobody(kit: Kit) -> None:
    """It has nothing to let go of."""
    AwsBatchExecutor(kit.options(), connect=kit.connect, clock=kit.clock).close()
    assert kit.places == set()


def test_the_graph_may_have_no_task_at_all(kit: Kit) -> None:
    """Then there is nothing to prepare."""
    executor = AwsBatchExecutor(kit.options(), connect=kit.connect, clock=kit.clock)
    graph = Graph("done", {"done": Node("done", "success", {})})
    executor.prepare_for_graph_execution(graph, lambda _node: kit.options(), (), kit.lent)
    assert kit.places == set()
