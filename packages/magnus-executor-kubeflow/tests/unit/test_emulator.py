"""Pipelines that were rendered, run in time that only the test moves."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from magnus.errors import ConfigurationError, InterruptedRunError
from magnus.testing.emulation import ScriptedCompute
from magnus_executor_kubeflow.emulator import Emulator

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from magnus.ports.emulator import ContainerCommand

ENDS = "done: {type: success}, failed: {type: fail}"
TASK = "type: task, command: work.do"
BRANCH = f"{{start_at: work, steps: {{work: {{{TASK}, next: done}}, {ENDS}}}}}"
MAP = f"type: map, iterate_on: xs, iterate_as: x, branch: {BRANCH}"
PARALLEL = f"type: parallel, branches: {{left: {BRANCH}, right: {BRANCH}}}"


def one_step(step: str = TASK) -> str:
    """Return a pipeline of the node `one`."""
    return f"dag: {{start_at: one, steps: {{one: {{{step}, next: done}}, {ENDS}}}}}\n"


def gives(*items: str) -> Callable[[ContainerCommand], None]:
    """Return what opens the branches of a map."""

    def work(command: ContainerCommand) -> None:
        place = command.arguments[command.arguments.index("--items-to") + 1]
        path = place.removeprefix("kubeflow://")
        assert path != place
        with open(path, "w", encoding="utf-8") as file:  # noqa: PTH123 - a path as the command has it
            json.dump(items, file)

    return work


def run(text: str, compute: ScriptedCompute, run_id: str = "the-run") -> bool:
    """Run a pipeline."""
    return Emulator(text, "file.yaml").run(run_id, compute)


def test_nodes_are_called_one_after_another_and_then_the_run_is_closed(
    render: Callable[..., str], tmp_path: Path
) -> None:
    """With the run's id, the image and the variables."""
    compute = ScriptedCompute(tmp_path)
    assert run(render(one_step(), options="environment: {A: b}"), compute)
    assert compute.steps == ["one", "done", "failed", "failed"]
    first, last = compute.calls[0].command, compute.calls[-1].command
    assert first.arguments == (
        *("magnus", "execute_single_node", "--step-name", "one", "--run-id", "the-run"),
        *("--file", "pipeline.yaml", "--config-file", "config.yaml", "--in-order"),
    )
    assert (first.name, first.image, dict(first.environment)) == ("one", "project:1", {"A": "b"})
    assert last.arguments[-2:] == (
        "--stopped-because",
        "Kubeflow ended the pipeline before the run had ended",
    )
    assert "--in-order" not in last.arguments


def test_the_run_id_can_be_a_parameter(render: Callable[..., str], tmp_path: Path) -> None:
    """In every command, in branches too."""
    compute = ScriptedCompute(tmp_path)
    assert run(render(one_step(PARALLEL), options="run_id_from: parameter"), compute)
    commands = [call.command.arguments for call in compute.calls]
    assert {command[command.index("--run-id") + 1] for command in commands} == {"the-run"}


def test_a_task_is_tried_again_with_its_pauses(render: Callable[..., str], tmp_path: Path) -> None:
    """As often as magnus may ask for, which it does by 75."""
    compute = ScriptedCompute(tmp_path, {"one": [75, 75, 0]})
    retry = "retry: {max_attempts: 3, backoff: {initial: 10, factor: 3}}"
    assert run(render(one_step(f"{TASK}, {retry}")), compute)
    assert [call.at for call in compute.calls if call.step == "one"] == [0, 10, 40]
    assert "retry 1 of 'one' in 10 s" in compute.lines


def test_steps_of_hours_are_tried_again_too(render: Callable[..., str], tmp_path: Path) -> None:
    """Argo stops after the time that Kubeflow calls the longest pause."""
    compute = ScriptedCompute(tmp_path, {"one": [75, 75, 0]}, takes_seconds=100_000)
    assert run(render(one_step(f"{TASK}, retry: 3")), compute)
    text = render(one_step(f"{TASK}, retry: 3")).replace(
        "backoffMaxDuration: 315360000s", "backoffMaxDuration: 3600s"
    )
    assert not run(text, ScriptedCompute(tmp_path / "two", {"one": [75, 75, 0]}, takes_seconds=100_000))


def test_a_pod_that_is_lost_is_started_again_if_that_is_configured(
    render: Callable[..., str], tmp_path: Path
) -> None:
    """Whatever it was for, and besides the attempts of the step."""
    ends = {"one": [137, 75, 0], "done": [137, 0]}
    compute = ScriptedCompute(tmp_path, ends)
    assert run(render(one_step(f"{TASK}, retry: 2"), options="restarts: 1"), compute)
    assert compute.steps == ["one", "one", "one", "done", "done", "failed", "failed"]
    assert not run(render(one_step(f"{TASK}, retry: 2")), ScriptedCompute(tmp_path / "two", ends))


