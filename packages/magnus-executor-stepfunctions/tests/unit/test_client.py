from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

import boto3
import pytest
from rendering_kit import OPTIONS

from magnus.errors import ServiceError
from magnus_executor_stepfunctions.client import get_object, put_object
from magnus_executor_stepfunctions.config import StepFunctionsOptions
from magnus_executor_stepfunctions.executor import StepFunctionsExecutor

if TYPE_CHECKING:
    from collections.abc import Iterator

PLACE = "s3://bucket/items/r/each.json?map=distributed&most=10&longest=100"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have an account of AWS with a bucket."""
    if find_spec("moto") is None:
        pytest.skip("needs moto")
    from moto import mock_aws

    for name in ("AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    with mock_aws():
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="bucket")
        yield


@pytest.mark.usefixtures("s3")
def test_items_are_read_where_they_were_put() -> None:
    """The executor puts them, the emulator reads them."""
    executor = StepFunctionsExecutor(StepFunctionsOptions(**OPTIONS))
    executor.put_items(PLACE, '["{}"]')
    assert get_object("bucket", "items/r/each.json") == '["{}"]'
    executor.put_items(PLACE, "[]")
    assert get_object("bucket", "items/r/each.json") == "[]"


@pytest.mark.usefixtures("s3")
def test_what_is_not_there_is_told() -> None:
    """With the address."""
    with pytest.raises(ServiceError, match="GetObject on s3://bucket/x: The specified key does not exist"):
        get_object("bucket", "x")
    with pytest.raises(
        ServiceError, match="PutObject on s3://nowhere/x: The specified bucket does not exist"
    ):
        put_object("nowhere", "x", "")


def test_an_s3_that_cannot_be_reached_is_worth_another_try(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where no region is known: the address decides."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with pytest.raises(ServiceError, match="PutObject on s3://bucket/x: Could not connect") as failure:
        put_object("bucket", "x", "", endpoint_url="http://127.0.0.1:9")
    assert failure.value.retriable
