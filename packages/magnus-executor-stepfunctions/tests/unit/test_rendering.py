from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from rendering_kit import Renderer, chain, map_of, parallel

from magnus.cli.app import main
from magnus.domain.capabilities import Placement
from magnus.domain.render_plan import Token
from magnus_executor_stepfunctions.config import StepFunctionsOptions
from magnus_executor_stepfunctions.evaluation import evaluate, parse
from magnus_executor_stepfunctions.executor import StepFunctionsExecutor
from magnus_executor_stepfunctions.expressions import array

GOLDEN = Path(__file__).parent / "golden"


def command(state: dict[str, Any], **data: str) -> list[str]:
    """Return the command of a state for the run `r`."""
    text = state["Parameters"]["ContainerOverrides"]["Command.$"]
    found: list[str] = evaluate(parse(text), {"run_id": "r", "place": "r", **data}, {})
    return found


def test_the_machine_is_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Byte for byte; who changes what is rendered looks at the difference."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipeline.yaml").write_bytes((GOLDEN / "pipeline.yaml").read_bytes())
    assert main(["execute", "--tag", "it's {nightly}"]) == 0
    machine = (tmp_path / "state-machine.json").read_text(encoding="utf-8")
    expected = (GOLDEN / "state-machine.json").read_text(encoding="utf-8")
    assert machine == expected.replace("{version}", version("magnus-core"))


class TestAttempts:
    """A task is a job, called again as often as `retry` says."""

    def test_pauses_are_the_shortest_that_magnus_would_make(self, renderer: Renderer) -> None:
        """In whole seconds; the last call is the last attempt."""
        retry = {"max_attempts": 5, "backoff": {"initial": 10.5, "factor": 3, "max": 100, "jitter": 0.5}}
        state = renderer.machine({"one": {"retry": retry}})["States"]["one"]
        busy, again = state["Retry"]
        assert "States.TaskFailed" not in busy["ErrorEquals"]
        assert again == {
            "ErrorEquals": ["States.TaskFailed"],
            "IntervalSeconds": 5,
            "BackoffRate": 3.0,
            "MaxDelaySeconds": 50,
            "MaxAttempts": 4,
        }

    def test_a_step_without_retry_is_called_once(self, renderer: Renderer) -> None:
        """Unless Batch was too busy to take it."""
        state = renderer.machine({"one": {}})["States"]["one"]
        assert [each["ErrorEquals"][0] for each in state["Retry"]] == ["Batch.AWSBatchException"]

    def test_batch_ends_a_job_later_than_magnus_would(self, renderer: Renderer) -> None:
        """The pause before the attempt, and the start of magnus, come on top."""
        retry = {"max_attempts": 2, "backoff": {"initial": 500}}
        states = renderer.machine({"one": {"timeout": 20, "retry": retry}, "two": {}})["States"]
        assert states["one"]["Parameters"]["Timeout"] == {"AttemptDurationSeconds": 820}
        assert "Timeout" not in states["two"]["Parameters"]

    def test_the_machine_ends_later_than_the_run_may(self, renderer: Renderer) -> None:
        """Jobs wait in queues, and that is none of the run's time."""
        renderer.write({"one": {}}, max_time=100)
        assert json.loads(renderer.text())["TimeoutSeconds"] == 3701


