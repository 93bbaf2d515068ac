from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from magnus.errors import ConfigurationError
from magnus_executor_kubeflow import items
from magnus_executor_kubeflow.config import KubeflowOptions
from magnus_executor_kubeflow.executor import KubeflowExecutor

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def put(tmp_path: Path) -> Callable[..., list[Any]]:
    """Return a function that puts values of the item `x`, and gives the text of each as it is handed on."""

    def work(*values: Any) -> list[Any]:
        file = tmp_path / "outputs" / "items"
        text = json.dumps([json.dumps({"x": value}) for value in values])
        KubeflowExecutor(KubeflowOptions(docker_image="i")).put_items(f"kubeflow://{file}", text)
        written: list[Any] = json.loads(file.read_text(encoding="utf-8"))
        return written

    return work


def test_items_come_back_as_they_were(put: Callable[..., list[Any]]) -> None:
    """Whatever they are."""
    values = [
        "a",
        'b"c\\',
        "$(HOME)",
        "$$",
        "\\$",
        "{{workflow.name}}",
        "{{{{",
        "\\{{",
        {"{{": ["$", {}]},
        1.5,
        None,
        "日本",
    ]
    texts = put(*values)
    assert [json.loads(text)["x"] for text in texts] == values


def test_nothing_in_them_is_replaced_on_the_way(put: Callable[..., list[Any]]) -> None:
    """Neither by Kubernetes nor by Argo."""
    text = "".join(put("$(HOME)", "$$", "\\$", "{{workflow.name}}", "{{{{", {"{{": [{}]}))
    assert "$" not in text
    assert "{{" not in text


def test_no_items_are_an_empty_list(put: Callable[..., list[Any]]) -> None:
    """Over which Kubeflow repeats nothing."""
    assert put() == []


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (["a", "x" * items.LARGEST_ITEM], "item 1 of the map"),
        (["x" * 1000] * 300, "the 300 items of the map have"),
    ],
)
def test_too_much_is_refused(put: Callable[..., list[Any]], values: list[str], told: str) -> None:
    """With how much it is, and how much may be."""
    with pytest.raises(ConfigurationError, match=told):
        put(*values)


def test_another_place_is_not_known() -> None:
    """Only the file of an output parameter is."""
    with pytest.raises(ConfigurationError, match="knows no place but kubeflow://PATH"):
        items.put_items("s3://bucket/key", "[]")


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """By its place."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="--items-to kubeflow://"):
        items.put_items(f"kubeflow://{tmp_path}/file/items", "[]")
