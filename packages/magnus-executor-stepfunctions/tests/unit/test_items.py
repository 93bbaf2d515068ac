from __future__ import annotations

import json

import pytest
from rendering_kit import Renderer, chain, map_of

from magnus.errors import ConfigurationError
from magnus_executor_stepfunctions.evaluation import evaluate, parse
from magnus_executor_stepfunctions.items import check_items

PLACE = "s3://bucket/items/r/each.json?map={}&most={}&longest={}"


def place_in(renderer: Renderer, **more: int) -> str:
    """Return what a machine with one map gives to `fan` as its place."""
    state = renderer.machine({"each": map_of(chain({"x": {}}), **more)})["States"]["each.out"]
    text = state["Parameters"]["ContainerOverrides"]["Command.$"]
    return str(evaluate(parse(text), {"run_id": "r", "place": "r"}, {})[-1])


@pytest.mark.parametrize("more", [{}, {"max_concurrency": 2}])
def test_a_place_that_was_rendered_takes_items(renderer: Renderer, more: dict[str, int]) -> None:
    """Bucket and key are those that the machine reads."""
    assert check_items(place_in(renderer, **more), '["{}"]') == ("bucket", "items/r/each.json")


def test_an_inline_map_has_as_many_items_as_its_history_has_room_for(renderer: Renderer) -> None:
    """Twenty events an item, of twenty-five thousand; and the remedy is named."""
    place = place_in(renderer, max_concurrency=2)
    with pytest.raises(
        ConfigurationError, match=r"has 2000 items, and Step Functions takes 1\d\d\d .* set it above 40"
    ):
        check_items(place, json.dumps(["{}"] * 2000))
    assert check_items(place_in(renderer), json.dumps(["{}"] * 2000))


def test_too_many_items_are_refused() -> None:
    """Their ends would not fit into the data of a state."""
    with pytest.raises(
        ConfigurationError, match=r"has 3 items, and Step Functions takes 2 .*iterate over groups"
    ):
        check_items(PLACE.format("distributed", 2, 100), '["{}", "{}", "{}"]')


def test_an_item_that_no_command_has_room_for_is_refused() -> None:
    """Counted as it stands in the request, with its escapes."""
    item = json.dumps({"x": "y" * 20})
    assert check_items(PLACE.format("distributed", 9, len(json.dumps(item)) - 2), json.dumps([item]))
    with pytest.raises(
        ConfigurationError, match="needs 33 characters in the command of a job, and AWS Batch has 31 left"
    ):
        check_items(PLACE.format("distributed", 9, 31), json.dumps([item]))


def test_a_list_that_is_too_large_for_data_is_refused_inline_only() -> None:
    """It is read item by item otherwise."""
    text = json.dumps([json.dumps({"x": "y" * 1000})] * 200)
    with pytest.raises(ConfigurationError, match=r"need .* bytes, and Step Functions takes 196608"):
        check_items(PLACE.format("inline", 1000, 8000), text)
    assert check_items(PLACE.format("distributed", 1000, 8000), text)


@pytest.mark.parametrize(
    "place",
    ["s3://bucket/key", "file://x/y?map=inline&most=1&longest=1", "s3://b?map=inline&most=1&longest=1"],
)
def test_a_place_of_another_kind_is_refused(place: str) -> None:
    """Nobody can say what it has room for."""
    with pytest.raises(ConfigurationError, match="no place that a state machine names"):
        check_items(place, "[]")
