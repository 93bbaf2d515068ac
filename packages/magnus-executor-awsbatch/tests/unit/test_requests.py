from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
from botocore.validate import ParamValidator

from magnus.domain.nodes import Node, Resources, TaskSettings
from magnus.ports.executor import ComputeNeeds
from magnus_executor_awsbatch.config import AwsBatchOptions
from magnus_executor_awsbatch.failures import FailureClass
from magnus_executor_awsbatch.requests import (
    DoesNotFitError,
    Submission,
    container_overrides,
    definition_request,
    overrides_size,
    resources_of,
    retry_strategy,
    submission_request,
)

if TYPE_CHECKING:
    from magnus_executor_awsbatch.requests import Resources as Asked

ROLE = "arn:aws:iam::123456789012:role/jobs"


def options(**written: Any) -> AwsBatchOptions:
    """Return options."""
    if "job_definition" not in written:
        written = {"docker_image": "image:1", **written}
    return AwsBatchOptions(**{"job_queue": "q", **written})


def fargate(**written: Any) -> AwsBatchOptions:
    """Return options for Fargate."""
    return options(platform="FARGATE", execution_role=ROLE, **written)


def node(resources: Resources | None = None) -> Node:
    """Return a task."""
    return Node("fit", "task", {}, next="done", task=TaskSettings("true", "shell"), resources=resources)


def asked(given: AwsBatchOptions, resources: Resources | None = None) -> Asked:
    """Return what the job of a task asks for."""
    return resources_of(node(resources), given, given)


def submission(
    given: AwsBatchOptions, *needs: ComputeNeeds, size: int = 1, timeout: float | None = None
) -> dict[str, Any]:
    """Return the request for a job."""
    told = Submission("name", "q", "definition:1", ("magnus", "fit"), size, "run 1", "map.*.fit", timeout)
    return submission_request(told, given, asked(given), needs)


def check(operation: str, request: dict[str, Any]) -> None:
    """Hold a request against the service's own description."""
    model: Any = botocore.session.get_session().get_service_model("batch").operation_model(operation)
    report = ParamValidator().validate(request, model.input_shape)
    assert not report.has_errors(), report.generate_report()


class TestResources:
    """What a step asks for, in Batch's own fields, or refused."""

    def test_they_are_those_of_the_step_or_of_the_options(self) -> None:
        """Memory in MiB."""
        given = options(cpu=2, memory="1GiB", shm="64MiB")
        assert asked(given).requirements == (("VCPU", "2"), ("MEMORY", "1024"))
        assert asked(given).shm_mib == 64
        own = asked(given, Resources(cpu=4, memory_mib=3000, gpu=1, shm_mib=128))
        assert own.requirements == (("VCPU", "4"), ("MEMORY", "3000"), ("GPU", "1"))
        assert (own.shm_mib, own.vcpus) == (128, 4.0)

    @pytest.mark.parametrize(
        ("given", "resources", "message"),
        [
            (options(), Resources(cpu=0.5), "on EC2 a job has whole processors, not 0.5; ask for 1"),
            (options(), Resources(cpu=2.25), "on EC2 a job has whole processors, not 2.25; ask for 3"),
            (
                options(job_definition="d"),
                Resources(shm_mib=64),
                "shared memory is part of the job definition; set it there, or name `docker_image` and no `job_definition`",
            ),
            (
                fargate(),
                Resources(gpu=1),
                "Fargate has no graphics processors; choose `platform: EC2` and a queue for it",
            ),
            (
                fargate(),
                Resources(shm_mib=64),
                "Fargate does not let a job choose its shared memory; choose `platform: EC2` and a queue for it",
            ),
            (
                fargate(),
                Resources(cpu=3),
                "Fargate has jobs of 0.25, 0.5, 1, 2, 4, 8, 16 processors, not 3",
            ),
            (
                fargate(),
                Resources(cpu=1, memory_mib=1024),
                "with 1 processors Fargate has from 2048 to 8192 MiB of memory in steps, not 1024 MiB; ask for 2048 MiB",
            ),
            (
                fargate(),
                Resources(cpu=8, memory_mib=70_000),
                "with 8 processors Fargate has from 16384 to 61440 MiB of memory in steps, not 70000 MiB",
            ),
            (
                fargate(),
                Resources(cpu=8, memory_mib=17_000),
                "with 8 processors Fargate has from 16384 to 61440 MiB of memory in steps, not 17000 MiB; ask for 20480 MiB",
            ),
        ],
    )
    def test_what_batch_has_no_field_for_is_refused(
        self, given: AwsBatchOptions, resources: Resources, message: str
    ) -> None:
        """With what would do."""
        with pytest.raises(DoesNotFitError, match=f"^{re.escape(message)}$"):
            asked(given, resources)

    def test_fargate_has_parts_of_processors(self) -> None:
        """With the memory that goes with them."""
        assert asked(fargate(), Resources(cpu=0.25, memory_mib=512)).requirements == (
            ("VCPU", "0.25"),
            ("MEMORY", "512"),
        )


