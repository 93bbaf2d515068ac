"""What a dag looks like as a workflow of Argo."""

from __future__ import annotations

import json
import re
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from magnus.domain.capabilities import Placement
from magnus_executor_argo.config import ArgoOptions
from magnus_executor_argo.executor import ArgoExecutor

if TYPE_CHECKING:
    from collections.abc import Callable

GOLDEN = Path(__file__).parent / "golden"

OPTIONS: dict[str, Any] = {
    "image_pull_policy": "Always",
    "environment": {"LEVEL": "1e3"},
    "secrets": [{"variable": "TOKEN", "name": "tokens", "key": "mine"}],
    "persistent_volumes": {"data.set": "/data"},
    "node_selector": {"disk": "ssd"},
    "tolerations": [{"key": "spot", "operator": "Exists"}],
    "namespace": "science",
    "service_account": "runner",
    "image_pull_secret_name": "opens-registry",
    "labels": {"team": "on"},
    "parallelism": 50,
}


def chain(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a graph that runs steps one after another; they are called `one`, `two` and so on."""
    names = [*["one", "two", "three", "four", "five"][: len(steps)], "done"]
    nodes = {
        name: {"type": "as-is", "next": following} | step
        for name, step, following in zip(names, steps, names[1:], strict=False)
    }
    ends = {"done": {"type": "success"}, "failed": {"type": "fail"}}
    return {"start_at": names[0], "steps": nodes | ends} | more


def templates(text: str) -> dict[str, Any]:
    """Return the templates of a manifest by name."""
    spec = yaml.safe_load(text)["spec"]
    return {each["name"]: each for each in spec.get("workflowSpec", spec)["templates"]}


def task(command: str = "m.f", **more: Any) -> dict[str, Any]:
    """Return a task."""
    return {"type": "task", "command": command} | more


def test_the_manifest_is_as_it_was(render: Callable[..., str]) -> None:
    """Byte for byte; who changes what is rendered looks at the difference."""
    text = render((GOLDEN / "pipeline.yaml").read_text(encoding="utf-8"), "--tag", "nightly run", **OPTIONS)
    expected = (GOLDEN / "workflow.yaml").read_text(encoding="utf-8")
    assert text == expected.replace("{version}", version("magnus-core"))


def test_rendering_twice_gives_equal_bytes(render: Callable[..., str]) -> None:
    """There is no time and no chance in it."""
    dag = (GOLDEN / "pipeline.yaml").read_text(encoding="utf-8")
    assert render(dag) == render(dag)


def test_the_manifest_leads_back_to_the_dag(render: Callable[..., str]) -> None:
    """Version and hash on top, for readers and for the cluster; file and line at every template and task."""
    text = render((GOLDEN / "pipeline.yaml").read_text(encoding="utf-8"))
    found = re.search(r"^# dag hash: ([0-9a-f]{64})$", text, re.MULTILINE)
    assert found is not None
    assert f"rendered by magnus {version('magnus-core')}" in text
    assert yaml.safe_load(text)["metadata"]["annotations"] == {
        "magnus/version": version("magnus-core"),
        "magnus/dag-hash": found[1],
        "magnus/pipeline-file": "pipeline.yaml",
    }
    assert text.count("# pipeline.yaml:26: mend, task\n") == 1
    assert text.count("# pipeline.yaml:26: each.name.both.left.mend, task\n") == 1
    annotations = [each["metadata"]["annotations"] for each in templates(text).values() if "metadata" in each]
    assert {"magnus/step": "each.name.both.left.mend", "magnus/place": "pipeline.yaml:26"} in annotations


@pytest.mark.parametrize(
    ("options", "kind", "metadata"),
    [
        ({}, "Workflow", {"generateName": "pipeline-"}),
        ({"name": "mine"}, "Workflow", {"generateName": "mine-"}),
        ({"kind": "WorkflowTemplate"}, "WorkflowTemplate", {"name": "pipeline"}),
        (
            {"kind": "CronWorkflow", "schedule": "0 4 * * *", "name": "nightly", "namespace": "science"},
            "CronWorkflow",
            {"name": "nightly", "namespace": "science"},
        ),
    ],
)
def test_a_dag_is_one_of_three_kinds(
    options: dict[str, Any], kind: str, metadata: dict[str, str], render: Callable[..., str]
) -> None:
    """Named as the options say, or after the file."""
    document = yaml.safe_load(render(chain({}), **options))
    del document["metadata"]["annotations"]
    assert (document["kind"], document["metadata"]) == (kind, metadata)


def test_a_schedule_is_that_of_a_cron_workflow(render: Callable[..., str]) -> None:
    """With its zone, what becomes of a run that is still there, and labels for each run."""
    spec = yaml.safe_load(
        render(
            chain({}),
            kind="CronWorkflow",
            schedule="0 4 * * *",
            timezone="Europe/Berlin",
            concurrency_policy="Forbid",
            labels={"team": "a"},
        )
    )["spec"]
    assert spec.pop("workflowSpec")["entrypoint"] == "main"
    assert spec == {
        "schedules": ["0 4 * * *"],
        "timezone": "Europe/Berlin",
        "concurrencyPolicy": "Forbid",
        "workflowMetadata": {"labels": {"team": "a"}},
    }


def test_the_dag_names_the_workflow(render: Callable[..., str]) -> None:
    """As far as Kubernetes takes what it is called: 52 characters, and a hyphen."""
    document = yaml.safe_load(render(chain({}, name="Über & Größe " * 9)))
    assert document["metadata"]["generateName"] == "uber-groe-uber-groe-uber-groe-uber-groe-uber-groe-ub-"


def test_a_node_has_options_of_its_own(render: Callable[..., str]) -> None:
    """For its pods; the others keep those of all."""
    own = {"docker_image": "other:2", "cpu": 4, "node_selector": {"gpu": "yes"}, "infrastructure_retries": 0}
    found = templates(render(chain(task(executor_config={"argo": own}), task()), cpu=1))
    one, two = found["one"], found["two"]
    assert (one["container"]["image"], two["container"]["image"]) == ("other:2", "registry/image:1")
    assert (one["container"]["resources"]["limits"], two["container"]["resources"]["limits"]) == (
        {"cpu": "4000m"},
        {"cpu": "1000m"},
    )
    assert one["nodeSelector"] == {"gpu": "yes"}
    assert ("retryStrategy" in one, "retryStrategy" in two) == (False, True)


def test_what_a_step_asks_of_its_machine_it_gets(render: Callable[..., str]) -> None:
    """As request and as limit; a graphics processor and shared memory are for tasks alone."""
    defaults = {"cpu": 0.5, "memory": "1GiB", "gpu": 1, "shm": "8MiB", "gpu_resource": "amd.com/gpu"}
    found = templates(render(chain({}, task(resources={"memory": "3GiB"})), **defaults))
    asked = {"cpu": "500m", "memory": "3072Mi", "amd.com/gpu": "1"}
    assert found["two"]["container"]["resources"] == {"requests": asked, "limits": asked}
    assert found["two"]["volumes"] == [{"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "8Mi"}}]
    assert found["one"]["container"]["resources"]["limits"] == {"cpu": "500m", "memory": "1024Mi"}
    assert "volumes" not in found["one"]


@pytest.mark.parametrize(
    ("options", "node", "limit"),
    [
        ({}, {}, None),
        ({"enable_parallel": False}, {}, 1),
        ({}, {"max_concurrency": 3}, 3),
        ({"enable_parallel": False}, {"max_concurrency": 3}, 1),
        ({}, {"executor_config": {"argo": {"enable_parallel": False}}}, 1),
    ],
)
def test_how_many_branches_run_at_the_same_time_is_configured(
    options: dict[str, Any], node: dict[str, Any], limit: int | None, render: Callable[..., str]
) -> None:
    """For all nodes, or for one; the map's own `max_concurrency` is kept."""
    each = {"type": "map", "iterate_on": "xs", "iterate_as": "x", "branch": chain({})} | node
    assert templates(render(chain(each), **options))["one"].get("parallelism") == limit


def test_the_time_of_the_run_and_of_a_step_is_kept_with_a_grace(render: Callable[..., str]) -> None:
    """Argo ends nothing before magnus does: the longest pause that magnus may wait for is added."""
    retry = {"max_attempts": 4, "backoff": {"initial": 10, "factor": 3, "max": 50, "jitter": 1}}
    text = render(chain(task(timeout=7.5, retry=retry), max_time=100.5), grace_seconds=30)
    assert yaml.safe_load(text)["spec"]["activeDeadlineSeconds"] == 131
    assert templates(text)["one"]["activeDeadlineSeconds"] == 88


def test_what_follows_what(render: Callable[..., str]) -> None:
    """The fail node comes where the success node is omitted, and that one after everything that leads to no other end."""
    dag = {
        "start_at": "a",
        "steps": {
            "a": task(next="b", on_failure="mend"),
            "mend": task(next="b"),
            "b": task(next="done", on_failure="tell"),
            "tell": task(next="failed"),
            "done": {"type": "success"},
            "failed": {"type": "fail"},
        },
    }
    found = templates(render(dag))
    assert {each["name"]: each.get("depends", "") for each in found["main"]["dag"]["tasks"]} == {
        "a": "",
        "mend": "a.Failed || a.Errored",
        "b": "a.Succeeded || mend.Succeeded",
        "tell": "b.Failed || b.Errored",
        "done": "(b.Succeeded) && (tell.Succeeded || tell.Failed || tell.Errored || tell.Skipped || tell.Omitted)",
        "failed": "done.Omitted",
    }
    guarded = {
        name for name, each in found.items() if "--if-reached" in each.get("container", {}).get("args", [])
    }
    assert guarded == {"mend", "tell", "failed"}


def test_nodes_may_be_called_as_the_words_of_expressions(render: Callable[..., str]) -> None:
    """Their tasks are called otherwise: an expression could not name them."""
    steps = {"in": task(next="not"), "not": task(next="done")} | {
        "done": {"type": "success"},
        "failed": {"type": "fail"},
    }
    found = templates(render({"start_at": "in", "steps": steps}))["main"]["dag"]["tasks"]
    assert [(each["name"], each["template"], each.get("depends")) for each in found[:3]] == [
        ("in--step", "in", None),
        ("not--step", "not", "in--step.Succeeded"),
        ("done", "done", "not--step.Succeeded"),
    ]


def test_a_graph_may_begin_with_its_end(render: Callable[..., str]) -> None:
    """What nothing leads to is left out."""
    dag = {"start_at": "done", "steps": {"done": {"type": "success"}, "failed": {"type": "fail"}}}
    found = templates(render(dag))["main"]["dag"]["tasks"]
    assert found == [{"name": "done", "template": "done"}]


@pytest.mark.parametrize(
    ("option", "value", "told"),
    [
        ("docker_image", "", "docker_image is missing"),
        ("dockerimage", "x", "unknown key 'dockerimage'"),
        ("environment", {"A B": "x"}, "cannot be the name of a variable"),
        ("environment", {"TOKEN": "x"}, "TOKEN is there twice"),
        ("secrets", [{"variable": "A", "name": "x"}], "lacks the key 'key'"),
        ("secrets", [{"variable": "A", "name": "x", "key": "y", "value": "z"}], "unknown key 'value'"),
        ("persistent_volumes", {"a": "data"}, "an absolute path"),
        ("persistent_volumes", {"a": "/data", "b": "/data"}, "the same path"),
        ("tolerations", [{"key": "a", "operator": "In"}], "'Equal' or 'Exists'"),
        ("cpu", 0, "cpu is a number above 0"),
        ("memory", "much", "memory is 'much'"),
        ("gpu", -1, "gpu is a whole number"),
        ("infrastructure_retries", -1, "infrastructure_retries is a whole number"),
        ("grace_seconds", 0, "grace_seconds is at least 1"),
        ("parallelism", 0, "parallelism is at least 1"),
        ("kind", "Job", "expected"),
        ("kind", "CronWorkflow", "schedule is missing"),
        ("schedule", "0 4 * * *", "are for kind CronWorkflow"),
        ("namespace", "My_Space", "namespace: letters in lower case"),
        ("service_account", "-x", "service_account: letters in lower case"),
        ("labels", {"team": "a b"}, "labels: team has up to 63"),
        ("labels", {"team": "{{b}}"}, "labels: team has up to 63"),
        ("schedule", "every day", "five fields like"),
        ("name", "My Workflow", "letters in lower case"),
        ("name", "x" * 53, "at most 52"),
    ],
)
def test_an_option_that_cannot_be_meant_is_refused(
    option: str, value: Any, told: str, render: Callable[..., str]
) -> None:
    """When the configuration is read; one sentence says what would do."""
    given = {"secrets": [{"variable": "TOKEN", "name": "tokens", "key": "mine"}]} | {option: value}
    assert told in render(chain({}), expect=2, **given)


def test_what_is_said_of_the_workflow_is_not_said_of_a_node(render: Callable[..., str]) -> None:
    """It would be ignored."""
    node = {"executor_config": {"argo": {"namespace": "other"}}}
    said = render(chain({}, node), expect=2)
    assert "namespace is said of the whole workflow" in said
    assert "`executor_config` of 'two'" in said


@pytest.mark.parametrize(
    ("dag", "config", "options", "told"),
    [
        (chain({}), {"environment": {"A": "{{x}}"}}, (), "the node 'one' holds '{{x}}'"),
        (chain({}), {}, ("--tag", "{{workflow.name}}"), "holds '{{workflow.name}}'"),
        (chain({}), {"docker_image": "{{b}}"}, (), "the node 'one' holds '{{b}}'"),
        (chain({}), {"image_pull_secret_name": "{{b}}"}, (), "the workflow holds '{{b}}'"),
        (
            chain({}, {"executor_config": {"argo": {"environment": {"A": "{{"}}}}),
            {},
            (),
            "the node 'two' holds '{{'",
        ),
    ],
)
def test_text_that_argo_would_take_for_a_variable_is_refused(
    dag: dict[str, Any],
    config: dict[str, Any],
    options: tuple[str, ...],
    told: str,
    render: Callable[..., str],
) -> None:
    """There is no way to write it otherwise."""
    said = render(dag, *options, expect=2, **config)
    assert told in said
    assert "beginning of a variable" in said


def test_names_of_nodes_may_look_like_variables(render: Callable[..., str]) -> None:
    """They are encoded in commands; where people read them, braces are apart."""
    text = render(
        {"start_at": "{{x}}", "steps": chain({})["steps"] | {"{{x}}": {"type": "as-is", "next": "one"}}}
    )
    assert all("{{x" not in line for line in text.splitlines() if not line.strip().startswith("#"))
    assert "{ {x}}" in text
    assert '"%7B%7Bx%7D%7D"' in text


def test_a_workflow_that_argo_could_not_keep_is_refused(render: Callable[..., str]) -> None:
    """With what becomes of its nodes in mind; the limit and the remedy are named."""
    steps: dict[str, Any] = {
        f"step {number}": {"type": "as-is", "next": f"step {number + 1}"} for number in range(2000)
    }
    dag = {
        "start_at": "step 0",
        "steps": steps | {"step 2000": {"type": "success"}, "failed": {"type": "fail"}},
    }
    said = " ".join(render(dag, expect=2).split())
    assert "Argo keeps at most 1,048,576 bytes of a workflow" in said
    assert "its 4,005 tasks and pods" in said
    assert "Divide the dag" in said


def test_a_long_chain_is_rendered(render: Callable[..., str]) -> None:
    """As long as Argo takes it."""
    steps: dict[str, Any] = {
        f"s{number}": {"type": "as-is", "next": f"s{number + 1}"} for number in range(700)
    }
    dag = {"start_at": "s0", "steps": steps | {"s700": {"type": "success"}, "failed": {"type": "fail"}}}
    assert len(templates(render(dag, infrastructure_retries=0))) == 700 + 5


def test_a_map_knows_how_many_items_there_is_room_for(render: Callable[..., str]) -> None:
    """In what is left of the workflow's size, for branches of theirs; where Argo has a database, for any number."""
    each = {"type": "map", "iterate_on": "xs", "iterate_as": "x", "branch": chain({}, {})}
    place = templates(render(chain(each)))["one--open"]["container"]["args"][-1]
    found = re.fullmatch(r"argo:///tmp/magnus/items.json\?most=(\d+)", place)
    assert found is not None
    assert found[1] in ("760", "770", "780")
    place = templates(render(chain(each), offload_node_status=True))["one--open"]["container"]["args"][-1]
    assert place == "argo:///tmp/magnus/items.json"


def test_what_lies_too_deep_is_refused(render: Callable[..., str]) -> None:
    """Argo calls at most a hundred templates in a row."""
    dag = chain({})
    for _ in range(49):
        dag = chain({"type": "parallel", "branches": {"b": dag}})
    said = " ".join(render(dag, expect=2).split())
    assert "lies 100 templates deep, and Argo goes at most 99 deep" in said


def test_the_time_of_a_branch_is_refused(render: Callable[..., str], tmp_path: Path) -> None:
    """Nobody keeps it."""
    (tmp_path / "inner.yaml").write_text(json.dumps({"dag": chain({}, max_time=5)}))
    said = render(chain({"type": "dag", "dag_definition": "inner.yaml"}), expect=2)
    assert "nobody keeps its time" in said
    assert "(asked for by one)" in said


def test_no_secret_is_in_the_manifest(render: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even one that an option would hold."""
    monkeypatch.setenv("MAGNUS_VAR_token", "canary-5b1e")
    said = render(chain({}), expect=2, environment={"TOKEN": "${token}"})
    assert "would hold a credential" in said


def test_it_says_what_it_can_do() -> None:
    """As data, from its options: steps are elsewhere, where no engine is, branches beside each other."""
    plain = ArgoExecutor.capabilities(ArgoOptions(docker_image="x"))
    alone = ArgoExecutor.capabilities(ArgoOptions(docker_image="x", enable_parallel=False))
    assert (plain.placement, plain.concurrent_branches, plain.refused_features) == (
        Placement.REMOTE,
        True,
        {},
    )
    assert plain.task_types == {"python", "python-lambda", "shell", "notebook"}
    assert not alone.concurrent_branches
