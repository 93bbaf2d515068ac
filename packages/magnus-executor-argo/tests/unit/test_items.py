"""What a map iterates on, where Argo finds it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from magnus.errors import ConfigurationError
from magnus_executor_argo.config import ArgoOptions
from magnus_executor_argo.executor import ArgoExecutor
from magnus_executor_argo.items import LARGEST_ITEMS

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
    with pytest.raises(
        ConfigurationError, match=r"takes 262,1\d\d bytes for 2 items, .* at most 262,144"
    ) as caught:
        put(executor, tmp_path / "items.json", {"x": "y" * (LARGEST_ITEMS - 32)}, {"x": "z"})
    assert "let the branches look the rest up" in str(caught.value)
    assert not (tmp_path / "items.json").exists()


@pytest.mark.parametrize("place", ["s3://bucket/items", "argo://", "argo://relative"])
def test_another_place_is_refused(executor: ArgoExecutor, place: str) -> None:
    """It is none of ours."""
    with pytest.raises(ConfigurationError, match="not to"):
        executor.put_items(place, "[]")


def test_a_place_that_cannot_be_written_is_told(executor: ArgoExecutor, tmp_path: Path) -> None:
    """With the reason."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match="cannot be written: Not a directory"):
        executor.put_items(f"argo://{tmp_path}/file/deep/items.json", "[]")
