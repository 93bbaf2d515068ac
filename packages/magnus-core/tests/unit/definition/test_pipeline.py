from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import pytest

from magnus.definition.graph_builder import MAX_GRAPH_DEPTH
from magnus.definition.pipeline import build_graph, load_pipeline
from magnus.domain.nodes import Backoff, CatalogSettings, Place, Resources, RetryPolicy
from magnus.errors import DefinitionError

if TYPE_CHECKING:
    from pathlib import Path

    from magnus.domain.graph import Graph
    from magnus.plugins.manager import AdapterManager

ENDS: dict[str, Any] = {"done": {"type": "success"}, "failed": {"type": "fail"}}
EMPTY: dict[str, Any] = {"start_at": "done", "steps": ENDS}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def one(**step: Any) -> dict[str, Any]:
    """Return a dag with one step `a`."""
    return {
        "start_at": "a",
        "steps": {"a": {"type": "task", "command": "m.f", "next": "done", **step}, **ENDS},
    }


def from_text(text: str, adapters: AdapterManager, **environ: str) -> Graph:
    """Load the pipeline file with the content *text*."""
    with open("p.yaml", "w", encoding="utf-8") as file:  # noqa: PTH123 - the folder is the current one
        file.write(text)
    return load_pipeline("p.yaml", environ=environ, adapters=adapters).graph


def test_a_node_holds_what_was_written(adapters: AdapterManager) -> None:
    """In the types and units of the domain."""
    written = one(
        retry={"max_attempts": 3, "backoff": {"initial": 1, "max": 9}, "retry_on": ["OSError"]},
        timeout=5,
        resources={"cpu": 0.5, "memory": "1.5GiB", "gpu": 1, "shm": "64MiB"},
        catalog={"get": ["*.csv"], "optional": ["x"], "put": ["out/**"]},
        on_failure="failed",
    )
    node = build_graph(written, adapters=adapters).nodes["a"]

    assert node.retry == RetryPolicy(3, Backoff(1, maximum=9), ("OSError",))
    assert node.timeout_seconds == 5
    assert node.resources == Resources(0.5, 1536, 1, 64)
    assert node.catalog == CatalogSettings(("*.csv",), ("out/**",), ("x",))
    assert (node.next, node.on_failure) == ("done", "failed")


@pytest.mark.parametrize(
    ("one_way", "another"),
    [
        (
            {},
            {
                "command_type": "python",
                "command_config": {},
                "retry": 1,
                "catalog": {"get": []},
                "resources": {"gpu": 0},
            },
        ),
        ({"retry": 3}, {"retry": {"max_attempts": 3, "backoff": {"factor": 2.0}, "retry_on": []}}),
        ({"timeout": 600}, {"timeout": 600.0}),
        ({"resources": {"memory": "2GiB"}}, {"resources": {"memory": 2048}}),
        ({"resources": {"shm": "0.5Gi"}}, {"resources": {"shm": 512}}),
        ({"mode_config": {"k1": "a"}}, {"executor_config": {"k1": "a"}}),
        ({"type": "as-is", "x": 1}, {"type": "stub", "x": 1}),
    ],
)
def test_two_spellings_of_one_meaning_have_one_hash(
    adapters: AdapterManager, one_way: dict[str, Any], another: dict[str, Any]
) -> None:
    """Defaults that are written out, aliases, units."""
    first, second = (build_graph(one(**step), adapters=adapters) for step in (one_way, another))
    assert first.nodes["a"].definition == second.nodes["a"].definition
    assert first.hash() == second.hash()


@pytest.mark.parametrize(
    "change",
    [{"command": "m.g"}, {"retry": 2}, {"timeout": 3}, {"on_failure": "failed"}, {"catalog": {"put": ["x"]}}],
)
def test_what_has_a_meaning_is_part_of_the_hash(adapters: AdapterManager, change: dict[str, Any]) -> None:
    """A changed dag is known as such."""
    assert (
        build_graph(one(), adapters=adapters).hash() != build_graph(one(**change), adapters=adapters).hash()
    )


