from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from magnus.definition.config import config_from_mapping
from magnus.definition.findings import Findings, Spot
from magnus.definition.pipeline import build_graph
from magnus.definition.placeholders import NodeOptions, Target, resolve
from magnus.errors import ConfigurationError

if TYPE_CHECKING:
    from magnus.plugins.manager import AdapterManager

SEED = {"k1": "v1", "k3": "v3", "placeholders": {"k2": "v2"}}


def values(written: dict[str, Any], config: dict[str, Any], options: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return what *written* makes of *config* for the executor `cloud`."""
    spot = Spot("x", Findings(None), None, None)
    effective = resolve(written, Target("cloud", config, {"cloud", "local"}, options), spot)
    assert not spot.findings.problems
    return effective.values


def problems(written: dict[str, Any], config: dict[str, Any]) -> list[str]:
    """Return what is said of *written*."""
    spot = Spot("x", Findings(None), None, None)
    resolve(written, Target("cloud", config, {"cloud", "local"}, ()), spot)
    return [problem.message for problem in spot.findings.problems]


@pytest.mark.parametrize(
    "written",
    [
        {"cloud": {"k1": "value_specific_to_node", "k2": None}},
        {"k1": "value_specific_to_node", "k2": None},
        {"local": {"k1": "other"}, "cloud": {"k1": "value_specific_to_node", "k2": None}},
    ],
    ids=["by type", "flat", "beside another type"],
)
def test_the_example_of_the_specification_resolves_as_it_says(written: dict[str, Any]) -> None:
    """Both forms of executor_config give the same."""
    assert values(written, SEED) == {"k1": "value_specific_to_node", "k2": "v2", "k3": "v3"}


@pytest.mark.parametrize("value", [0, False, ""])
def test_falsy_values_are_values(value: Any) -> None:
    """Only null asks for a placeholder."""
    assert values({"k2": value}, SEED)["k2"] == value


def test_a_placeholder_that_is_a_mapping_replaces_the_key_by_its_keys() -> None:
    """The key itself is gone."""
    config = {"k1": "v1", "placeholders": {"large": {"cpu": 4, "k1": "big"}}}
    assert values({"large": None}, config) == {"k1": "big", "cpu": 4}


def test_a_placeholder_of_the_shape_of_its_option_becomes_the_options_value() -> None:
    """A mapping whose keys are no options can only be meant so."""
    config = {"placeholders": {"environment": {"A": "1"}}}
    assert values({"environment": None}, config, ("environment", "k1")) == {"environment": {"A": "1"}}


def test_mappings_are_merged_key_by_key() -> None:
    """An override of one variable leaves the others."""
    config = {"environment": {"A": "1", "B": "2"}}
    assert values({"environment": {"B": "3"}}, config) == {"environment": {"A": "1", "B": "3"}}


def test_what_is_for_other_executors_is_left_alone() -> None:
    """Even a null there."""
    assert values({"local": {"k9": None}}, SEED) == {"k1": "v1", "k3": "v3"}


def test_null_without_placeholder_is_a_mistake_that_names_what_there_is() -> None:
    """The nearest placeholder is offered."""
    assert problems({"k22": None}, SEED) == [
        (
            "x: 'k22' has no value, and the executor's configuration has no placeholder of that name; "
            "give it a value, or add the placeholder (there are: k2). Did you mean 'k2'?"
        )
    ]


def test_flat_keys_beside_types_are_a_mistake() -> None:
    """A misspelt type is told so."""
    assert problems({"cloud": {}, "loca": {"k1": 1}}, SEED) == [
        (
            "x has 'loca' beside the types of executors (cloud); write every key under the type that it is for. "
            "Did you mean 'local'?"
        )
    ]


def test_nodes_without_overrides_share_the_global_options(adapters: AdapterManager) -> None:
    """Nothing is validated again, and equal overrides are validated once."""
    override = {"max_workers": 3}
    steps = {
        "a": {"type": "task", "command": "m.f", "next": "b"},
        "b": {"type": "task", "command": "m.f", "executor_config": override, "next": "c"},
        "c": {"type": "task", "command": "m.f", "executor_config": dict(override), "next": "d"},
        "d": {"type": "success"},
        "e": {"type": "fail"},
    }
    graph = build_graph({"start_at": "a", "steps": steps}, adapters=adapters)
    config = config_from_mapping({"executor": {"type": "local", "config": {"k1": "g"}}}, adapters)
    options = NodeOptions(config.executor, adapters.offers("executor"))

    assert options.of(graph.nodes["a"]) is config.executor.options
    assert options.of(graph.nodes["b"]).max_workers == 3
    assert options.of(graph.nodes["b"]).k1 == "g"
    assert options.of(graph.nodes["c"]) is options.of(graph.nodes["b"])


def test_an_override_is_validated_like_the_configuration(adapters: AdapterManager) -> None:
    """A type error and a rule of the options both name the step."""
    steps = {
        "a": {"type": "task", "command": "m.f", "executor_config": {"k3": "refused"}, "next": "d"},
        "d": {"type": "success"},
        "e": {"type": "fail"},
    }
    graph = build_graph({"start_at": "a", "steps": steps}, adapters=adapters)
    options = NodeOptions(config_from_mapping({}, adapters).executor, adapters.offers("executor"))

    with pytest.raises(ConfigurationError) as caught:
        options.check(graph)

    assert str(caught.value) == "step 'a': 'executor_config' cannot be used: k3 must not be 'refused'"
