from __future__ import annotations

from typing import Any

from magnus.domain.graph import Graph
from magnus.domain.nodes import Node, Resources, TaskSettings
from magnus.domain.verdict import Judgement
from magnus.ports.executor import ComputeNeeds, Objection
from magnus_executor_awsbatch.config import AwsBatchOptions
from magnus_executor_awsbatch.executor import AwsBatchExecutor
from magnus_executor_awsbatch.judging import NO_HANDOVER, handover_of

LENT = ComputeNeeds(handover="s3://lent/handover")


def options(**written: Any) -> AwsBatchOptions:
    """Return options."""
    return AwsBatchOptions(job_queue="q", docker_image="i", **written)


def task(name: str, **more: Any) -> Node:
    """Return a task node."""
    return Node(name, "task", {}, next="done", task=TaskSettings("true", "shell"), **more)


def judge(*nodes: Node, needs: tuple[ComputeNeeds, ...] = (LENT,), **of_fit: Any) -> list[Objection]:
    """Judge a graph of *nodes*; that called `fit` has options of its own."""
    graph = Graph(nodes[0].name, {node.name: node for node in (*nodes, Node("done", "success", {}))})

    def options_of(node: Node) -> AwsBatchOptions:
        return options(**(of_fit if node.name == "fit" else {}))

    return AwsBatchExecutor.judge_graph(options(), graph, options_of, lambda: needs)


def test_the_handover_is_that_of_the_options_or_of_a_service() -> None:
    """The first service that lends one."""
    other = ComputeNeeds(handover="s3://other/handover")
    assert handover_of(options(handover="s3://own/x"), [LENT]) == "s3://own/x"
    assert handover_of(options(), [ComputeNeeds(), LENT, other]) == "s3://lent/handover"
    assert handover_of(options(), []) == ""


def test_a_dag_that_fits_has_no_objection() -> None:
    """Nothing is asked of AWS."""
    assert judge(task("fit"), task("test")) == []


def test_without_a_place_to_hand_over_nothing_runs() -> None:
    """The remedy is in the sentence."""
    (objection,) = judge(task("fit"), needs=())
    assert (objection.verdict.judgement, objection.verdict.reason) == (Judgement.ERROR, NO_HANDOVER)
    assert (objection.subject, objection.name, objection.places) == ("option", "handover", ())


def test_resources_that_batch_has_not_are_refused_with_the_place_of_the_step() -> None:
    """Inside branches too."""
    inner = Graph(
        "fit", {"fit": task("fit", resources=Resources(cpu=0.5)), "done": Node("done", "success", {})}
    )
    outer = Node("split", "parallel", {}, next="done", branches={"left": inner})
    (objection,) = judge(outer)
    assert objection.verdict.reason == "on EC2 a job has whole processors, not 0.5; ask for 1"
    assert (objection.subject, objection.name, objection.places) == ("step", "resources", ("split.left.fit",))


def test_a_request_over_the_limit_of_batch_is_refused() -> None:
    """Before anything is submitted."""
    (objection,) = judge(task("fit"), task("test"), environment={"BIG": "x" * 8192})
    assert objection.places == ("fit",)
    assert objection.verdict.reason.startswith("what the job is given besides its definition needs ")
    assert (
        "and Batch takes 8192; make `environment` smaller, or put it in the job definition"
        in objection.verdict.reason
    )


def test_what_services_need_counts_too() -> None:
    """It is in the same field."""
    needs = (LENT, ComputeNeeds(environment={"BIG": "x" * 8192}))
    assert [objection.name for objection in judge(task("fit"), needs=needs)] == ["environment"]


def test_nodes_that_are_no_tasks_ask_for_nothing() -> None:
    """They have no job."""
    assert judge(Node("fit", "as-is", {}, next="done", resources=Resources(cpu=0.5))) == []
