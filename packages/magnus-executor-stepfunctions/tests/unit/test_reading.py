from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from magnus.errors import ConfigurationError
from magnus_executor_stepfunctions.emulator import Emulator

if TYPE_CHECKING:
    from collections.abc import Callable

GOLDEN: dict[str, Any] = json.loads(
    (Path(__file__).parent / "golden" / "state-machine.json").read_text(encoding="utf-8")
)


def problems(change: Callable[[dict[str, Any]], object]) -> str:
    """Return what the emulator says of the golden machine after *change*."""
    machine = copy.deepcopy(GOLDEN)
    change(machine)
    with pytest.raises(ConfigurationError) as refusal:
        Emulator(json.dumps(machine), "machine.json")
    return str(refusal.value)


def step(machine: dict[str, Any]) -> Any:
    """Return the state of the first task."""
    return next(state for name, state in machine["States"].items() if name.startswith("read-the-list"))


def overrides(machine: dict[str, Any]) -> Any:
    """Return the overrides of its job."""
    return step(machine)["Parameters"]["ContainerOverrides"]


def processor(machine: dict[str, Any]) -> Any:
    """Return what the map does with each item."""
    return machine["States"]["each"]["ItemProcessor"]


def inner_map(machine: dict[str, Any]) -> Any:
    """Return the distributed map inside it."""
    return next(state for state in processor(machine)["States"].values() if state["Type"] == "Map")


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "field of a machine": (lambda m: m.update(Version="1.0"), "Version is not interpreted"),
    "query language": (lambda m: m.update(QueryLanguage="JSONata"), "QueryLanguage is not interpreted"),
    "no limit": (lambda m: m.pop("TimeoutSeconds"), "the machine lacks TimeoutSeconds"),
    "limit of no kind": (lambda m: m.update(TimeoutSeconds=0), "TimeoutSeconds is a whole number above 0"),
    "field of a state": (
        lambda m: step(m).update(HeartbeatSeconds=5),
        ".HeartbeatSeconds is not interpreted",
    ),
    "type": (lambda m: m["States"].update(x={"Type": "Activity"}), "States.x is of the type 'Activity'"),
    "no state": (lambda m: m["States"].update(x=5), "States.x is of the type None"),
    "dangling start": (lambda m: m.update(StartAt="x"), "States has no state 'x', which another leads to"),
    "dangling next": (lambda m: step(m).update(Next="x"), "States has no state 'x'"),
    "dangling catch": (lambda m: step(m)["Catch"][0].update(Next="x"), "States has no state 'x'"),
    "dangling choice": (lambda m: m["States"]["IfClosed"].update(Default="x"), "States has no state 'x'"),
    "unreachable": (
        lambda m: m["States"].update(x={"Type": "Succeed"}),
        "States.x is never reached",
    ),
    "no end": (lambda m: m["States"]["done"].pop("End"), "States.done has either Next, or End with true"),
    "both": (lambda m: m["States"]["done"].update(Next="failed"), "States.done has either Next, or End"),
    "long name": (
        lambda m: m["States"].update({"x" * 81: {"Type": "Succeed"}}),
        "has a name of more than 80 characters",
    ),
    "double name": (
        lambda m: processor(m)["States"].update(done={"Type": "Succeed"}),
        "States.done has a name that another state has",
    ),
    "resource": (
        lambda m: step(m).update(Resource="arn:aws:states:::lambda:invoke"),
        "Resource is 'arn:aws:states:::lambda:invoke', which is not interpreted",
    ),
    "parameter of a job": (
        lambda m: step(m)["Parameters"].update(ArrayProperties={"Size": 2}),
        "Parameters.ArrayProperties is not interpreted",
    ),
    "missing parameter": (
        lambda m: step(m)["Parameters"].pop("JobQueue"),
        "Parameters lacks JobQueue",
    ),
    "override": (lambda m: overrides(m).update(Vcpus=1), "ContainerOverrides.Vcpus is not interpreted"),
    "command": (
        lambda m: overrides(m).update({"Command.$": "States.Array(States.UUID())"}),
        "Command.$ cannot be interpreted: the function States.UUID is not interpreted",
    ),
    "variable": (
        lambda m: overrides(m)["Environment"][0].update(Secret="x"),
        "Environment[0].Secret is not interpreted",
    ),
    "rule of batch": (
        lambda m: step(m)["Parameters"]["RetryStrategy"]["EvaluateOnExit"].append(
            {"OnExitCode": "3", "Action": "RETRY"}
        ),
        "EvaluateOnExit[3].OnExitCode is not interpreted",
    ),
    "retrier": (
        lambda m: step(m)["Retry"][0].update(JitterStrategy="FULL"),
        "Retry[0].JitterStrategy is not interpreted",
    ),
    "interval": (
        lambda m: step(m)["Retry"][0].update(IntervalSeconds=0.5),
        "IntervalSeconds is a whole number above 0",
    ),
    "rate": (lambda m: step(m)["Retry"][0].update(BackoffRate=0.5), "BackoffRate is a number, at least 1"),
    "longest pause": (
        lambda m: step(m)["Retry"][1].update(MaxDelaySeconds=10),
        "MaxDelaySeconds is above IntervalSeconds",
    ),
    "result path": (
        lambda m: step(m).update(ResultPath="$.a.b"),
        "ResultPath is '$.a.b', which is not interpreted",
    ),
    "output path": (lambda m: step(m).update(OutputPath="$.a"), "OutputPath is '$.a', which is not"),
    "comparison": (
        lambda m: m["States"]["IfClosed"]["Choices"][0]["And"].append(
            {"Variable": "$.a", "NumericEquals": 1}
        ),
        "compares by NumericEquals, Variable, which is not interpreted",
    ),
    "choice without next": (
        lambda m: m["States"]["IfClosed"]["Choices"].append({"Variable": "$.a", "IsPresent": True}),
        "Choices[1] is no rule with Next",
    ),
    "wait": (lambda m: m["States"]["note.own"].update(Seconds="x"), "Seconds is a whole number above 0"),
    "two sources": (
        lambda m: inner_map(m).update(ItemsPath="$.items"),
        "has either ItemsPath or ItemReader",
    ),
    "reader": (
        lambda m: inner_map(m)["ItemReader"].update(Resource="arn:aws:states:::s3:listObjectsV2"),
        "reads something else than JSON from S3",
    ),
    "mode": (
        lambda m: processor(m)["ProcessorConfig"].update(Mode="DISTRIBUTED"),
        "which is not interpreted here",
    ),
    "concurrency": (
        lambda m: m["States"]["each"].update(MaxConcurrency=0),
        "MaxConcurrency is a whole number",
    ),
    "path of items": (lambda m: m["States"]["each"].update(ItemsPath="$.items[*]"), "cannot be interpreted"),
    "branches": (lambda m: m["States"]["both"].update(Branches=5), "both.Branches is no list"),
    "branch": (
        lambda m: m["States"]["both"]["Branches"][0].update(Comment="x"),
        "both.Branches[0].Comment is not interpreted",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_is_not_rendered_is_refused_by_name(name: str) -> None:
    """With the place where it stands, before anything runs."""
    change, told = CHANGES[name]
    said = problems(change)
    assert said.startswith("machine.json: ")
    assert told in said


def test_all_mistakes_are_told_together() -> None:
    """Of the whole file."""

    def change(machine: dict[str, Any]) -> None:
        machine["Version"] = "1.0"
        step(machine)["HeartbeatSeconds"] = 5

    assert len(problems(change).splitlines()) == 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"StartAt": "a", "StartAt": "b", "States": {}}', "'StartAt' stands twice"),
        ('{"StartAt": "a", "States": {}', "it is no JSON that can be read"),
        ("[" * 100_000, "it is no JSON that can be read"),
        (" " * 1_048_577, "1048576 bytes at most"),
        ('{"StartAt": ' + "[" * 400 + "]" * 400 + ', "States": {}}', "it nests deeper than 300 levels"),
    ],
)
def test_text_that_is_no_machine_is_refused(text: str, told: str) -> None:
    """In a sentence, whatever it is."""
    with pytest.raises(ConfigurationError) as refusal:
        Emulator(text, "machine.json")
    assert told in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "is_ours"),
    [
        (json.dumps(GOLDEN), True),
        ('{"StartAt": "x", "States": {}}', True),
        ('{"apiVersion": "argoproj.io/v1alpha1"}', False),
        ("#!/usr/bin/env bash\n", False),
        ("{", False),
        ("[]", False),
        ("", False),
    ],
)
def test_a_machine_is_recognised_by_what_no_other_file_has(text: str, is_ours: bool) -> None:  # noqa: FBT001
    """Right or wrong."""
    assert Emulator.recognises(text) is is_ours
