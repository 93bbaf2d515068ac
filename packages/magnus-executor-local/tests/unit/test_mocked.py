from __future__ import annotations

from typing import Any

import pytest

from magnus.domain.graph import Graph
from magnus.domain.jobs import Job
from magnus.domain.nodes import CatalogSettings, MapSettings, Node, TaskSettings
from magnus.domain.run_log import Status
from magnus.errors import ConfigurationError
from magnus.testing.fakes import FakeStepRunner
from magnus_executor_local.mocked import MockedExecutor, MockedOptions

FIT = Node(
    "fit",
    "task",
    {},
    next="done",
    task=TaskSettings("work.fit", "python", {"a": 1}),
    catalog=CatalogSettings(put=("*",)),
)
INNER = Graph("fit", {"fit": FIT, "done": Node("done", "success", {})})
GRAPH = Graph(
    "prepare",
    {
        "prepare": FIT._replace(name="prepare"),
        "each": Node(
            "each", "map", {}, next="done", branches={"item": INNER}, map=MapSettings("items", "item")
        ),
        "done": Node("done", "success", {}),
    },
)


class Lent(FakeStepRunner):
    """What the core lends: notes what is to be run."""

    def __init__(self) -> None:
        """Nothing was run."""
        self.nodes: list[Node] = []

    def __call__(self, job: Job) -> Status:
        """Note it."""
        self.nodes.append(job.node)
        return Status.SUCCESS


def run(step: str, patches: dict[str, dict[str, Any]]) -> Node:
    """Return what is run in the place of *step*."""
    lent = Lent()
    executor = MockedExecutor(MockedOptions(patches=patches))
    assert executor.trigger_job(Job("run", step, FIT, 1), lent) is Status.SUCCESS
    (node,) = lent.nodes
    return node


def test_a_step_without_a_patch_runs_nothing_and_touches_no_file() -> None:
    """What follows it in the dag stays the same."""
    node = run("fit", {"other": {"command": "x"}})
    assert (node.task, node.catalog, node.next) == (None, None, "done")


@pytest.mark.parametrize(
    ("patch", "task"),
    [
        ({"command": "work.other"}, TaskSettings("work.other", "python", {})),
        ({"command": "true", "command_type": "shell"}, TaskSettings("true", "shell", {})),
        ({"command_config": {"a": 2}}, TaskSettings("work.fit", "python", {"a": 2})),
        ({}, TaskSettings("work.fit", "python", {"a": 1})),
    ],
)
def test_a_patch_changes_what_it_names(patch: dict[str, Any], task: TaskSettings) -> None:
    """The options of a command are not those of another one; files are synchronised as for the step itself."""
    node = run("fit", {"fit": patch})
    assert node.task == task
    assert node.catalog == FIT.catalog


def test_a_patch_of_one_step_stands_above_one_for_all_of_that_name() -> None:
    """The internal name names one, the short name every one."""
    patches = {"fit": {"command": "all"}, "each.a.fit": {"command": "one"}}
    assert run("each.a.fit", patches).task == TaskSettings("one", "python", {})
    assert run("each.b.fit", patches).task == TaskSettings("all", "python", {})


@pytest.mark.parametrize("name", ["prepare", "fit", "each.item.fit", "each.%=1.fit"])
def test_a_patch_may_name_a_step_or_one_inside_any_item_of_a_map(name: str) -> None:
    """What items there will be is known only when the map runs."""
    options = MockedOptions(patches={name: {"command": "x"}})
    MockedExecutor(options).prepare_for_graph_execution(GRAPH, lambda _: None, (), Lent())


@pytest.mark.parametrize(
    "name", ["prepar", "each", "done", "fit.x.prepare", "each.fit", "other.x.fit", "each.x.other"]
)
def test_a_patch_that_names_no_task_is_refused_with_those_there_are(name: str) -> None:
    """A misspelt patch must not pass as a test of the dag."""
    options = MockedOptions(patches={name: {"command": "x"}})
    with pytest.raises(ConfigurationError, match=f"'{name}' names no task") as caught:
        MockedExecutor(options).prepare_for_graph_execution(GRAPH, lambda _: None, (), Lent())
    assert "each.item.fit, fit, prepare" in str(caught.value)


def test_nothing_really_runs() -> None:
    """So arguments that nobody gives are no problem, and every feature of a dag can be walked."""
    capabilities = MockedExecutor.capabilities(MockedOptions())
    assert not capabilities.runs_tasks
    assert capabilities.refused_features == {}
