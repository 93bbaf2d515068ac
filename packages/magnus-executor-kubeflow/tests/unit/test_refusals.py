"""What is refused before anything is written, with one sentence that names what and why."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from magnus_executor_kubeflow import limits
from magnus_executor_kubeflow.config import KubeflowOptions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ENDS = "done: {type: success}, failed: {type: fail}"
TASK = "type: task, command: work.do"


def one_step(step: str = TASK) -> str:
    """Return a pipeline of the node `one`."""
    return f"dag: {{start_at: one, steps: {{one: {{{step}, next: done}}, {ENDS}}}}}\n"


@pytest.mark.parametrize(
    ("step", "told"),
    [
        (f"{TASK}, resources: {{shm: 1GiB}}", "a pipeline of Kubeflow cannot set the size of"),
        (
            f"{TASK}, executor_config: {{kubeflow: {{pipeline_name: mine}}}}",
            "pipeline_name: a pipeline has it once",
        ),
        (
            f"{TASK}, executor_config: {{kubeflow: {{run_id_from: parameter}}}}",
            "run_id_from: a pipeline has it once",
        ),
        (
            f"type: parallel, branches: {{left: {{max_time: 5, start_at: done, steps: {{{ENDS}}}}}}}",
            "nobody keeps its time",
        ),
    ],
)
def test_what_a_pipeline_cannot_say_is_refused_with_the_node_that_asks(
    render: Callable[..., str], step: str, told: str
) -> None:
    """And with the target."""
    said = render(one_step(step), expect=2)
    assert told in said
    assert "kubeflow" in said
    assert "one" in said


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ('docker_image: ""', "docker_image is missing"),
        ("pipeline_name: My Pipeline", "pipeline_name has up to 128 lower case letters"),
        ("run_id_from: date", "run_id_from"),
        ("environment: {A-B: c}", "'A-B' is no name of a variable"),
        ("parallelism: 0", "parallelism is at least 1"),
        ("restarts: -1", "restarts is a whole number"),
        ("cpu: 0", "cpu is a number"),
        ("gpu: -1", "gpu is a whole number"),
        ("memory: much", "memory is 'much'"),
        ('accelerator_type: ""', "accelerator_type is empty"),
    ],
)
def test_an_option_that_cannot_be_meant_is_refused(options: str, told: str) -> None:
    """When it is read."""
    values: dict[str, Any] = {"docker_image": "image:1"} | yaml.safe_load(f"{{{options}}}")
    with pytest.raises(ValidationError, match=told):
        TypeAdapter(KubeflowOptions).validate_python(values)


@pytest.mark.parametrize("option", ["shm", "docker_imag"])
def test_an_option_that_there_is_not_is_refused(render: Callable[..., str], option: str) -> None:
    """Nothing is left out silently."""
    assert option in render(one_step(), options=f"{option}: 1GiB", expect=2)


@pytest.mark.parametrize(
    ("tag", "told"),
    [
        ("{{$.inputs.parameters['run_id']}}", "double braces"),
        ("{{workflow.name}}", "double braces"),
        ("$(HOME)", "Kubernetes replaces"),
        ("a$$b", "one $ of two"),
    ],
)
def test_text_that_somebody_on_the_way_would_replace_is_refused(
    render: Callable[..., str], tag: str, told: str
) -> None:
    """Nothing that magnus is called with may change between the file and the process."""
    said = render(one_step(), "--tag", tag, expect=2)
    assert told in said
    assert "step 'one', what magnus is called with" in said
    assert "$HOME" in render(one_step(), "--tag", "$HOME $ }} {")


def test_so_is_the_value_of_a_variable(render: Callable[..., str]) -> None:
    """Named with the step and the variable."""
    said = render(one_step(), options='environment: {GREETING: "$(NAME)"}', expect=2)
    assert "step 'one', environment GREETING" in said


def test_an_argument_has_its_limit(render: Callable[..., str]) -> None:
    """That of Linux."""
    said = render(one_step(), "--tag", "x" * limits.LARGEST_ARGUMENT, expect=2)
    assert "an argument of a container takes 131072" in said


def test_a_pipeline_has_its_limit(render: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    """That of an object of Kubernetes."""
    assert limits.LARGEST_PIPELINE == 1024**2
    monkeypatch.setattr(limits, "LARGEST_PIPELINE", 1000)
    said = render(one_step(), expect=2)
    assert "executor kubeflow: the pipeline has" in said
    assert "no object above 1000" in said


def test_nothing_is_written_then(render: Callable[..., str], tmp_path: Path) -> None:
    """Not even an empty file."""
    render(one_step(), "-o", "file", "--tag", "$$", expect=2)
    assert not (tmp_path / "file").exists()