def test_a_file_and_a_mapping_of_the_same_content_have_one_hash(adapters: AdapterManager) -> None:
    """The Python interface depends on it; only places differ."""
    text = "dag:\n  name: x\n  start_at: a\n  steps:\n    a: {type: task, command: m.f, next: done}\n"
    text += "    done: {type: success}\n    failed: {type: fail}\n"
    loaded = from_text(text, adapters)

    assert loaded.hash() == build_graph(one(), adapters=adapters).hash()
    assert loaded.nodes["a"].place == Place("p.yaml", 5, 5)


def test_an_included_file_is_part_of_the_hash(adapters: AdapterManager, folder: Path) -> None:
    """The same graph written in place has the same hash."""
    (folder / "sub").mkdir()
    inner = (
        "dag: {start_at: a, steps: {a: {type: task, command: %s, next: done}, "
        "done: {type: success}, failed: {type: fail}}}"
    )
    (folder / "sub" / "inner.yaml").write_text(inner % "m.f")
    outer = one(type="dag", dag_definition="sub/inner.yaml")
    del outer["steps"]["a"]["command"]
    before = build_graph(outer, adapters=adapters)
    in_place = one(type="dag", dag=one())
    del in_place["steps"]["a"]["command"]

    assert before.hash() == build_graph(in_place, adapters=adapters).hash()
    assert list(before.nodes["a"].branches) == ["dag"]

    (folder / "sub" / "inner.yaml").write_text(inner % "m.g")
    assert build_graph(outer, adapters=adapters).hash() != before.hash()


def test_variables_are_replaced_in_included_files_too(adapters: AdapterManager, folder: Path) -> None:
    """And remembered with those of the pipeline file."""
    (folder / "inner.yaml").write_text(
        "dag: {start_at: a, steps: {a: {type: task, command: '${M}.f', next: d}, d: {type: success}, f: {type: fail}}}"
    )
    (folder / "p.yaml").write_text(
        "dag: {start_at: i, steps: {i: {type: dag, dag_definition: inner.yaml, next: d}, "
        "d: {type: success}, f: {type: fail}}}"
    )
    pipeline = load_pipeline("p.yaml", environ={"MAGNUS_VAR_M": "mod"}, adapters=adapters)

    task = pipeline.graph.nodes["i"].branches["dag"].nodes["a"].task
    assert task is not None
    assert task.command == "mod.f"
    assert pipeline.variables == {"M"}
    assert pipeline.files == ("p.yaml", "inner.yaml")


def test_a_shell_command_keeps_a_variable_without_value(adapters: AdapterManager) -> None:
    """It is the shell's own syntax there."""
    text = (
        "dag: {start_at: a, steps: {a: {type: task, command_type: shell, command: 'echo ${HOME}', next: d}, "
    )
    graph = from_text(text + "d: {type: success}, f: {type: fail}}}", adapters)
    task = graph.nodes["a"].task
    assert task is not None
    assert task.command == "echo ${HOME}"


def test_a_map_keeps_its_graph_under_the_name_of_the_item(adapters: AdapterManager) -> None:
    """What branches there are is known when it runs."""
    dag = one()
    dag["steps"]["a"] = {
        "type": "map",
        "iterate_on": "xs",
        "iterate_as": "x",
        "branch": EMPTY,
        "next": "done",
    }
    node = build_graph(dag, adapters=adapters).nodes["a"]
    assert list(node.branches) == ["x"]
    assert node.map is not None
    assert (node.map.iterate_on, node.map.iterate_as, node.map.max_concurrency) == ("xs", "x", None)


def nested(levels: int) -> dict[str, Any]:
    """Return a dag with *levels* graphs inside each other."""
    dag = EMPTY
    for _ in range(levels):
        dag = {"start_at": "p", "steps": {"p": {"type": "dag", "dag": dag, "next": "done"}, **ENDS}}
    return dag


def test_graphs_may_be_nested_to_the_documented_depth(adapters: AdapterManager) -> None:
    """They can be hashed, too."""
    assert len(build_graph(nested(MAX_GRAPH_DEPTH), adapters=adapters).hash()) == 64


