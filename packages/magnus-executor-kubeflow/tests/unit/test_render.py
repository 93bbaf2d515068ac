from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

GOLDEN = Path(__file__).parent / "golden"

ENDS = "done: {type: success}, failed: {type: fail}"
BRANCH = f"{{start_at: done, steps: {{{ENDS}}}}}"


def one_step(step: str) -> str:
    """Return a pipeline of the node `one`."""
    return f"dag: {{start_at: one, steps: {{one: {{{step}, next: done}}, {ENDS}}}}}\n"


TASK = "type: task, command: work.do"


def read(text: str) -> Mapping[str, Any]:
    """Return the outermost graph's tasks, and all executors."""
    document = yaml.safe_load(text)
    tasks: dict[str, Any] = {}
    for component in document["components"].values():
        tasks |= component.get("dag", {}).get("tasks", {})
    executors = document["deploymentSpec"]["executors"]
    return {
        "tasks": tasks,
        "containers": {name.removeprefix("exec-"): each["container"] for name, each in executors.items()},
    }


def test_the_pipeline_is_as_it_was(render: Callable[..., str]) -> None:
    """Byte for byte, but for the versions of magnus and of kfp; who changes what is rendered looks at the difference."""
    text = render(
        (GOLDEN / "pipeline.yaml").read_text(encoding="utf-8"), options="environment: {LEVEL: high}"
    )
    expected = (GOLDEN / "pipeline-kubeflow.yaml").read_text(encoding="utf-8")
    versions = {"{magnus}": version("magnus-core"), "{kfp}": version("kfp")}
    for mark, number in versions.items():
        expected = expected.replace(mark, number)
    assert text == expected


def test_each_task_leads_back_to_the_dag(render: Callable[..., str]) -> None:
    """File, line and name stand above it; the hash of the dag on top."""
    text = render((GOLDEN / "pipeline.yaml").read_text(encoding="utf-8"))
    assert re.search(r"^# dag hash: [0-9a-f]{64}$", text, re.MULTILINE)
    assert re.search(r"# pipeline\.yaml:25: mend, task\n +each-name-both-left-mend-\w+:\n", text)
    assert text.count("pipeline.yaml:10: each, map") == 3


def test_kfp_is_told_what_resources_a_step_needs(render: Callable[..., str]) -> None:
    """By the step first, then by the configuration; nodes that only close or open something ask for nothing."""
    limits = "cpu: 0.25, memory: 512MiB, accelerator_type: amd.com/gpu"
    containers = read(render(one_step(f"{TASK}, resources: {{cpu: 2, gpu: 1}}"), options=limits))[
        "containers"
    ]
    resources = containers["one"]["resources"]
    assert (resources["resourceCpuLimit"], resources["resourceMemoryLimit"]) == ("2", "512Mi")
    assert resources["accelerator"]["resourceType"] == "amd.com/gpu"
    assert resources["accelerator"]["resourceCount"] == "1"
    assert all("resources" not in container for name, container in containers.items() if name != "one")


def test_an_override_holds_for_its_node(render: Callable[..., str]) -> None:
    """Image and variables; the other nodes keep those of the configuration."""
    own = '{kubeflow: {docker_image: "other:2", environment: {A: b}}}'
    containers = read(render(one_step(f"{TASK}, executor_config: {own}")))["containers"]
    assert containers["one"]["image"] == "other:2"
    assert containers["one"]["env"] == [{"name": "A", "value": "b"}]
    assert (containers["done"]["image"], "env" in containers["done"]) == ("project:1", False)


@pytest.mark.parametrize(
    ("options", "node", "limit"),
    [
        ("", "", None),
        ("parallelism: 9", "", 9),
        ("parallelism: 9", ", max_concurrency: 2", 2),
        ("", ", max_concurrency: 2", 2),
        ("enable_parallel: false", ", max_concurrency: 2", 1),
    ],
)
def test_how_many_branches_of_a_map_run_at_the_same_time(
    render: Callable[..., str], options: str, node: str, limit: int | None
) -> None:
    """As many as the cluster has room for, unless somebody says otherwise."""
    step = f"type: map, iterate_on: xs, iterate_as: x, branch: {BRANCH}{node}"
    loop = read(render(one_step(step), options=options))["tasks"]["for-loop-1"]
    assert loop.get("iteratorPolicy", {}).get("parallelismLimit") == limit


