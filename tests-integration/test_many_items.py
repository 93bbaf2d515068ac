"""Many items, nested once, whose steps all write the same file and the same object: every item reads its own, everywhere."""

from __future__ import annotations

import copy
from functools import cache
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import pytest
from dag_set import CASES, DAGS, LOCAL, TARGETS, Way, run_case
from harness import Project, steps_of
from target_outcomes import way_of

from magnus.domain.canonical import first_difference
from magnus.domain.run_log import RunLog, full_dict

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from aws.account import Account
    from aws.stores import Stores

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

IN_PARALLEL = {"type": "local", "config": {"enable_parallel": True, "max_workers": 2}}


def case_of(outer: int, inner: int) -> dict[str, Any]:
    """Return the dag with *outer* x *inner* items."""
    case = copy.deepcopy(CASES["same names"])
    case["parameters"] = {"xs": list(range(outer)), "ys": list(range(inner))}
    case.pop("expect")
    return case


def check(log: RunLog, outer: int, inner: int) -> None:
    """Insist on what every item has read, and that each recorded hash is the one of the item's own file."""
    items = [(x, y) for x in range(outer) for y in range(inner)]
    assert log.parameters["seen"] == [[f"{x} {y}" for y in range(inner)] for x in range(outer)]
    assert log.parameters["collected"] == sorted(f"{x} {y}" for x, y in items)
    steps = steps_of(full_dict(log))
    for x, y in items:
        written, changed = f"{x} {y}\n", f"changed: {x} {y}\n"
        expected = {
            "keep": {"put": written},
            "change": {"get": written, "put": changed},
            "check": {"get": changed},
        }
        for name, files in expected.items():
            records = steps[f"outer.%={x}.inner.%={y}.{name}"]["data_catalog"]
            found = {
                each["stage"]: each["data_hash"] for each in records if each["name"].endswith("same.txt")
            }
            assert found == {stage: sha256(text.encode()).hexdigest() for stage, text in files.items()}


@pytest.fixture(scope="session")
def on_local(tmp_path_factory: pytest.TempPathFactory, quick: Path) -> Callable[[int, int], RunLog]:
    """Return a function that gives the log that `local` makes, one item after another."""

    @cache
    def run(outer: int, inner: int) -> RunLog:
        project = Project(tmp_path_factory.mktemp("local") / "project", quick=quick)
        (log,) = run_case(project, case_of(outer, inner), Way(LOCAL))
        check(log, outer, inner)
        return log

    return run


def assert_same(expected: RunLog, log: RunLog) -> None:
    """Insist on equal canonical logs."""
    difference = first_difference(expected, log)
    assert difference is None, f"differs from local at {difference.place}: {difference}"


@pytest.mark.xdist_group("many items")
def test_a_thousand_on_local(quick_project: Project, on_local: Callable[[int, int], RunLog]) -> None:
    """One after another and in parallel."""
    (log,) = run_case(quick_project, case_of(20, 50), Way(IN_PARALLEL))
    check(log, 20, 50)
    assert_same(on_local(20, 50), log)


@pytest.mark.xdist_group("fifty items")
def test_fifty_in_containers(
    quick_project: Project, on_local: Callable[[int, int], RunLog], magnus_image: str
) -> None:
    """Two containers at a time."""
    config = {"docker_image": magnus_image, "enable_parallel": True, "max_workers": 2}
    (log,) = run_case(quick_project, case_of(5, 10), Way({"type": "local-container", "config": config}))
    check(log, 5, 10)
    assert_same(on_local(5, 10), log)


@pytest.mark.xdist_group("twenty items")
def test_twenty_on_batch(
    quick_project: Project, on_local: Callable[[int, int], RunLog], account: Account
) -> None:
    """Jobs in containers that share no disk."""
    chosen = account.executor(quick_project, image=account.image(DAGS))
    (log,) = run_case(quick_project, case_of(4, 5), Way(chosen, account.services()))
    check(log, 4, 5)
    assert_same(on_local(4, 5), log)


@pytest.mark.xdist_group("twenty items")
@pytest.mark.parametrize("target", TARGETS)
def test_twenty_on_an_orchestrator(
    target: str, quick_project: Project, on_local: Callable[[int, int], RunLog], stores: Stores
) -> None:
    """Emulated."""
    (log,) = run_case(quick_project, case_of(4, 5), way_of(target, stores))
    check(log, 4, 5)
    assert_same(on_local(4, 5), log)
