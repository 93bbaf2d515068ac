from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from magnus.domain.capabilities import (
    ExecutorCapabilities,
    Feature,
    Placement,
    Reach,
    ServiceCapabilities,
    ServiceKind,
)
from magnus.domain.graph import Graph
from magnus.domain.nodes import (
    Backoff,
    CatalogSettings,
    MapSettings,
    Node,
    Resources,
    RetryPolicy,
    TaskSettings,
)
from magnus.domain.verdict import Judgement, Verdict
from magnus.engine.integration import (
    Finding,
    by_judgement,
    features_of,
    judge_capabilities,
    judge_features,
    judge_pair,
    refusals,
)
from magnus.ports.integration import Integration

if TYPE_CHECKING:
    from collections.abc import Sequence

# What follows from the two declarations alone: where steps run, how far the service reaches.
TABLE = """
                process  host     network
same-process    ok       ok       ok
same-host       error    ok       ok
container       error    unknown  ok
remote          error    error    ok
"""


def table() -> list[tuple[Placement, Reach, Judgement]]:
    """Read the table."""
    head, *rows = TABLE.strip().splitlines()
    reaches = [Reach(word) for word in head.split()]
    return [
        (Placement(placement), reach, Judgement(word))
        for placement, *words in map(str.split, rows)
        for reach, word in zip(reaches, words, strict=True)
    ]


def test_the_table_has_every_pair() -> None:
    """A new placement or reach needs a row or a column."""
    assert {(placement, reach) for placement, reach, _ in table()} == {
        (placement, reach) for placement in Placement for reach in Reach
    }


@pytest.mark.parametrize("kind", ServiceKind)
@pytest.mark.parametrize(("placement", "reach", "judgement"), table())
def test_a_service_must_reach_to_where_steps_run(
    placement: Placement, reach: Reach, judgement: Judgement, kind: ServiceKind
) -> None:
    """One after another, or at the same time with a service that is safe for it."""
    for concurrent in (False, True):
        executor = ExecutorCapabilities(placement, concurrent_branches=concurrent)
        verdict = judge_capabilities(executor, ServiceCapabilities(reach), kind)
        assert verdict.judgement is judgement
        assert verdict.reason
        assert bool(verdict.remedy) == (judgement is not Judgement.OK)


@pytest.mark.parametrize("kind", ServiceKind)
@pytest.mark.parametrize(("placement", "reach", "judgement"), table())
def test_branches_at_the_same_time_need_a_service_that_is_safe_for_it(
    placement: Placement, reach: Reach, judgement: Judgement, kind: ServiceKind
) -> None:
    """Anything else is an error, not a warning, wherever the steps run; one after another it does not matter."""
    service = ServiceCapabilities(reach, concurrent_writers=False)
    together = judge_capabilities(ExecutorCapabilities(placement, concurrent_branches=True), service, kind)
    assert together.judgement is Judgement.ERROR
    assert "concurrent writers" in together.reason
    assert kind in together.remedy
    assert judge_capabilities(ExecutorCapabilities(placement), service, kind).judgement is judgement


@pytest.mark.parametrize("placement", Placement)
def test_a_service_that_does_nothing_goes_with_everything(placement: Placement) -> None:
    """There is nothing to reach and nothing to lose."""
    executor = ExecutorCapabilities(placement, concurrent_branches=True)
    service = ServiceCapabilities(
        Reach.PROCESS, concurrent_writers=False, persistent=False, credentials=("a key",), inert=True
    )
    assert judge_capabilities(executor, service, ServiceKind.CATALOG).judgement is Judgement.OK


@pytest.mark.parametrize("kind", ServiceKind)
def test_a_run_log_that_does_not_last_is_a_warning(kind: ServiceKind) -> None:
    """Only of the run log store is it asked that it lasts."""
    verdict = judge_capabilities(
        ExecutorCapabilities(Placement.SAME_PROCESS),
        ServiceCapabilities(Reach.PROCESS, persistent=False),
        kind,
    )
    expected = Judgement.WARNING if kind is ServiceKind.RUN_LOG_STORE else Judgement.OK
    assert verdict.judgement is expected


@pytest.mark.parametrize(
    ("placement", "judgement"),
    [
        (Placement.SAME_PROCESS, Judgement.OK),
        (Placement.SAME_HOST, Judgement.OK),
        (Placement.CONTAINER, Judgement.UNKNOWN),
        (Placement.REMOTE, Judgement.UNKNOWN),
    ],
)
def test_credentials_elsewhere_cannot_be_judged(placement: Placement, judgement: Judgement) -> None:
    """On this machine they are those of the user; the reason names them."""
    service = ServiceCapabilities(Reach.NETWORK, credentials=("AWS credentials", "a region"))
    verdict = judge_capabilities(ExecutorCapabilities(placement), service, ServiceKind.CATALOG)
    assert verdict.judgement is judgement
    assert ("AWS credentials; a region" in verdict.reason) == (judgement is Judgement.UNKNOWN)


class Rule(Integration):
    """A rule that is given two options and knows better."""

    def validate(self, executor_options: Any, service_options: Any) -> Verdict:
        """Show what was given."""
        return Verdict(Judgement.WARNING, f"{executor_options} and {service_options}")


def test_a_registered_rule_stands_above_the_declarations() -> None:
    """It may allow what they refuse; without one they decide."""
    pair = (ExecutorCapabilities(Placement.REMOTE), ServiceCapabilities(Reach.PROCESS), "catalog")
    assert judge_pair(*pair, Rule(), ("one", "two")) == Verdict(Judgement.WARNING, "one and two")
    assert judge_pair(*pair, None, ("one", "two")).judgement is Judgement.ERROR


