"""What is wrong with a dag for Kubeflow Pipelines. Pure; called where steps run, too, so it imports nothing large."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnus.domain.capabilities import Feature
from magnus.domain.limits import limits_of
from magnus.domain.verdict import Judgement, Verdict
from magnus.ports.executor import Objection
from magnus_executor_kubeflow.config import EXECUTOR, OF_THE_PIPELINE

if TYPE_CHECKING:
    from collections.abc import Callable

    from magnus.domain.graph import Graph
    from magnus.domain.nodes import Node
    from magnus_executor_kubeflow.config import KubeflowOptions

_NO_SHARED_MEMORY = Verdict(
    Judgement.ERROR,
    "a pipeline of Kubeflow cannot set the size of /dev/shm: that takes a volume of Kubernetes, which is none of it",
    "remove `shm` from the resources, and let the step use fewer processes that share memory",
)


def judge_graph(
    options: KubeflowOptions, graph: Graph, options_of: Callable[[Node], KubeflowOptions]
) -> list[Objection]:
    """Return what is refused, with the nodes that ask for it."""
    asks_for_shm: list[str] = []
    overrides: dict[str, list[str]] = {}
    for path, node in graph.walk():
        name = ".".join((*path, node.name))
        own = options_of(node)
        if node.task is not None and limits_of(node, EXECUTOR, own, options).shm_mib is not None:
            asks_for_shm.append(name)
        for option in OF_THE_PIPELINE:
            if getattr(own, option) != getattr(options, option):
                overrides.setdefault(option, []).append(name)
    objections = [
        Objection(
            Verdict(Judgement.ERROR, "a pipeline has it once", "set it in the configuration"),
            "option",
            option,
            tuple(names),
        )
        for option, names in overrides.items()
    ]
    if asks_for_shm:
        objections.append(Objection(_NO_SHARED_MEMORY, "dag", Feature.RESOURCES, tuple(asks_for_shm)))
    return objections
