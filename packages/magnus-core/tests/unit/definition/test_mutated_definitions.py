"""No input, however wrong, ends in anything but an error of ours."""

from __future__ import annotations

import copy
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from magnus.definition.config import config_from_mapping
from magnus.definition.pipeline import build_graph, load_pipeline
from magnus.definition.placeholders import NodeOptions
from magnus.errors import MagnusError

if TYPE_CHECKING:
    from pathlib import Path

    from magnus.plugins.manager import AdapterManager

ENDS: dict[str, Any] = {"done": {"type": "success"}, "failed": {"type": "fail"}}
WHOLE: dict[str, Any] = {
    "name": "whole",
    "start_at": "task",
    "max_time": 60,
    "steps": {
        "task": {
            "type": "task",
            "command": "m.f",
            "retry": {
                "max_attempts": 3,
                "backoff": {"initial": 1, "jitter": 0.5},
                "retry_on": ["OSError", "exit:3"],
            },
            "timeout": 5,
            "resources": {"cpu": 1, "memory": "2GiB", "gpu": 1},
            "catalog": {"get": ["*.csv"], "put": ["out/*"], "optional": ["x"], "compute_data_folder": "data"},
            "executor_config": {"local": {"k2": None, "max_workers": 3}},
            "on_failure": "failed",
            "next": "fork",
        },
        "fork": {"type": "parallel", "branches": {"x": {"start_at": "done", "steps": ENDS}}, "next": "each"},
        "each": {
            "type": "map",
            "iterate_on": "xs",
            "iterate_as": "x",
            "max_concurrency": 2,
            "branch": {"start_at": "done", "steps": ENDS},
            "next": "file",
        },
        "file": {"type": "dag", "dag": {"start_at": "done", "steps": ENDS}, "next": "pass"},
        "pass": {"type": "as-is", "anything": [1, {"a": "b"}], "next": "done"},
        **ENDS,
    },
}
CONFIG: dict[str, Any] = {
    "executor": {"type": "local", "config": {"placeholders": {"k2": {"k1": "a"}}, "limits": {"cpu": 2}}},
    "run_log": {"type": "file-system", "config": {"folder": "x"}},
    "secrets": {"type": "do-nothing"},
}

odd_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary(max_size=3)
    | st.sampled_from(
        ["task", "map", "dag", "done", "${X}", "\ud800", "../x", "a" * 300, 10**4000, {1, 2}, object]
    ),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5) | st.integers(), inner, max_size=3)
    ),
    max_leaves=5,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of everything in *value*."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, each in items for found in places(each, (*path, key)))]


@st.composite
def mutated(draw: st.DrawFn, value: Any) -> Any:
    """Return *value* after some changes, each anywhere in it: replaced, removed, renamed, added."""
    changed = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(places(changed)))
        if not path:
            return draw(odd_values)
        holder = changed
        for key in path[:-1]:
            holder = holder[key]
        kind = draw(st.sampled_from(["replace", "remove", "rename", "add"]))
        if kind == "remove":
            del holder[path[-1]]
        elif kind == "rename" and isinstance(holder, dict):
            holder[draw(st.text(max_size=8) | st.integers())] = holder.pop(path[-1])
        elif kind == "add" and isinstance(holder, dict):
            holder[
                draw(st.text(max_size=8) | st.sampled_from(["retry", "mode_config", "dag_definition"]))
            ] = draw(odd_values)
        else:
            holder[path[-1]] = draw(odd_values)
    return changed


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let file names that mutations make up lead nowhere."""
    monkeypatch.chdir(tmp_path)


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mutated(WHOLE))
def test_a_mutated_dag_is_a_graph_or_an_error_of_ours(adapters: AdapterManager, dag: Any) -> None:
    """A graph that is accepted can be hashed, too."""
    with suppress(MagnusError):
        graph = build_graph(dag, adapters=adapters)
        assert len(graph.hash()) == 64
        assert build_graph(graph.definition(), adapters=adapters).hash() == graph.hash()


@settings(deadline=None, max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mutated(CONFIG), mutated(WHOLE["steps"]["task"]["executor_config"]))
def test_a_mutated_configuration_is_one_or_an_error_of_ours(
    adapters: AdapterManager, config: Any, override: Any
) -> None:
    """So are a node's overrides of it."""
    dag = copy.deepcopy(WHOLE)
    dag["steps"]["task"]["executor_config"] = override
    with suppress(MagnusError):
        built = config_from_mapping(config, adapters)
        NodeOptions(built.executor, adapters.offers("executor")).check(build_graph(dag, adapters=adapters))


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=80)
    | st.text(max_size=80).map(lambda text: ("dag: " + text).encode("utf-8", "surrogatepass"))
)
def test_a_file_of_any_bytes_is_an_error_of_ours(
    adapters: AdapterManager, tmp_path: Path, content: bytes
) -> None:
    """No short random file is a pipeline."""
    path = tmp_path / "pipeline.yaml"
    path.write_bytes(content)
    with pytest.raises(MagnusError):
        load_pipeline(path, environ={}, adapters=adapters)


def test_what_the_mutations_start_from_is_right(adapters: AdapterManager) -> None:
    """Otherwise every mutation would be refused for the same reason."""
    graph = build_graph(WHOLE, adapters=adapters)
    config = config_from_mapping(CONFIG, adapters)

    NodeOptions(config.executor, adapters.offers("executor")).check(graph)

    assert [node.type for node in graph.nodes.values()] == [
        "task",
        "parallel",
        "map",
        "dag",
        "as-is",
        "success",
        "fail",
    ]