def node(name: str, kind: str = "task", **more: Any) -> Node:
    """Return a node."""
    return Node(name, kind, {"type": kind}, next="done", **more)


def graph_of(*nodes: Node) -> Graph:
    """Return a graph of *nodes*."""
    return Graph(nodes[0].name, {item.name: item for item in nodes})


ASKING: dict[Feature, Sequence[Node]] = {
    Feature.PARALLEL: [node("n", "parallel")],
    Feature.MAP: [node("n", "map", map=MapSettings("items", "item"))],
    Feature.DAG: [node("n", "dag")],
    Feature.AS_IS: [node("n", "as-is")],
    Feature.ON_FAILURE: [node("n", on_failure="x")],
    Feature.RETRY: [node("n", retry=RetryPolicy(2))],
    Feature.BACKOFF: [node("n", retry=RetryPolicy(2, Backoff(1)))],
    Feature.RETRY_ON: [node("n", retry=RetryPolicy(2, retry_on=("OSError",)))],
    Feature.TIMEOUT: [node("n", timeout_seconds=1)],
    Feature.MAX_CONCURRENCY: [node("n", "map", map=MapSettings("items", "item", 2))],
    Feature.RESOURCES: [node("n", resources=Resources(cpu=1))],
    Feature.CATALOG: [node("n", catalog=CatalogSettings(put=("*",)))],
    Feature.MAX_TIME: [node("n", "parallel", branches={"b": Graph("x", {}, max_time_seconds=60)})],
}


def test_every_feature_can_be_asked_for() -> None:
    """A feature that nothing asks for could be refused by an executor, and would be used all the same."""
    assert ASKING.keys() == set(Feature)


def test_a_limit_of_the_whole_run_is_asked_for_by_the_outermost_graph() -> None:
    """The default is no limit that anyone asked for."""
    limited = graph_of(node("n"))._replace(max_time_seconds=60)
    assert features_of(limited) == {Feature.MAX_TIME: ["the outermost graph"]}


@pytest.mark.parametrize("feature", ASKING)
def test_what_a_node_asks_for_is_found(feature: Feature) -> None:
    """In the outermost graph and inside branches, by the path that leads there."""
    (asking,) = ASKING[feature]
    inner = graph_of(asking)
    graph = graph_of(asking, node("p", "parallel", branches={"b": inner}))
    assert features_of(graph)[feature][0] == "n"
    assert "p.b.n" in features_of(graph)[feature]


def test_a_plain_task_asks_for_nothing() -> None:
    """One attempt with a pause after it is no retry."""
    assert features_of(graph_of(node("n", retry=RetryPolicy(1, Backoff(5))))) == {}


@pytest.mark.parametrize("feature", ASKING)
def test_a_feature_that_would_mean_something_else_is_refused_with_the_reason(feature: Feature) -> None:
    """It is told which nodes ask for it; every other feature is supported."""
    executor = ExecutorCapabilities(Placement.REMOTE, refused_features={feature: "it cannot; do without"})
    findings = judge_features("batch", executor, graph_of(*ASKING[feature]))
    refused = refusals(findings, strict=False)
    assert [str(finding) for finding in refused] == [
        f"batch x dag {feature}: it cannot; do without (asked for by n)"
    ]
    assert not refusals(judge_features("batch", executor, graph_of(node("n"))), strict=True)


def test_only_the_first_three_nodes_that_ask_are_named() -> None:
    """A map of a thousand steps must not make a page of text."""
    nodes = [node(f"n{number}", timeout_seconds=1) for number in range(9)]
    executor = ExecutorCapabilities(Placement.REMOTE, refused_features={Feature.TIMEOUT: "no"})
    (finding,) = refusals(judge_features("batch", executor, graph_of(*nodes)), strict=False)
    assert finding.places == ("n0", "n1", "n2")


def test_a_task_type_that_cannot_run_there_is_refused() -> None:
    """With what can, and the tasks that are of it; None stands for all types."""
    graph = graph_of(
        node("a", task=TaskSettings("x", "python")),
        node("b", task=TaskSettings("x", "shell")),
        node("c", task=TaskSettings("x", "shell")),
    )
    some = ExecutorCapabilities(Placement.REMOTE, task_types=frozenset({"python", "notebook"}))
    (refused,) = refusals(judge_features("argo", some, graph), strict=False)
    assert str(refused) == (
        "argo x task type shell: it runs only tasks of type notebook, python (asked for by b, c); change the task"
    )
    every = some._replace(task_types=None)
    assert refusals(judge_features("argo", every, graph), strict=True) == []


@pytest.mark.parametrize(
    ("judgement", "stops", "stops_when_strict"),
    [
        (Judgement.OK, False, False),
        (Judgement.WARNING, False, False),
        (Judgement.UNKNOWN, False, True),
        (Judgement.ERROR, True, True),
    ],
)
def test_strict_refuses_what_cannot_be_judged(
    judgement: Judgement,
    stops: bool,  # noqa: FBT001 - a column of the table
    stops_when_strict: bool,  # noqa: FBT001 - a column of the table
) -> None:
    """A warning never stops a run."""
    finding = Finding("local", "catalog", "s3", Verdict(judgement, "because"))
    assert bool(refusals([finding], strict=False)) == stops
    assert bool(refusals([finding], strict=True)) == stops_when_strict
    assert by_judgement([finding]) == {judgement: [finding]}