class TestJobs:
    """What a job is given."""

    def test_options_of_a_node_are_those_of_its_jobs(self, renderer: Renderer) -> None:
        """Queue, definition, variables; for fan-out and fan-in as well."""
        own = {"executor_config": {"aws-step-functions": {"job_queue": "large", "environment": {"A": "1"}}}}
        inner = chain({"x": {}})
        states = renderer.machine({"one": own, "both": parallel(left=inner) | own, "two": {}})["States"]
        queues = {
            name: state["Parameters"]["JobQueue"] for name, state in states.items() if state["Type"] == "Task"
        }
        assert queues == {
            **dict.fromkeys(("one", "both.out", "both.in"), "large"),
            **dict.fromkeys(("two", "done", "failed", "Stop"), "queue"),
        }
        overrides = states["one"]["Parameters"]["ContainerOverrides"]
        assert overrides["Environment"] == [{"Name": "A", "Value": "1"}]

    def test_resources_replace_those_of_the_definition(self, renderer: Renderer) -> None:
        """Those that are asked for, and no others."""
        steps = {
            "one": {"resources": {"cpu": 2, "gpu": 1}},
            "two": {"resources": {"memory": "1GiB"}},
            "three": {},
        }
        states = renderer.machine(steps)["States"]
        asked = [
            states[name]["Parameters"]["ContainerOverrides"].get("ResourceRequirements")
            for name in ("one", "two", "three")
        ]
        assert asked == [
            [{"Type": "VCPU", "Value": "2"}, {"Type": "GPU", "Value": "1"}],
            [{"Type": "MEMORY", "Value": "1024"}],
            None,
        ]

    def test_a_reclaimed_host_is_for_batch(self, renderer: Renderer) -> None:
        """As often as configured; everything else ends the job."""
        machine = renderer.machine({"one": {}}, reclaims=1)
        strategy = machine["States"]["one"]["Parameters"]["RetryStrategy"]
        assert strategy["Attempts"] == 2
        assert strategy["EvaluateOnExit"][-1] == {"OnReason": "*", "Action": "EXIT"}
        machine = renderer.machine({"one": {}}, reclaims=0)
        assert machine["States"]["one"]["Parameters"]["RetryStrategy"] == {"Attempts": 1}

    def test_place_and_tags_are_told(self, renderer: Renderer) -> None:
        """The region as the variables that clients look at."""
        machine = renderer.machine({"one": {}}, region="eu-west-1", endpoint_url="http://x", tags={"a": "b"})
        job = machine["States"]["one"]["Parameters"]
        names = [each["Name"] for each in job["ContainerOverrides"]["Environment"]]
        assert names == ["AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"]
        assert job["Tags"] == {"a": "b"}


class TestWays:
    """What comes after what."""

    def test_what_a_failure_leads_to_makes_sure_that_there_was_one(self, renderer: Renderer) -> None:
        """Other nodes need not ask the run log."""
        states = renderer.machine({"one": {"on_failure": "three"}, "two": {}, "three": {}})["States"]
        careful = {
            name
            for name, state in states.items()
            if state["Type"] == "Task" and "--if-reached" in command(state)
        }
        assert careful == {"three", "failed"}
        assert [catcher["Next"] for catcher in states["one"]["Catch"]] == ["three"]
        assert [catcher["Next"] for catcher in states["two"]["Catch"]] == ["failed"]

    def test_a_run_that_was_not_closed_is_stopped(self, renderer: Renderer) -> None:
        """By the last state but one; the execution fails in any case."""
        states = renderer.machine({"one": {}})["States"]
        assert states["done"]["Catch"][0]["Next"] == "Stop"
        assert states["failed"]["Catch"][0]["Next"] == "IfClosed"
        assert states["IfClosed"]["Default"] == "Stop"
        assert "--stopped-because" in command(states["Stop"])
        assert states["Stop"]["Next"] == states["Stop"]["Catch"][0]["Next"] == "Failed"

    def test_branches_one_after_another(self, renderer: Renderer) -> None:
        """Where they may not run at the same time."""
        both = parallel(left=chain({"x": {}}), right=chain({"y": {}}))
        states = renderer.machine({"both": both}, enable_parallel=False)["States"]
        assert [states[name]["Next"] for name in ("both.out", "both.1", "both.2")] == [
            "both.1",
            "both.2",
            "both.in",
        ]
        assert [len(states[name]["Branches"]) for name in ("both.1", "both.2")] == [1, 1]
        each = map_of(chain({"x": {}}))
        assert (
            renderer.machine({"each": each}, enable_parallel=False)["States"]["each"]["MaxConcurrency"] == 1
        )

    def test_nothing_comes_out_of_a_branch(self, renderer: Renderer) -> None:
        """However many items there are, their ends fit into the data of a state."""
        states = renderer.machine({"each": map_of(chain({"x": {}}))})["States"]
        inside = states["each"]["ItemProcessor"]["States"]
        assert [state["OutputPath"] for state in inside.values() if state.get("End")] == [None, None]
        assert states["each"]["ResultPath"] is None

    def test_a_state_of_the_dag_is_in_the_machine(self, renderer: Renderer) -> None:
        """However it ends, the node is next."""
        own = {"Type": "Task", "Resource": "arn:aws:states:::sns:publish", "Parameters": {"Message": "half"}}
        note = {"type": "as-is", "render_string": json.dumps(own)}
        states = renderer.machine({"one": {}, "note": note})["States"]
        assert states["one"]["Next"] == "note.own"
        assert states["note.own"] == own | {
            "ResultPath": None,
            "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": None, "Next": "note"}],
            "Next": "note",
        }