@pytest.mark.parametrize(("options", "waits_for"), [("", "one"), ("enable_parallel: false", "one-left-")])
def test_branches_run_beside_each_other_or_one_after_another(
    render: Callable[..., str], options: str, waits_for: str
) -> None:
    """As configured."""
    step = f"type: parallel, branches: {{left: {BRANCH}, right: {BRANCH}}}"
    tasks = read(render(one_step(step), options=options))["tasks"]
    (right,) = [task for name, task in tasks.items() if re.fullmatch(r"one-right-\w{6}", name)]
    assert [re.sub(r"\w{6}$", "", name) if "-" in name else name for name in right["dependentTasks"]] == [
        waits_for
    ]


def test_nothing_comes_from_kubeflows_cache(render: Callable[..., str]) -> None:
    """A step that it knows would not run, and nobody would write its log."""
    tasks = read(render((GOLDEN / "pipeline.yaml").read_text(encoding="utf-8")))["tasks"]
    assert not [name for name, task in tasks.items() if task.get("cachingOptions", {}).get("enableCache")]


def test_the_run_id_is_kubeflows_own_or_a_parameter(render: Callable[..., str]) -> None:
    """As configured; what closes the run is told the same."""
    own = render(one_step(TASK))
    assert own.count("constant: '{{$.pipeline_job_uuid}}'") == 4
    assert "inputDefinitions" not in yaml.safe_load(own)["root"]
    parameter = render(one_step(TASK), options="run_id_from: parameter")
    assert "pipeline_job_uuid" not in parameter
    inputs = yaml.safe_load(parameter)["root"]["inputDefinitions"]["parameters"]
    assert inputs == {"run_id": {"parameterType": "STRING"}}


@pytest.mark.parametrize(
    ("file", "name"),
    [("my train.yaml", "my-train"), ("Größer Als_1.yaml", "gr-er-als-1"), ("日.yaml", "pipeline")],
)
def test_the_pipeline_is_called_after_its_file(
    render: Callable[..., str], tmp_path: Path, file: str, name: str
) -> None:
    """In letters that Kubeflow knows."""
    (tmp_path / file).write_text(one_step(TASK), encoding="utf-8")
    assert yaml.safe_load(render("", "-f", file))["pipelineInfo"]["name"] == name


def test_the_pipelines_name_can_be_given(render: Callable[..., str]) -> None:
    """By an option."""
    text = render(one_step(TASK), options="pipeline_name: nightly-1")
    assert yaml.safe_load(text)["pipelineInfo"]["name"] == "nightly-1"


@pytest.mark.parametrize(
    "name", ["close-run", "exit-handler-1", "for-loop-1", "one-join", "one-each", "main"]
)
def test_a_step_may_be_called_what_kfp_or_we_call_something(render: Callable[..., str], name: str) -> None:
    """Each task keeps its own command, and its place."""
    text = f"""
dag:
  start_at: {name}
  steps:
    {name}: {{{TASK}, next: one}}
    one: {{type: map, iterate_on: xs, iterate_as: x, branch: {BRANCH}, next: done}}
    done: {{type: success}}
    failed: {{type: fail}}
"""
    rendered = render(text)
    (called,) = re.findall(rf"# pipeline\.yaml:5: {name}, task\n +(\S+):\n", rendered)
    assert called.startswith(name)
    document = yaml.safe_load(rendered)
    tasks = read(rendered)["tasks"]
    component = document["components"][tasks[called]["componentRef"]["name"]]
    arguments = document["deploymentSpec"]["executors"][component["executorLabel"]]["container"]["args"]
    assert arguments[:2] == ["--step-name", name]