@pytest.mark.parametrize("code", [1, 2, 75, 137])
def test_the_pipeline_ends_at_a_task_that_fails(
    render: Callable[..., str], tmp_path: Path, code: int
) -> None:
    """Whatever its exit code; then the run is closed."""
    compute = ScriptedCompute(tmp_path, {"one": [code]})
    assert not run(render(one_step()), compute)
    assert compute.steps == ["one", "failed"]
    assert "--stopped-because" in compute.calls[-1].command.arguments
    assert f"'one' has failed with exit code {code}" in compute.lines


def test_a_pipeline_that_could_not_be_closed_has_failed(render: Callable[..., str], tmp_path: Path) -> None:
    """Though all of it went well."""
    assert not run(render(one_step()), ScriptedCompute(tmp_path, {"failed": [0, 1]}))


def test_branches_are_walked_between_opening_and_joining(render: Callable[..., str], tmp_path: Path) -> None:
    """A branch that breaks holds up none beside it, but all that follows."""
    compute = ScriptedCompute(tmp_path, {"one.left.work": [2]})
    assert not run(render(one_step(PARALLEL)), compute)
    assert compute.steps[0] == "out one"
    assert sorted(compute.steps[1:-1]) == sorted(
        ["one.left.work", *(f"one.right.{name}" for name in ("work", "done", "failed"))]
    )
    assert "in one" not in compute.steps
    compute = ScriptedCompute(tmp_path)
    assert run(render(one_step(PARALLEL)), compute)
    assert compute.steps[-4:] == ["in one", "done", "failed", "failed"]


def test_a_map_is_walked_for_each_item(render: Callable[..., str], tmp_path: Path) -> None:
    """Each branch is told its own, byte by byte."""
    items = ['{"x": 1.50}', '{"x": "{{$.inputs}} $(A) \\u0024"}', '{"x": "日本"}']
    compute = ScriptedCompute(tmp_path, effects={"out one": gives(*items)})
    assert run(render(one_step(MAP)), compute)
    told = [
        call.command.arguments[call.command.arguments.index("--map-variable") + 1]
        for call in compute.calls
        if call.step == "one.%.work"
    ]
    assert sorted(told) == sorted(items)
    assert compute.steps[-4] == "in one"


def test_a_map_over_nothing_is_joined_at_once(render: Callable[..., str], tmp_path: Path) -> None:
    """Its branch is never called."""
    compute = ScriptedCompute(tmp_path, effects={"out one": gives()})
    assert run(render(one_step(MAP)), compute)
    assert compute.steps == ["out one", "in one", "done", "failed", "failed"]


def test_a_task_that_hands_on_nothing_has_failed(render: Callable[..., str], tmp_path: Path) -> None:
    """As Kubeflow finds no file."""
    compute = ScriptedCompute(tmp_path)
    assert not run(render(one_step(MAP)), compute)
    assert compute.steps == ["out one", "failed"]


@pytest.mark.parametrize(("limit", "expected"), [(", max_concurrency: 2", 2), ("", 4)])
def test_as_many_branches_run_at_the_same_time_as_may(
    render: Callable[..., str], tmp_path: Path, limit: str, expected: int
) -> None:
    """Each waits until as many as that run, or a fifth could have come."""
    running, most = [0], [0]
    changed = threading.Condition()

    def work(_: ContainerCommand) -> None:
        with changed:
            running[0] += 1
            most[0] = max(most[0], running[0])
            changed.notify_all()
            assert changed.wait_for(lambda: most[0] >= expected, 20)
            changed.wait(0.05)
            running[0] -= 1

    items = [f'{{"x": {number}}}' for number in range(4)]
    compute = ScriptedCompute(tmp_path, effects={"out one": gives(*items), "one.%.work": work})
    assert run(render(one_step(f"{MAP}{limit}")), compute)
    assert most[0] == expected


def test_an_interrupt_ends_the_pipeline(render: Callable[..., str], tmp_path: Path) -> None:
    """Nothing is called after it, not even what closes the run."""
    compute = ScriptedCompute(tmp_path)

    def stop(_: ContainerCommand) -> None:
        compute.is_stopped = True

    compute = ScriptedCompute(tmp_path, effects={"one": stop})
    with pytest.raises(InterruptedRunError):
        run(render(one_step()), compute)
    assert compute.steps == ["one"]


