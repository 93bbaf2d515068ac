from __future__ import annotations

from typing import Any

import pytest

from magnus_executor_stepfunctions.config import StepFunctionsOptions

NEEDED: dict[str, Any] = {"job_queue": "queue", "job_definition": "steps"}


def test_a_queue_and_a_definition_are_enough() -> None:
    """Branches run at the same time; what jobs have is said by the definition."""
    options = StepFunctionsOptions(**NEEDED)
    assert (options.enable_parallel, options.platform, options.reclaims) == (True, "EC2", 3)
    assert (options.cpu, options.memory, options.gpu) == (None, None, 0)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"job_queue": ""}, "job_queue is missing"),
        ({"job_definition": ""}, "job_definition is missing"),
        ({"items": "bucket/prefix"}, "items is an address like s3://bucket/prefix"),
        ({"items": "s3://bucket/it's {}"}, "items is an address like s3://bucket/prefix"),
        ({"reclaims": 10}, "reclaims is from 0 to 9"),
        ({"reclaims": -1}, "reclaims is from 0 to 9"),
        ({"cpu": 0}, "cpu is a number above 0, not 0"),
        ({"gpu": -1}, "gpu is a whole number, at least 0, not -1"),
        ({"memory": "many"}, "memory is 'many'; expected"),
        ({"shm": "1GiB"}, "shm is part of the job definition"),
        ({"environment": {"AWS_BATCH_X": "1"}}, "belong to Batch itself"),
        ({"tags": {str(number): "x" for number in range(51)}}, "at most 50"),
        ({"tags": {"": "x"}}, "a key has from 1 to 128 characters"),
        ({"tags": {"aws:x": "x"}}, "belong to AWS itself"),
        ({"tags": {"x.$": "x"}}, "means a path to Step Functions"),
    ],
)
def test_what_cannot_be_meant_is_refused(given: dict[str, Any], told: str) -> None:
    """In one sentence that names the option."""
    with pytest.raises(ValueError, match=r"^\S+ ?.*") as refusal:
        StepFunctionsOptions(**(NEEDED | given))
    assert told in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("items", ["s3://bucket", "s3://my.bucket-1/a/b", "s3://bucket/a/"])
def test_a_place_for_items_is_a_bucket_and_perhaps_a_prefix(items: str) -> None:
    """A slash at its end does no harm."""
    assert StepFunctionsOptions(**NEEDED, items=items).items == items
