"""What a map iterates on, where Argo finds it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from magnus.errors import ConfigurationError
from magnus_executor_argo.config import ArgoOptions
from magnus_executor_argo.executor import ArgoExecutor
from magnus_executor_argo.items import LARGEST_ITEM

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@pytest.fixture
def executor() -> ArgoExecutor:
    """Return the executor, as in a pod."""
    return ArgoExecutor(ArgoOptions(docker_image="x"))


def put(executor: ArgoExecutor, file: Path, *items: Mapping[str, object]) -> list[str]:
    """Return what Argo finds after *items* were put to *file*."""
    executor.put_items(f"argo://{file}", json.dumps([json.dumps(item) for item in items]))
    found: list[str] = json.loads(file.read_text(encoding="ascii"))
    return found


def test_items_lie_in_a_file(executor: ArgoExecutor, tmp_path: Path) -> None:
    """In a folder that need not be there."""
    assert put(executor, tmp_path / "deep" / "items.json", {"x": 1.50}, {"x": "ä"}) == [
        '{"x": 1.5}',
        '{"x": "\\u00e4"}',
    ]


def test_nothing_in_an_item_is_taken_for_a_variable(executor: ArgoExecutor, tmp_path: Path) -> None:
    """Braces of the user's are written by escapes; the JSON is of the same value."""
    item = {"x": "{{workflow.name}} {{{ {", "{{": {"y": {}}}
    (found,) = put(executor, tmp_path / "items.json", item)
    assert "{{" not in found
    assert json.loads(found) == item


def test_a_list_that_argo_would_not_pass_on_is_refused(executor: ArgoExecutor, tmp_path: Path) -> None:
    """Nothing is written then."""
    told = r"takes 300,\d\d\d bytes for 10 items, .* at most 262,144"
    with pytest.raises(ConfigurationError, match=told) as caught:
        put(executor, tmp_path / "items.json", *[{"x": "y" * 30_000}] * 10)
    assert "let the branches look the rest up" in str(caught.value)
    assert not (tmp_path / "items.json").exists()


def test_an_item_that_a_pod_would_not_take_is_refused(executor: ArgoExecutor, tmp_path: Path) -> None:
    """It is an argument of every command in its branch."""
    told = r"an item of the map takes 32,7\d\d bytes, .* at most 32,768"
    with pytest.raises(ConfigurationError, match=told):
        put(executor, tmp_path / "items.json", {"x": "y" * (LARGEST_ITEM - 8)})


def test_more_items_than_the_workflow_has_room_for_are_refused(
    executor: ArgoExecutor, tmp_path: Path
) -> None:
    """How many that are is known when it is rendered, and stands in the place."""
    file = tmp_path / "items.json"
    executor.put_items(f"argo://{file}?most=2", '["a", "b"]')
    with pytest.raises(ConfigurationError, match=r"over 3 items, .* room for about 2 such branches"):
        executor.put_items(f"argo://{file}?most=2", '["a", "b", "c"]')
    assert json.loads(file.read_text()) == ["a", "b"]


@pytest.mark.parametrize(
    "place", ["s3://bucket/items", "argo://", "argo://relative", "argo:///x?most=", "argo:///x?least=1"]
)
def test_another_place_is_refused(executor: ArgoExecutor, place: str) -> None:
    """It is none of ours."""
    with pytest.raises(ConfigurationError, match="not to"):
        executor.put_items(place, "[]")


def test_a_place_that_cannot_be_written_is_told(executor: ArgoExecutor, tmp_path: Path) -> None:
    """With the reason."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot be written: Not a directory"):
        executor.put_items(f"argo://{tmp_path}/file/deep/items.json", "[]")
