"""The reader of the emulator is strict: it knows what we render, and nothing more."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from magnus.errors import ConfigurationError
from magnus_executor_argo.emulator import Emulator

if TYPE_CHECKING:
    from collections.abc import Callable

GOLDEN = (Path(__file__).parent / "golden" / "workflow.yaml").read_text(encoding="utf-8")


def template(document: Any, name: str) -> Any:
    """Return a template of a manifest."""
    return next(each for each in document["spec"]["templates"] if each["name"] == name)


def changed(change: Callable[[Any], object]) -> str:
    """Return the golden manifest after *change*."""
    document = yaml.safe_load(GOLDEN)
    change(document)
    return yaml.safe_dump(document, sort_keys=False)


def test_what_is_rendered_is_read() -> None:
    """And known by its first lines."""
    assert Emulator.recognises(GOLDEN)
    Emulator(GOLDEN, "workflow.yaml")


@pytest.mark.parametrize("text", ["", "#!/bin/sh\n", "apiVersion: batch/v1\n", '{"StartAt": "argoproj.io"}'])
def test_other_files_are_not_its_own(text: str) -> None:
    """Another emulator may know them."""
    assert not Emulator.recognises(text)


def first(document: Any) -> Any:
    """Return the first task of the outermost graph."""
    return template(document, "main")["dag"]["tasks"][0]


def pod(document: Any) -> Any:
    """Return a template that runs a command."""
    return template(document, "note")


def with_inputs(document: Any) -> str:
    """Return the name of a template that takes parameters."""
    return next(str(each["name"]) for each in document["spec"]["templates"] if "inputs" in each)


CHANGES: list[tuple[Callable[[Any], object], str]] = [
    (lambda d: d.update(status={}), "file: 'status' is nothing that magnus renders"),
    (lambda d: d.update(apiVersion="argoproj.io/v2"), "file.apiVersion: 'argoproj.io/v2' is not interpreted"),
    (lambda d: d.update(kind="ClusterWorkflowTemplate"), "file.kind"),
    (lambda d: d["spec"].update(volumes=[]), "file.spec: 'volumes' is nothing"),
    (lambda d: d["spec"].pop("entrypoint"), "file.spec: 'entrypoint' is missing"),
    (lambda d: d["spec"].update(entrypoint="nowhere"), "there is no template 'nowhere'"),
    (lambda d: d["spec"].update(onExit="nowhere"), "file.spec.onExit: there is no template"),
    (lambda d: d["spec"].update(entrypoint=with_inputs(d)), "nobody gives the template"),
    (
        lambda d: d["spec"].update(activeDeadlineSeconds="60"),
        "a whole number is expected, at least 1, not '60'",
    ),
    (lambda d: d["spec"].update(parallelism=True), "a whole number is expected"),
    (lambda d: d["spec"].update(templates={}), "file.spec.templates: a list is expected"),
    (lambda d: pod(d).update(daemon=True), "templates[5] (note): 'daemon' is nothing"),
    (lambda d: pod(d).update(parallelism=1), "'parallelism' is nothing"),
    (lambda d: pod(d).update(steps=[]), "'steps' is nothing"),
    (lambda d: pod(d)["container"].update(lifecycle={}), "'lifecycle' is nothing"),
    (lambda d: pod(d)["container"].update(args="x"), "a list is expected"),
    (lambda d: pod(d)["container"].update(args=[1]), "a text is expected, not 1"),
    (lambda d: pod(d)["container"]["env"].append({"name": "A", "value": 1}), "a text is expected, not 1"),
    (lambda d: pod(d)["container"]["env"].append({"name": "A"}), "'value' is missing"),
    (lambda d: pod(d)["container"]["env"].append({"name": "A", "value": "{{x}}"}), "no variable 'x' here"),
    (
        lambda d: pod(d)["container"]["args"].append("{{workflow.status}}"),
        "no variable 'workflow.status' here",
    ),
    (lambda d: pod(d)["container"]["args"].append("{{=1}}"), "is not interpreted"),
    (lambda d: pod(d)["retryStrategy"].update(retryPolicy="OnError"), "'OnError' is not interpreted"),
    (lambda d: pod(d)["retryStrategy"].update(expression="true"), "'true' is not interpreted"),
    (lambda d: pod(d)["retryStrategy"].update(affinity={}), "'affinity' is nothing"),
    (
        lambda d: pod(d)["retryStrategy"].update(backoff={"duration": "2m", "factor": 1}),
        "'2m' is not interpreted",
    ),
    (lambda d: pod(d)["retryStrategy"].update(limit=-1), "at least 0"),
    (lambda d: pod(d).update(name="main"), "another template has this name"),
    (lambda d: pod(d).update(name="lost"), "there is no template 'note'"),
    (lambda d: d["spec"]["templates"].append(pod(d) | {"name": "lost"}), "no task calls the template"),
    (lambda d: first(d).update(dependencies=["each"]), "'dependencies' is nothing"),
    (lambda d: first(d).update(depends="nobody.Failed"), "it depends on 'nobody', and there is no such task"),
    (lambda d: first(d).update(depends="each"), "'each' cannot be read"),
    (lambda d: first(d).update(depends="each.Failed"), "in a circle"),
    (lambda d: first(d).update(template="main"), "calls itself in the end"),
    (lambda d: first(d).update(when="true"), "when: 'true' is not interpreted"),
    (lambda d: first(d).update(withParam="[1]"), "known is an output of a task"),
    (lambda d: first(d).update(name="each"), "another task has this name"),
    (
        lambda d: first(d).update(withParam="{{tasks.each.outputs.parameters.items}}"),
        "it takes an output of 'each', and does not depend on that",
    ),
    (
        lambda d: first(d).update(arguments={"parameters": [{"name": "x", "value": "y"}]}),
        "takes the parameters none, and is given x",
    ),
    (lambda d: template(d, "main")["dag"].update(failFast=True), "only false is interpreted"),
    (lambda d: template(d, "main")["dag"].update(target="done"), "'target' is nothing"),
    (lambda d: template(d, "main")["dag"].update(tasks=[]), "a dag without tasks"),
    (lambda d: template(d, "main")["dag"]["tasks"][-1].pop("depends"), "only dags with one last task"),
    (lambda d: template(d, "each--open").pop("outputs"), "'open' has no output 'items'"),
    (lambda d: template(d, "each--open")["outputs"]["parameters"][0].update(globalName="x"), "'globalName'"),
    (lambda d: d["metadata"].update(finalizers=["x"]), "'finalizers' is nothing"),
    (lambda d: d["metadata"].update(labels={"a": 1}), "a text is expected"),
]


@pytest.mark.parametrize(("change", "told"), CHANGES, ids=[told for _, told in CHANGES])
def test_what_we_do_not_render_is_refused_by_name(change: Callable[[Any], object], told: str) -> None:
    """And where it stands."""
    with pytest.raises(ConfigurationError) as caught:
        Emulator(changed(change), "file")
    assert told in str(caught.value)
    assert str(caught.value).startswith("file")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a: [", "file is no YAML"),
        ("a: 1\na: 2\n", "a key stands twice"),
        ("- a\n", "file: a mapping is expected"),
        ("a: !!python/name:os.system\n", "file is no YAML"),
    ],
)
def test_what_is_no_manifest_is_refused(text: str, told: str) -> None:
    """Nothing in it is lost, and nothing in it is executed."""
    with pytest.raises(ConfigurationError) as caught:
        Emulator(text, "file")
    assert told in str(caught.value)