@pytest.mark.parametrize("levels", [MAX_GRAPH_DEPTH + 1, 5000])
def test_graphs_that_are_nested_deeper_are_refused(adapters: AdapterManager, levels: int) -> None:
    """Not by a RecursionError."""
    with pytest.raises(DefinitionError, match=f"nested more than {MAX_GRAPH_DEPTH} levels deep"):
        build_graph(nested(levels), adapters=adapters)


def test_free_values_that_are_nested_too_deep_are_refused(adapters: AdapterManager) -> None:
    """From a file, thousands of levels."""
    text = "dag: {start_at: a, steps: {a: {type: as-is, x: " + "[" * 3000 + "]" * 3000
    with pytest.raises(DefinitionError, match=r"p\.yaml:1:148: .*nested more than 100 levels deep"):
        from_text(text + ", next: d}, d: {type: success}, f: {type: fail}}}", adapters)


def test_a_number_that_python_does_not_write_is_refused(adapters: AdapterManager) -> None:
    """It could not be hashed."""
    with pytest.raises(DefinitionError, match="a number of too many digits"):
        build_graph(one(type="as-is", x=10**5000), adapters=adapters)


def test_a_chain_of_20000_nodes_loads(adapters: AdapterManager) -> None:
    """Nothing on the way is recursive in the length of a chain."""
    steps: dict[str, Any] = {
        f"s{n}": {"type": "task", "command": "m.f", "next": f"s{n + 1}"} for n in range(19_998)
    }
    steps["s19998"] = {"type": "success"}
    graph = build_graph({"start_at": "s0", "steps": {**steps, "f": {"type": "fail"}}}, adapters=adapters)
    assert len(graph.nodes) == 20_000


def test_the_variables_of_the_process_are_not_looked_at(
    adapters: AdapterManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the environment that was given."""
    monkeypatch.setitem(os.environ, "MAGNUS_VAR_M", "m")
    with pytest.raises(DefinitionError, match="MAGNUS_VAR_M"):
        from_text("dag: {start_at: '${M}', steps: {m: {type: success}, f: {type: fail}}}", adapters)


def test_files_that_stand_for_too_many_nodes_are_refused(
    adapters: AdapterManager, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each file names the next one twice: 20 small files would stand for two million nodes."""
    monkeypatch.setattr("magnus.definition.graph_builder.MAX_NODES", 500)
    for number in range(20):
        named = f"{{type: dag, dag_definition: f{number + 1}.yaml, next: %s}}"
        steps = f"a: {named % 'b'}, b: {named % 'd'}, d: {{type: success}}, f: {{type: fail}}"
        (folder / f"f{number}.yaml").write_text(f"dag: {{start_at: a, steps: {{{steps}}}}}")
    (folder / "f20.yaml").write_text("dag: {start_at: d, steps: {d: {type: success}, f: {type: fail}}}")

    with pytest.raises(DefinitionError, match="more than 500 nodes"):
        load_pipeline("f0.yaml", environ={}, adapters=adapters)


def test_a_file_may_be_included_twice_beside_itself(adapters: AdapterManager, folder: Path) -> None:
    """Only a file inside itself is recursion."""
    (folder / "inner.yaml").write_text("dag: {start_at: d, steps: {d: {type: success}, f: {type: fail}}}")
    named = "{type: dag, dag_definition: inner.yaml, next: %s}"
    graph = from_text(
        f"dag: {{start_at: a, steps: {{a: {named % 'b'}, b: {named % 'd'}, d: {{type: success}}, f: {{type: fail}}}}}}",
        adapters,
    )
    assert graph.nodes["a"].branches["dag"].hash() == graph.nodes["b"].branches["dag"].hash()


def test_a_task_type_that_cannot_be_imported_is_told_once(
    adapters: AdapterManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many steps use it; the steps are not to blame."""
    monkeypatch.setitem(sys.modules, "magnus.builtin.task_types.shell", None)
    dag = one(command_type="shell")
    dag["steps"]["a"]["next"] = "b"
    dag["steps"]["b"] = {"type": "task", "command_type": "shell", "command": "ls", "next": "done"}

    with pytest.raises(DefinitionError) as caught:
        build_graph(dag, adapters=adapters)

    assert str(caught.value).count("cannot be loaded") == 1
