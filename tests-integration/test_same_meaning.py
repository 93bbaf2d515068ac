"""One dag has one meaning: its canonical run log does not depend on how the executor runs it."""

from __future__ import annotations

import importlib
import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from dag_set import CASES, DAGS, LOCAL, TARGETS, Way, run_case
from harness import Project, steps_of
from outside.argo import SHARED
from target_outcomes import CHECKS, SAME, documented, outcome_of, short, way_of

from magnus.domain.canonical import first_difference
from magnus.domain.run_log import RunLog, full_dict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from _pytest.mark import ParameterSet
    from aws.account import Account
    from aws.stores import Stores

TABLE = Path(__file__).parents[1] / "docs" / "targets.md"

EXECUTORS: dict[str, dict[str, Any]] = {
    "local with workers": {"type": "local", "config": {"enable_parallel": True, "max_workers": 3}},
    "local with one worker": {"type": "local", "config": {"enable_parallel": True, "max_workers": 1}},
    "local-container": {"type": "local-container", "config": {}},
    "local-container in parallel": {
        "type": "local-container",
        "config": {"enable_parallel": True, "max_workers": 3},
    },
    "local-aws-batch": {"type": "local-aws-batch"},
    "demo-renderer in parallel": {
        "type": "demo-renderer",
        "config": {"enable_parallel": True, "max_workers": 3},
    },
}
"""What each dag runs on besides `local`; those in containers are given an image, those on AWS an account."""

WITH_BRANCHES = ("conflict", "failing item", "map", "nested")
"""The cases with which executors are tried for how many branches they run at the same time."""


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
def local_logs(tmp_path_factory: pytest.TempPathFactory, quick: Path) -> Callable[[str], list[RunLog]]:
    """Return a function that gives the logs of a case as `local` makes them; each case runs once."""

    @cache
    def logs(name: str) -> list[RunLog]:
        project = Project(tmp_path_factory.mktemp("local") / "project", quick=quick)
        return run_case(project, CASES[name], Way(LOCAL))

    return logs


def pairs() -> list[ParameterSet]:
    """Return every case with every executor. How many may run at the same time matters only where there are branches."""
    return [
        pytest.param(
            name,
            executor,
            marks=[*marks_of(executor), pytest.mark.xdist_group(name)],
            id=f"{name}-{executor}",
        )
        for name, case in CASES.items()
        for executor in EXECUTORS
        if not executor.endswith(("in parallel", "one worker")) or name in WITH_BRANCHES
    ]


@pytest.mark.parametrize(("name", "executor"), pairs())
def test_a_dag_has_the_same_canonical_log_on_every_executor(
    name: str,
    executor: str,
    local_logs: Callable[[str], list[RunLog]],
    quick_project: Project,
    request: pytest.FixtureRequest,
) -> None:
    """As on `local`: with worker processes at the same time or one after another, and in containers likewise; rendered."""
    chosen = EXECUTORS[executor]
    project, services = quick_project, {}
    case = CASES[name]
    expected = local_logs(name)
    if chosen["type"] == "local-container":
        image = request.getfixturevalue("magnus_image")
        chosen = chosen | {"config": chosen["config"] | {"docker_image": image}}
    elif chosen["type"] == "local-aws-batch":
        account: Account = request.getfixturevalue("account")
        definition = account.definition_that_keeps(account.image(DAGS), project.folder)
        chosen = account.executor(project, job_definition=definition)
        services = account.services(secret_name=account.secrets_of(DAGS / "secrets.env"))
    check_facts(case, expected[-1])
    for log, other in zip(expected, run_case(project, case, Way(chosen, services)), strict=True):
        difference = first_difference(log, other)
        assert difference is None, f"{executor} differs from local at {difference.place}: {difference}"


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in CASES])
def test_a_dag_on_an_orchestrator_has_the_same_log_or_is_refused_as_documented(
    name: str,
    target: str,
    local_logs: Callable[[str], list[RunLog]],
    quick_project: Project,
    stores: Stores,
) -> None:
    """What is rendered passes the checks of others, and is emulated; a refusal names the target and why it cannot."""
    outcome = short(outcome_of(quick_project, CASES[name], way_of(target, stores), local_logs(name)))
    assert outcome == documented(TABLE.read_text(encoding="utf-8"))[name, target]
    assert outcome == SAME or target in outcome


@pytest.mark.parametrize("target", TARGETS)
def test_what_others_wrote_is_asked(target: str) -> None:
    """In CI nobody may be missing, unless all that lies beside the repository is; elsewhere the reason is shown."""
    if reason := importlib.import_module(CHECKS[target]).missing():
        is_alone = target == "argo" and not SHARED.exists()
        assert is_alone or not os.environ.get("MAGNUS_CI"), reason
        pytest.skip(reason)


def test_a_difference_is_found(tmp_path: Path, quick: Path) -> None:
    """The comparison that the tests above rest on sees another parameter, and another way through the dag."""
    logs = []
    for number, n in enumerate((1, 2)):
        case = CASES["linear"] | {"parameters": {"n": n}}
        logs += run_case(Project(tmp_path / str(number), quick=quick), case, Way(LOCAL))
    difference = first_difference(*logs)
    assert difference is not None
    assert difference.place == "input_parameters.n"
    assert (difference.left, difference.right) == (1, 2)