class TestDefinitions:
    """What is registered for an image."""

    @pytest.mark.parametrize(
        "given",
        [
            options(),
            options(job_role=ROLE, execution_role=ROLE, log_group="/own", shm=64, gpu=1),
            fargate(job_role=ROLE),
            fargate(assign_public_ip=True),
        ],
    )
    def test_the_service_takes_them(self, given: AwsBatchOptions) -> None:
        """As its own description says."""
        check("RegisterJobDefinition", definition_request(given, asked(given)))

    def test_they_say_what_a_submission_cannot(self) -> None:
        """Image, roles, logs, shared memory, platform."""
        given = options(job_role="j", execution_role="e", log_group="/own", shm=64)
        request = definition_request(given, asked(given))
        container = request["containerProperties"]
        assert (container["image"], container["jobRoleArn"], container["executionRoleArn"]) == (
            "image:1",
            "j",
            "e",
        )
        assert container["logConfiguration"]["options"] == {"awslogs-group": "/own"}
        assert container["linuxParameters"] == {"initProcessEnabled": True, "sharedMemorySize": 64}
        assert request["platformCapabilities"] == ["EC2"]

    def test_what_nobody_asked_for_is_left_to_batch(self) -> None:
        """Its own log group among it."""
        given = options()
        container = definition_request(given, asked(given))["containerProperties"]
        assert set(container) == {"image", "command", "linuxParameters", "resourceRequirements"}

    def test_a_job_on_fargate_may_have_a_public_address(self) -> None:
        """In a public subnet it reaches nothing without one."""
        given = fargate(assign_public_ip=True)
        container = definition_request(given, asked(given))["containerProperties"]
        assert container["networkConfiguration"] == {"assignPublicIp": "ENABLED"}

    def test_equal_content_has_an_equal_name(self) -> None:
        """What concerns the submission alone makes no difference; anything in the definition does."""

        def name(**written: Any) -> str:
            given = options(**written)
            return str(definition_request(given, asked(given))["jobDefinitionName"])

        assert name() == name(environment={"A": "1"}, tags={"a": "b"}, job_queue="other", poll_interval=9)
        differing: list[dict[str, Any]] = [
            {},
            {"docker_image": "image:2"},
            {"job_role": "r"},
            {"execution_role": "r"},
            {"log_group": "/g"},
            {"shm": 64},
        ]
        assert len({name(**written) for written in differing}) == len(differing)


class TestSubmissions:
    """What one job is submitted as."""

    @pytest.mark.parametrize("size", [1, 2, 10_000])
    def test_the_service_takes_them(self, size: int) -> None:
        """As its own description says."""
        given = options(
            environment={"A": "1"}, tags={"team": "x"}, gpu=1, region="eu-west-1", endpoint_url="http://x"
        )
        check("SubmitJob", submission(given, ComputeNeeds(environment={"B": "2"}), size=size, timeout=30))

    def test_an_array_has_at_least_two_children(self) -> None:
        """One job is none."""
        assert "arrayProperties" not in submission(options())
        assert submission(options(), size=2)["arrayProperties"] == {"size": 2}

    def test_variables_come_from_needs_place_and_options(self) -> None:
        """The options win; anybody may see them."""
        given = options(
            region="eu-west-1", endpoint_url="http://x", environment={"A": "option", "AWS_REGION": "own"}
        )
        overrides = submission(given, ComputeNeeds(environment={"A": "need", "B": "need"}))[
            "containerOverrides"
        ]
        assert {item["name"]: item["value"] for item in overrides["environment"]} == {
            "A": "option",
            "B": "need",
            "AWS_REGION": "own",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_ENDPOINT_URL": "http://x",
        }

    def test_what_is_private_is_not_in_them(self) -> None:
        """It goes by the handover."""
        need = ComputeNeeds(private_environment={"TOKEN": "canary"}, private_files={"/x": b"canary"})
        assert "canary" not in json.dumps(submission(options(), need))

    def test_tags_tell_whose_they_are(self) -> None:
        """The user's besides magnus's own, as far as tags can hold them."""
        request = submission(options(tags={"team": "x", "magnus-run": "forged"}))
        assert request["tags"] == {"team": "x", "magnus-run": "run 1", "magnus-step": "map._.fit"}
        assert request["propagateTags"] is True

    @pytest.mark.parametrize(
        ("timeout", "seconds"), [(None, None), (0.5, 301), (30, 331), (59.9, 360), (3600, 3901)]
    )
    def test_batch_ends_what_does_not_end_itself(self, timeout: float | None, seconds: int | None) -> None:
        """After the step's own timeout and the time to start; never less than the minute that it wants."""
        found = submission(options(), timeout=timeout).get("timeout")
        assert found == (None if seconds is None else {"attemptDurationSeconds": seconds})

    @pytest.mark.parametrize(("budget", "attempts"), [(0, 1), (3, 4), (9, 10)])
    def test_batch_itself_tries_again_only_what_lost_its_host(self, budget: int, attempts: int) -> None:
        """Never what the user's `retry` is for."""
        strategy = retry_strategy(options(budgets={FailureClass.HOST_RECLAIMED: budget}))
        assert strategy == {
            "attempts": attempts,
            "evaluateOnExit": [
                {"onStatusReason": "Host EC2*", "action": "RETRY"},
                {"onStatusReason": "Your Spot Task was interrupted*", "action": "RETRY"},
                {"onReason": "*", "action": "EXIT"},
            ],
        }

    def test_the_size_is_that_of_what_is_sent(self) -> None:
        """In bytes, not characters."""
        given = options(environment={"Ü": "ß"})
        overrides = container_overrides(["magnus"], given, asked(given), ())
        assert overrides_size(overrides) == len(
            '{"command":["magnus"],"environment":[{"name":"Ü","value":"ß"}],"resourceRequirements":[{"type":"VCPU","value":"1"},'
            '{"type":"MEMORY","value":"2048"}]}'.encode()
        )