class TestMaps:
    """Inline where few items run at the same time, else distributed."""

    @pytest.mark.parametrize(
        ("most", "mode"),
        [(1, "INLINE"), (40, "INLINE"), (41, "DISTRIBUTED"), (10_000, "DISTRIBUTED"), (None, "DISTRIBUTED")],
    )
    def test_the_mode_follows_from_how_many_run_at_the_same_time(
        self, renderer: Renderer, most: int | None, mode: str
    ) -> None:
        """And the number is kept."""
        more = {} if most is None else {"max_concurrency": most}
        states = renderer.machine({"each": map_of(chain({"x": {}}), **more)})["States"]
        assert states["each"]["ItemProcessor"]["ProcessorConfig"]["Mode"] == mode
        assert states["each"].get("MaxConcurrency") == most
        assert ("each.items" in states) == (mode == "INLINE")

    def test_no_more_run_at_the_same_time_than_the_service_runs(self, renderer: Renderer) -> None:
        """A limit above that is none."""
        states = renderer.machine({"each": map_of(chain({"x": {}}), max_concurrency=20_000)})["States"]
        assert states["each"]["MaxConcurrency"] == 10_000

    def test_no_map_is_inline_in_an_inline_map(self, renderer: Renderer) -> None:
        """So that how many items one execution has room for can be told."""
        inner = map_of(chain({"y": {}}), max_concurrency=1, iterate_as="y")
        outer = map_of(chain({"inner": inner}), max_concurrency=1)
        processor = renderer.machine({"outer": outer})["States"]["outer"]["ItemProcessor"]
        inside = [state for state in processor["States"].values() if state["Type"] == "Map"]
        assert [state["ItemProcessor"]["ProcessorConfig"]["Mode"] for state in inside] == ["DISTRIBUTED"]
        assert inside[0]["MaxConcurrency"] == 1

    def test_items_are_put_where_they_are_read(self, renderer: Renderer) -> None:
        """The run's id is part of it, and inside a map the number of the item."""
        inner = map_of(chain({"y": {}}), iterate_as="y")
        outer = map_of(chain({"inner": inner}), max_concurrency=3)
        states = renderer.machine({"outer": outer}, items="s3://buck/some/where/")["States"]
        *_, flag, address = command(states["outer.out"])
        assert flag == "--items-to"
        assert address.startswith("s3://buck/some/where/r/outer.json?map=inline&most=")
        where = states["outer.items"]["Parameters"]
        assert where["Bucket"] == "buck"
        assert evaluate(parse(where["Key.$"]), {"place": "r"}, {}) == "some/where/r/outer.json"
        context = {"Map": {"Item": {"Index": 7}}}
        assert evaluate(parse(states["outer"]["ItemSelector"]["place.$"]), {"place": "r"}, context) == "r/7"


def test_whatever_stands_in_a_command_arrives_as_it_is() -> None:
    """Also what means something to the States Language."""
    parts = ("a b", "'", "\\", "{}", "\\{", "$.x", "States.Array('x')", "", "日本", "\n", '"')
    text = array(("magnus", *parts, Token.RUN_ID, Token.MAP_VARIABLE))
    data = {"run_id": "the-run", "map_variable": '{"x": "{}\'"}'}
    assert evaluate(parse(text), data, {}) == ["magnus", *parts, *data.values()]


def test_it_says_what_it_can_do() -> None:
    """As data, from its options."""
    options = StepFunctionsOptions(job_queue="q", job_definition="d")
    told: Any = StepFunctionsExecutor.capabilities(options)
    assert (told.placement, told.concurrent_branches, dict(told.refused_features)) == (
        Placement.REMOTE,
        True,
        {},
    )
    assert "container" not in told.task_types
