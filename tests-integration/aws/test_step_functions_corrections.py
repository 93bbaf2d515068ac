"""Each gap of moto's Step Functions is closed; that of jobs that are called again is seen where jobs run."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from aws.step_functions_corrections import install

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aws.stores import Stores


@pytest.fixture
def output_of(stores: Stores, monkeypatch: pytest.MonkeyPatch) -> Callable[[Mapping[str, Any]], Any]:
    """Return a function that executes a machine of some states, one after another, and returns what comes out."""
    monkeypatch.setenv("MOTO_PORT", stores.endpoint.rpartition(":")[2])
    install(monkeypatch)
    client: Any = boto3.client("stepfunctions")

    def execute(states: Mapping[str, Any]) -> Any:
        machine = {"StartAt": next(iter(states)), "States": states}
        role = "arn:aws:iam::123456789012:role/any"
        name = f"machine-{time.monotonic_ns()}"
        arn = client.create_state_machine(name=name, definition=json.dumps(machine), roleArn=role)[
            "stateMachineArn"
        ]
        execution = client.start_execution(stateMachineArn=arn, name="the-run")["executionArn"]
        while (found := client.describe_execution(executionArn=execution))["status"] == "RUNNING":
            time.sleep(0.05)
        assert found["status"] == "SUCCEEDED", found
        return json.loads(found["output"])

    return execute


def test_machines_are_executed(output_of: Callable[[Mapping[str, Any]], Any]) -> None:
    """What comes out is made of what went in."""
    state = {"Type": "Pass", "Parameters": {"name.$": "$$.Execution.Name"}, "End": True}
    assert output_of({"one": state}) == {"name": "the-run"}


def test_parameters_and_results_have_the_names_of_the_language(
    output_of: Callable[[Mapping[str, Any]], Any], stores: Stores
) -> None:
    """An object that is there is read."""
    bucket = stores.bucket()
    boto3.client("s3").put_object(Bucket=bucket, Key="key", Body=b'["item"]')
    state = {
        "Type": "Task",
        "Resource": "arn:aws:states:::aws-sdk:s3:getObject",
        "Parameters": {"Bucket": bucket, "Key": "key"},
        "ResultSelector": {"list.$": "States.StringToJson($.Body)"},
        "End": True,
    }
    assert output_of({"one": state}) == {"list": ["item"]}


def test_an_error_out_of_a_branch_is_caught(output_of: Callable[[Mapping[str, Any]], Any]) -> None:
    """Also one that has no name of the user's."""
    choice = {"Type": "Choice", "Choices": [{"Variable": "$", "IsString": True, "Next": "end"}]}
    branch = {"StartAt": "two", "States": {"two": choice, "end": {"Type": "Succeed"}}}
    catch = [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.failure", "Next": "three"}]
    states = {
        "one": {"Type": "Parallel", "Branches": [branch], "Catch": catch, "End": True},
        "three": {"Type": "Pass", "End": True},
    }
    assert output_of(states)["failure"]["Error"].startswith("States.")
