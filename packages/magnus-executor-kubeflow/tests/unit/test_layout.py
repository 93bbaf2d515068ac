"""How often and when tasks are tried again, and in which order they come."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from magnus.domain.nodes import Backoff, RetryPolicy
from magnus_executor_kubeflow.layout import retry_of
from magnus_executor_kubeflow.order import in_order


@pytest.mark.parametrize(
    ("attempts", "backoff", "expected"),
    [
        (1, Backoff(10), None),
        (3, Backoff(), (2, 0, 1)),
        (3, Backoff(10), (2, 10, 2)),
        (4, Backoff(10, 3, 90), (3, 10, 3)),
        (5, Backoff(10, 3, 90), (4, 10, 1)),
        (3, Backoff(10, 2.9), (2, 10, 2)),
        (3, Backoff(10, 1.9), (2, 10, 1)),
        (3, Backoff(10.9, 2, 3600, 0.25), (2, 8, 2)),
        (3, Backoff(0.9), (2, 0, 1)),
        (3, Backoff(60, 2, 30), (2, 30, 1)),
        (3, Backoff(5, 2, 3600, 1.0), (2, 0, 1)),
        (1000, Backoff(1, 1e300, 1e300), (999, 1, 1)),
    ],
)
def test_kubeflow_tries_again_as_often_as_magnus_may_ask_and_never_later(
    attempts: int, backoff: Backoff, expected: tuple[int, int, int] | None
) -> None:
    """Times, first pause in whole seconds, whole factor: no pause is longer than the shortest that magnus may make."""
    retry = retry_of(RetryPolicy(attempts, backoff), 0)
    assert (retry and tuple(retry)) == expected
    if retry:
        for failed in range(1, min(attempts, 50)):
            pause = retry.pause_seconds * retry.factor ** (failed - 1)
            assert pause <= backoff.delay_seconds(failed, 1.0)


@pytest.mark.parametrize(("attempts", "expected"), [(1, (2, 0, 1)), (3, (4, 10, 2))])
def test_restarts_come_on_top(attempts: int, expected: tuple[int, int, int]) -> None:
    """A lost pod may not cost the step an attempt."""
    backoff = Backoff(10) if attempts > 1 else Backoff()
    retry = retry_of(RetryPolicy(attempts, backoff), 2)
    assert retry is not None
    assert tuple(retry) == expected


def node(key: str, following: str = "", on_failure: str = "") -> Any:
    """Return what is read of a node."""
    return SimpleNamespace(key=key, next=following, on_failure=on_failure)


def awaited(*nodes: Any) -> dict[str, tuple[str, ...]]:
    """Return for which nodes each waits, in order."""
    return {each.key: before for each, before in in_order(nodes)}


def test_a_node_waits_for_the_last_of_those_that_may_lead_to_it() -> None:
    """An edge leads to the fail node from everywhere."""
    chain = [
        node("a", "b", "fail"),
        node("b", "c", "fail"),
        node("c", "ok", "fail"),
        node("ok"),
        node("fail"),
    ]
    assert awaited(*chain) == {"a": (), "b": ("a",), "c": ("b",), "ok": ("c",), "fail": ("c",)}


def test_ways_that_part_and_meet_again_are_all_waited_for() -> None:
    """In whichever order the nodes are declared."""
    nodes = [
        node("fail"),
        node("meet", "ok", "fail"),
        node("mend", "meet", "fail"),
        node("go", "meet", "fail"),
        node("start", "go", "mend"),
        node("ok"),
    ]
    for declared in (nodes, nodes[::-1]):
        found = awaited(*declared)
        assert (set(found["meet"]), found["fail"], found["ok"]) == ({"go", "mend"}, ("meet",), ("meet",))
        assert next(iter(found)) == "start"


def test_a_long_chain_takes_no_time() -> None:
    """And no recursion."""
    nodes = [node(f"n{number}", f"n{number + 1}", "fail") for number in range(3000)]
    found = awaited(*nodes, node("n3000"), node("fail"))
    assert list(found) == [*(f"n{number}" for number in range(3001)), "fail"] or list(found)[-2:] == [
        "n3000",
        "fail",
    ]
    assert found["fail"] == ("n2999",)
