"""Pipelines longer, deeper and wider than recursion would bear."""

from __future__ import annotations

import json
import os
import sys
from contextlib import chdir
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from harness import Project, chain

from magnus.domain.run_log import RunLog, Status
from magnus.engine.reporting import SilentReporter
from magnus.engine.terminal import Terminal
from magnus.usecases.execute import execute
from magnus.usecases.outcome import Request

if TYPE_CHECKING:
    from collections.abc import Mapping

NODES = 20_000
LEVELS = 200
ITEMS = 2_000
TASK = {"type": "task", "next": "done"}


def run(
    project: Project, dag: Mapping[str, Any] | str, parameters: Mapping[str, Any] | None = None
) -> RunLog:
    """Run *dag*, or its YAML, in this process and return the whole run log."""
    text = (
        dag
        if isinstance(dag, str)
        else yaml.dump({"dag": dict(dag)}, Dumper=yaml.CSafeDumper, sort_keys=False)
    )
    (project.folder / "pipeline.yaml").write_text(text, encoding="utf-8")
    environ = {key: value for key, value in os.environ.items() if not key.startswith("MAGNUS_")}
    request = Request(parameters=dict(parameters or {}), wants_run_log=True)
    with chdir(project.folder), Terminal() as terminal:
        outcome = execute(request, environ, terminal, SilentReporter())
    assert outcome.run_log is not None
    return outcome.run_log


def task(command: str) -> dict[str, Any]:
    """Return a task that starts no process."""
    return {"command_type": "python-lambda", "command": command}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_chain_of_20_000_nodes_loads_and_runs(project: Project) -> None:
    """Every node is in the log in its order, and the parameters went through all of them."""
    limit = sys.getrecursionlimit()
    steps: dict[str, Any] = {f"s{number}": {"type": "as-is"} for number in range(NODES)}
    counting = range(0, NODES, 1000)
    for number in counting:
        steps[f"s{number}"] = task("lambda n: {'n': n + 1}")
    log = run(project, chain(steps), {"n": 0})
    assert log.status is Status.SUCCESS
    assert list(log.steps) == [*steps, "done"]
    assert all(step.status is Status.SUCCESS for step in log.steps.values())
    assert log.parameters == {"n": len(counting)}
    assert sys.getrecursionlimit() == limit


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_200_levels_of_parallel_nodes_load_and_run(project: Project) -> None:
    """The innermost step runs, what it sets comes out at the top, and all branches are closed."""
    # Put together as text, because what writes YAML is recursive.
    ends = "done: {type: success}, failed: {type: fail}"
    deepest = json.dumps(TASK | task("lambda: {'depth': 200}"))
    text = f"{{start_at: deepest, steps: {{deepest: {deepest}, {ends}}}}}"
    for _ in range(LEVELS):
        text = f"{{start_at: split, steps: {{split: {{type: parallel, next: done, branches: {{b: {text}}}}}, {ends}}}}}"
    log = run(project, f"dag: {text}\n")
    assert log.status is Status.SUCCESS
    assert log.parameters == {"depth": 200}
    steps = list(log.walk())
    assert len(steps) == 2 * LEVELS + 2
    branches = [branch for step in steps for branch in step.branches.values()]
    assert [branch.status for branch in branches] == [Status.SUCCESS] * LEVELS
    innermost = next(step for step in steps if step.name == "deepest")
    assert innermost.internal_name == "split.b." * LEVELS + "deepest"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_map_of_2_000_items_runs(project: Project) -> None:
    """Each item has its branch, and the results are one list in the order of the items."""
    branch = chain({"square": task("lambda item: {'square': item * item}")})
    dag = chain({"each": {"type": "map", "iterate_on": "items", "iterate_as": "item", "branch": branch}})
    log = run(project, dag, {"items": list(range(ITEMS))})
    assert log.status is Status.SUCCESS
    assert log.parameters["square"] == [item * item for item in range(ITEMS)]
    assert len(log.steps["each"].branches) == ITEMS
