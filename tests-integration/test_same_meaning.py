"""One dag has one meaning: its canonical run log does not depend on how the executor runs it."""

from __future__ import annotations

import json
import shutil
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from harness import Project, steps_of

from magnus.domain.canonical import first_difference
from magnus.domain.run_log import RunLog, full_dict
from magnus.engine.recorder import read_run_log
from magnus.usecases.opening import load_setup, open_run_log_store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from _pytest.mark import ParameterSet
    from aws.account import Account

DAGS = Path(__file__).parent / "dags"
CASES: dict[str, dict[str, Any]] = yaml.safe_load((DAGS / "cases.yaml").read_text(encoding="utf-8"))

LOCAL = {"type": "local"}

EXECUTORS: dict[str, dict[str, Any]] = {
    "local with workers": {"type": "local", "config": {"enable_parallel": True, "max_workers": 3}},
    "local with one worker": {"type": "local", "config": {"enable_parallel": True, "max_workers": 1}},
    "local-container": {"type": "local-container", "config": {}},
    "local-container in parallel": {
        "type": "local-container",
        "config": {"enable_parallel": True, "max_workers": 3},
    },
    "local-aws-batch": {"type": "local-aws-batch"},
    "demo-renderer": {"type": "demo-renderer", "config": {}},
    "demo-renderer in parallel": {
        "type": "demo-renderer",
        "config": {"enable_parallel": True, "max_workers": 3},
    },
}
"""What each dag runs on besides `local`; those in containers are given an image, those on AWS an account."""


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


def run_case(
    project: Project,
    case: Mapping[str, Any],
    executor: Mapping[str, Any],
    services: Mapping[str, Any] | None = None,
    quick: Path | None = None,
) -> list[RunLog]:
    """Run a case with an executor, and continue it where it says so; return the log of each run.

    Args:
        project: Where it runs.
        case: What runs.
        executor: On what.
        services: What takes the place of those of the case.
        quick: For an executor that renders: where the `magnus` is that the script calls. Such a run is continued on `local`.
    """
    shutil.copytree(DAGS, project.folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    project.write("pipeline.yaml", {"dag": completed(case)})
    project.write("parameters.yaml", case.get("parameters", {}))
    project.write("config.yaml", {"executor": executor} | case.get("config", {}) | dict(services or {}))
    options = ["-c", "config.yaml", "-p", "parameters.yaml", "--run-id"]
    run_ids = ["one"]
    if quick is None:
        done = project.magnus("execute", *options, "one")
    else:
        project.render(*options[:-1], quick=quick)
        done = project.run_script("one", quick=quick)
        project.write("config.yaml", {"executor": LOCAL} | case.get("config", {}))
    assert done.returncode == (0 if case.get("status", "SUCCESS") == "SUCCESS" else 1), (
        done.stdout + done.stderr
    )
    if "fix" in case:
        project.write(case["fix"], "")
        again = project.magnus("execute", "-c", "config.yaml", "--run-id", "two", "--use-cached", "one")
        assert again.returncode == 0, again.stdout + again.stderr
        run_ids.append("two")
    here = {"config": {"log_folder": str(project.folder / ".run_log_store")}, "type": "file-system"}
    config = project.write("config-here.yaml", {"run_log_store": here} | dict(services or {}))
    with open_run_log_store(load_setup(str(config), {})) as store:
        return [read_run_log(store, run_id) for run_id in run_ids]


def marks_of(executor: str) -> list[pytest.MarkDecorator]:
    """Return the marks of tests on *executor*: the first that needs an image may have to build it."""
    return [] if executor.startswith(("local with", "demo")) else [pytest.mark.slow, pytest.mark.timeout(900)]


def check_facts(case: Mapping[str, Any], log: RunLog) -> None:
    """Insist on what the case says of its last run."""
    facts = case.get("expect", {})
    steps = steps_of(full_dict(log))
    if "parameters" in facts:
        assert log.parameters == facts["parameters"]
    for name, status in facts.get("statuses", {}).items():
        assert steps[name]["status"] == status, name
    for name, statuses in facts.get("attempts", {}).items():
        assert [attempt["status"] for attempt in steps[name]["attempts"]] == statuses, name
    assert not [name for name, step in steps.items() if step["status"] not in ("SUCCESS", "FAIL")]


@pytest.fixture(scope="session")
def local_logs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], list[RunLog]]:
    """Return a function that gives the logs of a case as `local` makes them; each case runs once."""

    @cache
    def logs(name: str) -> list[RunLog]:
        return run_case(Project(tmp_path_factory.mktemp("local") / "project"), CASES[name], LOCAL)

    return logs


def pairs() -> list[ParameterSet]:
    """Return every case with every executor. What is rendered in parallel differs only where there are branches."""
    return [
        pytest.param(
            name,
            executor,
            marks=[*marks_of(executor), pytest.mark.xdist_group(name)],
            id=f"{name}-{executor}",
        )
        for name, case in CASES.items()
        for executor in EXECUTORS
        if executor != "demo-renderer in parallel" or "branch" in json.dumps(case)
    ]


@pytest.mark.parametrize(("name", "executor"), pairs())
def test_a_dag_has_the_same_canonical_log_on_every_executor(
    name: str,
    executor: str,
    local_logs: Callable[[str], list[RunLog]],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    """As on `local`: with worker processes at the same time or one after another, and in containers likewise; rendered."""
    chosen = EXECUTORS[executor]
    project, services = Project(tmp_path / "project"), None
    case = CASES[name]
    expected = local_logs(name)
    if chosen["type"] == "local-container":
        image = request.getfixturevalue("magnus_image")
        chosen = chosen | {"config": chosen["config"] | {"docker_image": image}}
    elif chosen["type"] == "local-aws-batch":
        account: Account = request.getfixturevalue("account")
        definition = account.definition_that_keeps(account.image(DAGS), project.folder)
        chosen = account.executor(project, job_definition=definition)
        services = account.services(secret_id=account.secrets_of(DAGS / "secrets.env"))
    quick = request.getfixturevalue("quick") if chosen["type"] == "demo-renderer" else None
    check_facts(case, expected[-1])
    for log, other in zip(expected, run_case(project, case, chosen, services, quick), strict=True):
        difference = first_difference(log, other)
        assert difference is None, f"{executor} differs from local at {difference.place}: {difference}"


def test_a_difference_is_found(tmp_path: Path) -> None:
    """The comparison that the tests above rest on sees another parameter, and another way through the dag."""
    logs = []
    for number, n in enumerate((1, 2)):
        case = CASES["linear"] | {"parameters": {"n": n}}
        logs += run_case(Project(tmp_path / str(number)), case, LOCAL)
    difference = first_difference(*logs)
    assert difference is not None
    assert difference.place == "input_parameters.n"
    assert (difference.left, difference.right) == (1, 2)
