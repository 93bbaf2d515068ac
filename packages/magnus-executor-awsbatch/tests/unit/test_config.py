from __future__ import annotations

import re
from typing import Any

import pytest

from magnus.definition.config import config_from_mapping
from magnus.definition.placeholders import NodeOptions
from magnus.domain.nodes import Node
from magnus.errors import ConfigurationError
from magnus.plugins.discovery import find_plugins
from magnus.plugins.manager import AdapterManager
from magnus_executor_awsbatch.config import AwsBatchOptions, is_handover
from magnus_executor_awsbatch.failures import FailureClass

UNITS = "B, Ki, KiB, Mi, MiB, Gi, GiB, Ti, TiB, KB, MB, GB, TB, kB"


def test_a_queue_and_an_image_are_enough() -> None:
    """Jobs run at the same time, are looked at every five seconds, and end with the run."""
    options = AwsBatchOptions(job_queue="q", docker_image="i")
    assert (options.enable_parallel, options.poll_interval, options.on_interrupt) == (True, 5.0, "cancel")
    assert (options.cpu, options.memory, options.platform) == (1, "2GiB", "EC2")
    assert options.queues == ("q",)


def test_several_queues_are_tried_in_order() -> None:
    """As they are listed."""
    assert AwsBatchOptions(job_queue=("a", "b"), docker_image="i").queues == ("a", "b")


def test_a_budget_is_that_of_the_options_or_the_default() -> None:
    """Each cause has its own."""
    options = AwsBatchOptions(job_queue="q", docker_image="i", budgets={FailureClass.LOST: 2})
    assert {failure.value: options.budget(failure) for failure in FailureClass} == {
        "host-reclaimed": 3,
        "not-started": 1,
        "throttled": 8,
        "unschedulable": 0,
        "lost": 2,
    }


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"job_queue": ()}, "job_queue is missing: name the queue that jobs go to, or a list of them"),
        ({"job_queue": ""}, "job_queue is missing: name the queue that jobs go to, or a list of them"),
        ({"job_queue": ("a", "")}, "job_queue is missing: name the queue that jobs go to, or a list of them"),
        (
            {"docker_image": ""},
            (
                "name either job_definition, or docker_image to have a definition registered for it (an image made by `magnus "
                "build_docker`, in a registry that Batch can reach)"
            ),
        ),
        (
            {"job_definition": "d"},
            (
                "name either job_definition, or docker_image to have a definition registered for it (an image made by `magnus "
                "build_docker`, in a registry that Batch can reach)"
            ),
        ),
        (
            {"docker_image": "", "job_definition": "d", "job_role": "r", "shm": 64},
            "job_role, shm: the definition 'd' says that itself; remove it here",
        ),
        (
            {"platform": "FARGATE"},
            "execution_role is missing: on Fargate a role must fetch the image and send the logs",
        ),
        (
            {"assign_public_ip": True},
            "assign_public_ip is for Fargate; on EC2 the subnets of the compute environment decide",
        ),
        (
            {"handover": "bucket/prefix"},
            "handover is an address like s3://bucket/prefix, not 'bucket/prefix'",
        ),
        ({"handover": "s3:///prefix"}, "handover is an address like s3://bucket/prefix, not 's3:///prefix'"),
        ({"poll_interval": 0}, "poll_interval is a number of seconds, above 0 and up to 3600"),
        ({"poll_interval": 3601}, "poll_interval is a number of seconds, above 0 and up to 3600"),
        ({"cpu": 0}, "cpu is a number above 0, not 0"),
        ({"gpu": -1}, "gpu is a whole number, at least 0, not -1"),
        ({"budgets": {FailureClass.LOST: -1}}, "budgets: lost is a whole number, at least 0"),
        (
            {"budgets": {FailureClass.HOST_RECLAIMED: 10}},
            "budgets: host-reclaimed is at most 9, as Batch makes no more attempts on a queue",
        ),
        ({"memory": "2"}, f"memory is '2'; expected a number above 0 with one of the units {UNITS}"),
        ({"shm": 0}, f"shm is 0; expected a number above 0 with one of the units {UNITS}"),
        (
            {"environment": {"AWS_BATCH_JOB_ID": "x"}},
            "environment: names that begin with AWS_BATCH belong to Batch itself, like 'AWS_BATCH_JOB_ID'",
        ),
        (
            {"tags": {str(number): "" for number in range(49)}},
            "tags: a job has at most 48 besides magnus's own, not 49",
        ),
        (
            {"tags": {"k": "v" * 257}},
            "tags: a key has from 1 to 128 characters and a value up to 256: 'k'",
        ),
        ({"tags": {"": "v"}}, "tags: a key has from 1 to 128 characters and a value up to 256: ''"),
        ({"tags": {"aws:x": "v"}}, "tags: keys that begin with 'aws:' belong to AWS itself, like 'aws:x'"),
    ],
)
def test_what_cannot_be_meant_is_refused(options: dict[str, Any], message: str) -> None:
    """With what would do."""
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        AwsBatchOptions(**{"job_queue": "q", "docker_image": "i", **options})


@pytest.mark.parametrize(
    ("address", "is_one"),
    [("s3://b", True), ("s3://b/p/q", True), ("s3://", False), ("http://b", False), ("", False)],
)
def test_a_handover_names_a_bucket(address: str, *, is_one: bool) -> None:
    """With or without a prefix."""
    assert is_handover(address) is is_one


def options_of(written: dict[str, Any], executor_config: dict[str, Any]) -> AwsBatchOptions:
    """Return what a node with *executor_config* gets where the configuration says *written*."""
    adapters = AdapterManager(find_plugins())
    config = {"job_queue": "q", "docker_image": "i", **written}
    executor = config_from_mapping(
        {"executor": {"type": "local-aws-batch", "config": config}}, adapters
    ).executor
    options = NodeOptions(executor, adapters.offers("executor").keys())
    found = options.of(Node("fit", "task", {}, next="done", executor_config=executor_config))
    assert isinstance(found, AwsBatchOptions)
    return found


def test_a_node_overrides_any_option_and_keeps_the_others() -> None:
    """Mappings are merged key by key; a list of queues is read as one."""
    written = {"environment": {"A": "1", "B": "1"}, "budgets": {"lost": 1}}
    own = {"job_queue": ["spot", "demand"], "environment": {"B": "2"}, "budgets": {"throttled": 2}}
    options = options_of(written, {"local-aws-batch": own})
    assert (options.queues, options.docker_image) == (("spot", "demand"), "i")
    assert options.environment == {"A": "1", "B": "2"}
    assert [options.budget(each) for each in (FailureClass.LOST, FailureClass.THROTTLED)] == [1, 2]


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"budgets": {"bad-luck": 1}}, "bad-luck"),
        ({"cpu": -1}, "cpu is a number above 0, not -1"),
        ({"cpus": 1}, "cpus"),
    ],
)
def test_an_override_is_refused_like_the_configuration(own: dict[str, Any], message: str) -> None:
    """The message names the step."""
    with pytest.raises(ConfigurationError, match=f"(?s)step 'fit'.*{message}"):
        options_of({}, own)
