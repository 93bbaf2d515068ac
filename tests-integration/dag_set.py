"""The dags whose meaning must not depend on what runs them, and running one of them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from magnus.engine.recorder import read_run_log
from magnus.usecases.opening import load_setup, open_run_log_store

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness import Project

    from magnus.domain.run_log import RunLog

DAGS = Path(__file__).parent / "dags"
CASES: dict[str, dict[str, Any]] = yaml.safe_load((DAGS / "cases.yaml").read_text(encoding="utf-8"))

LOCAL: dict[str, Any] = {"type": "local"}

TARGETS: dict[str, dict[str, Any]] = {
    "demo-renderer": {},
    "aws-step-functions": {"job_queue": "queue", "job_definition": "definition"},
    "argo": {"docker_image": "image:1"},
    "kubeflow": {"docker_image": "image:1", "run_id_from": "parameter"},
}
"""The executors that render, each with the options that it cannot do without. A place for the items of maps is added."""

RENDERED = "rendered"
"""The file that is written in the project."""


class Way(NamedTuple):
    """How a dag is run.

    Attributes:
        executor: The block of the configuration.
        services: What takes the place of the services of the case.
    """

    executor: Mapping[str, Any]
    services: Mapping[str, Any] = {}

    @property
    def is_rendered(self) -> bool:
        """Tell whether the executor writes a file for others to run."""
        return self.executor["type"] in TARGETS


def completed(graph: Mapping[str, Any]) -> dict[str, Any]:
    """Return a graph of `cases.yaml` with what the cases leave out: ends, `next`, `type` and `start_at`."""
    nodes = dict(graph["steps"])
    names = [*nodes, "done"]
    steps: dict[str, Any] = {}
    for (name, node), following in zip(nodes.items(), names[1:], strict=True):
        step = {"type": "task", "next": following} | node
        if "branch" in step:
            step["branch"] = completed(step["branch"])
        if "branches" in step:
            step["branches"] = {branch: completed(inner) for branch, inner in step["branches"].items()}
        steps[name] = step
    return {"start_at": names[0], "steps": steps | {"done": {"type": "success"}, "failed": {"type": "fail"}}}


def write_case(project: Project, case: Mapping[str, Any], way: Way) -> None:
    """Write the files that a case is run from."""
    shutil.copytree(DAGS, project.folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    project.write("pipeline.yaml", {"dag": completed(case)})
    project.write("parameters.yaml", case.get("parameters", {}))
    _configure(project, case, way, way.executor)


def render_case(project: Project) -> str:
    """Render the case that was written; return why it is refused, empty if it is not."""
    done = project.magnus("execute", "-c", "config.yaml", "-p", "parameters.yaml", "-o", RENDERED)
    assert done.returncode in (0, 2), done.stderr
    return done.stderr if done.returncode else ""


def run_case(project: Project, case: Mapping[str, Any], way: Way) -> list[RunLog]:
    """Run a case, and continue it where it says so; return the log of each run.

    What an executor renders is emulated, and continued on `local`.
    """
    write_case(project, case, way)
    if way.is_rendered:
        refusal = render_case(project)
        assert not refusal, refusal
        done = project.call("magnus", "emulate", RENDERED, "--run-id", "one")
        _configure(project, case, way, LOCAL)
    else:
        options = ("-c", "config.yaml", "-p", "parameters.yaml", "--run-id", "one")
        done = project.magnus("execute", *options)
    expected = 0 if case.get("status", "SUCCESS") == "SUCCESS" else 1
    assert done.returncode == expected, done.stdout + done.stderr
    run_ids = ["one"]
    if "fix" in case:
        project.write(case["fix"], "")
        again = project.magnus("execute", "-c", "config.yaml", "--run-id", "two", "--use-cached", "one")
        assert again.returncode == 0, again.stdout + again.stderr
        run_ids.append("two")
    here = {"config": {"log_folder": str(project.folder / ".run_log_store")}, "type": "file-system"}
    config = project.write("config-here.yaml", {"run_log_store": here} | dict(way.services))
    with open_run_log_store(load_setup(str(config), {})) as store:
        return [read_run_log(store, run_id) for run_id in run_ids]


def _configure(project: Project, case: Mapping[str, Any], way: Way, executor: Mapping[str, Any]) -> None:
    project.write("config.yaml", {"executor": executor} | case.get("config", {}) | dict(way.services))