class TestStrictness:
    """What magnus does not render is refused, by its name and where it stands."""

    @pytest.fixture
    def document(self, render: Callable[..., str]) -> Any:
        """Return a pipeline with a map in it."""
        return yaml.safe_load(render(one_step(MAP), options="environment: {A: b}, cpu: 1"))

    @pytest.mark.parametrize(
        ("path", "value", "told"),
        [
            ("defaultPipelineRoot", "s3://b", "defaultPipelineRoot: is not interpreted"),
            ("schemaVersion", "2.0.0", "schemaVersion: '2.0.0' is not interpreted; magnus renders '2.1.0'"),
            ("pipelineInfo.other", "x", "pipelineInfo.other: is not interpreted"),
            ("root.dag.outputs", {}, "root.dag.outputs: is not interpreted"),
            (
                "root.dag.tasks.close-run.triggerPolicy.condition",
                "true",
                "triggerPolicy.condition: is not interpreted",
            ),
            ("root.dag.tasks.close-run.triggerPolicy.strategy", "ANY", "strategy: 'ANY' is not interpreted"),
            (
                "root.dag.tasks.close-run.cachingOptions.enableCache",
                True,
                "enableCache: True is not interpreted",
            ),
            ("root.dag.tasks.close-run.artifactIterator", {}, "artifactIterator: is not interpreted"),
            ("root.dag.tasks.close-run.dependentTasks", ["nobody"], "waits for 'nobody', which is not there"),
            (
                "root.dag.tasks.close-run.componentRef.name",
                "nothing",
                "component 'nothing', which is not there",
            ),
            ("root.dag.tasks.close-run.inputs.artifacts", {}, "inputs.artifacts: is not interpreted"),
            (
                "root.dag.tasks.close-run.inputs.parameters",
                {},
                "gives [], and its component takes ['run_id']",
            ),
            (
                "root.dag.tasks.close-run.inputs.parameters.run_id.runtimeValue.constant",
                "{{$.pipeline_job_name}}",
                "holds a placeholder that is not interpreted",
            ),
            (
                "root.inputDefinitions",
                {"parameters": {"x": {"parameterType": "STRING"}}},
                "has the parameter 'x'",
            ),
            ("components.comp-one.executorLabel", "exec-two", "there is no executor 'exec-two'"),
            ("components.comp-one.platformSpecs", {}, "platformSpecs: is not interpreted"),
            (
                "components.comp-one.inputDefinitions.parameters.run_id.parameterType",
                "STRUCT",
                "parameterType: 'STRUCT' is not interpreted",
            ),
            (
                "components.comp-one.inputDefinitions.parameters.run_id.isOptional",
                True,
                "isOptional: is not interpreted",
            ),
            ("deploymentSpec.executors.exec-one.importer", {}, "exec-one.importer: is not interpreted"),
            (
                "deploymentSpec.executors.exec-one.container.lifecycle",
                {},
                "container.lifecycle: is not interpreted",
            ),
            (
                "deploymentSpec.executors.exec-one.container.args",
                ["{{$.inputs.artifacts['x'].path}}"],
                "placeholder that is not interpreted",
            ),
            (
                "deploymentSpec.executors.exec-one.container.args",
                ["{{$.inputs.parameters['x']}}"],
                "names what the component does not have",
            ),
            ("deploymentSpec.executors.exec-one.container.args", ["a", 1], "text is expected, not 1"),
            ("deploymentSpec.executors.exec-one.container.image", 1, "text is expected, not 1"),
            ("components", [], "a mapping is expected"),
        ],
    )
    def test_what_is_added_or_changed_is_found(self, document: Any, path: str, value: Any, told: str) -> None:
        """Anywhere."""
        *way, key = path.split(".")
        place = document
        for each in way:
            place = place[each]
        place[key] = value
        with pytest.raises(ConfigurationError) as refusal:
            Emulator(yaml.safe_dump(document), "file.yaml")
        assert told in str(refusal.value)
        assert str(refusal.value).startswith("file.yaml: ")

    def test_tasks_that_wait_for_each_other_are_found(self, document: Any) -> None:
        """They would never begin."""
        tasks = document["root"]["dag"]["tasks"]
        tasks["exit-handler-1"]["dependentTasks"] = ["close-run"]
        with pytest.raises(ConfigurationError, match="wait for each other"):
            Emulator(yaml.safe_dump(document), "file.yaml")

    def test_components_that_hold_each_other_are_found(self, document: Any) -> None:
        """They would never end."""
        loop = document["components"]["comp-for-loop-1"]["dag"]["tasks"]
        (inner,) = loop.values()
        inner["componentRef"]["name"] = "comp-for-loop-1"
        inner["inputs"]["parameters"] = {
            name: {"componentInputParameter": name}
            for name in document["components"]["comp-for-loop-1"]["inputDefinitions"]["parameters"]
        }
        with pytest.raises(ConfigurationError, match="hold each other"):
            Emulator(yaml.safe_dump(document), "file.yaml")

    @pytest.mark.parametrize("text", ["", "[1]", "a: [", "pipelineInfo: {name: x}"])
    def test_what_is_no_pipeline_is_refused(self, text: str) -> None:
        """In one sentence."""
        with pytest.raises(ConfigurationError, match=r"^file\.yaml: "):
            Emulator(text, "file.yaml")

    def test_it_recognises_its_own_files_alone(self, render: Callable[..., str]) -> None:
        """By their outermost keys."""
        assert Emulator.recognises(render(one_step()))
        assert not Emulator.recognises("apiVersion: argoproj.io/v1alpha1\nkind: Workflow\n")
        assert not Emulator.recognises("")
