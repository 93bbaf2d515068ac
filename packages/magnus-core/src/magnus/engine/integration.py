"""Whether an executor goes with its services and with what a dag asks for: the verdicts, before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from magnus.domain.capabilities import Feature, Isolation, Placement, Reach, ServiceKind
from magnus.domain.file_patterns import leads_out
from magnus.domain.graph import DEFAULT_MAX_TIME_SECONDS
from magnus.domain.verdict import Judgement, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from magnus.domain.capabilities import ExecutorCapabilities, ServiceCapabilities
    from magnus.domain.graph import Graph
    from magnus.domain.nodes import Node
    from magnus.ports.integration import Integration


class Finding(NamedTuple):
    """A verdict and what it is about.

    Attributes:
        executor: The executor's name.
        subject: The kind of the service, or `dag`.
        name: The service's name, or the feature.
        verdict: The judgement, with reason and remedy.
        places: For a feature: the nodes that ask for it.
    """

    executor: str
    subject: str
    name: str
    verdict: Verdict
    places: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Render as one line."""
        remedy = f"; {self.verdict.remedy}" if self.verdict.remedy else ""
        where = f" (asked for by {', '.join(self.places)})" if self.places else ""
        return f"{self.executor} x {self.subject} {self.name}: {self.verdict.reason}{where}{remedy}"


def judge_pair(
    executor: ExecutorCapabilities,
    service: ServiceCapabilities,
    kind: str,
    rule: Integration | None,
    options: tuple[Any, Any],
) -> Verdict:
    """Judge an executor with a service: by the rule that is registered for the pair, else by the two declarations.

    Args:
        executor: What the executor can do with its options.
        service: What the service can do with its options.
        kind: The kind of the service.
        rule: The registered rule, if there is one. It may be stricter than the declarations or know a way round them.
        options: Of the executor and of the service, for the rule.
    """
    if rule is not None:
        return rule.validate(*options)
    return judge_capabilities(executor, service, kind)


_REACHES = {
    Reach.PROCESS: frozenset({Placement.SAME_PROCESS}),
    Reach.HOST: frozenset({Placement.SAME_PROCESS, Placement.SAME_HOST}),
    Reach.NETWORK: frozenset(Placement),
}


def judge_capabilities(executor: ExecutorCapabilities, service: ServiceCapabilities, kind: str) -> Verdict:
    """Judge a pair by what the two declare."""
    if service.inert:
        return Verdict(Judgement.OK, "it keeps nothing, so there is nothing to reach")
    if (
        executor.concurrent_branches
        and not executor.serves_from_traversal  # there one process writes for all branches
        and not service.concurrent_writers
    ):
        return Verdict(
            Judgement.ERROR,
            "branches run at the same time, and it is not safe for concurrent writers: records would be lost",
            f"set enable_parallel: false, or choose a {kind} that is safe for concurrent writers",
        )
    if executor.served_at not in _REACHES[service.reach]:
        if executor.placement is Placement.CONTAINER and service.reach is Reach.HOST:
            return Verdict(
                Judgement.UNKNOWN,
                "it lives on this machine, and nobody said how a container gets to it",
                "register an integration for the pair, or choose a service that is reached over the network",
            )
        return Verdict(
            Judgement.ERROR,
            f"steps run in another place ({executor.placement}), and it only reaches as far as this {service.reach}",
            f"choose a {kind} that reaches further",
        )
    if kind == ServiceKind.RUN_LOG_STORE and not service.persistent:
        return Verdict(
            Judgement.WARNING,
            "the run log is gone when the process ends: the run can be neither looked at nor resumed",
            "choose the run_log_store 'file-system'",
        )
    if service.credentials and executor.placement in (Placement.CONTAINER, Placement.REMOTE):
        return Verdict(
            Judgement.UNKNOWN,
            f"where steps run it needs {'; '.join(service.credentials)}, which only they can tell",
            "make sure they are there",
        )
    return Verdict(
        Judgement.OK, f"its reach ({service.reach}) covers where it is used ({executor.served_at})"
    )


def features_of(graph: Graph) -> dict[Feature, list[str]]:
    """Return what *graph* asks of an executor, each feature with the nodes that ask for it, by the path that leads there."""
    found: dict[Feature, list[str]] = {}
    if _limits_time(graph):
        found[Feature.MAX_TIME] = ["the outermost graph"]
    for path, node in graph.walk():
        for feature in _features_of_node(node):
            found.setdefault(feature, []).append(".".join((*path, node.name)))
    return found


def _features_of_node(node: Node) -> list[Feature]:
    asked = {
        Feature.PARALLEL: node.type == "parallel",
        Feature.MAP: node.map is not None,
        Feature.DAG: node.type == "dag",
        Feature.AS_IS: node.type in ("as-is", "stub"),
        Feature.ON_FAILURE: node.on_failure is not None,
        Feature.RETRY: node.retry.max_attempts > 1,
        Feature.BACKOFF: node.retry.max_attempts > 1 and node.retry.backoff.initial > 0,
        Feature.RETRY_ON: bool(node.retry.retry_on),
        Feature.TIMEOUT: node.timeout_seconds is not None,
        Feature.MAX_TIME: any(_limits_time(branch) for branch in node.branches.values()),
        Feature.MAX_CONCURRENCY: node.map is not None and node.map.max_concurrency is not None,
        Feature.RESOURCES: node.resources is not None,
        Feature.CATALOG: node.catalog is not None,
    }
    return [feature for feature, is_asked in asked.items() if is_asked]


def _limits_time(graph: Graph) -> bool:
    return graph.max_time_seconds != DEFAULT_MAX_TIME_SECONDS


def judge_features(name: str, executor: ExecutorCapabilities, graph: Graph) -> list[Finding]:
    """Judge every feature and task type that *graph* uses."""
    findings = []
    for feature, places in features_of(graph).items():
        refusal = executor.refused_features.get(feature)
        verdict = Verdict(Judgement.ERROR, refusal) if refusal else Verdict(Judgement.OK, "supported")
        findings.append(Finding(name, "dag", feature, verdict, tuple(places[:3]) if refusal else ()))
    used: dict[str, list[str]] = {}
    for path, node in graph.walk():
        if node.task is not None:
            used.setdefault(node.task.command_type, []).append(".".join((*path, node.name)))
    for task_type, places in used.items():
        if executor.task_types is None or task_type in executor.task_types:
            findings.append(Finding(name, "task type", task_type, Verdict(Judgement.OK, "supported")))
        else:
            reason = f"it runs only tasks of type {', '.join(sorted(executor.task_types))}"
            findings.append(
                Finding(
                    name,
                    "task type",
                    task_type,
                    Verdict(Judgement.ERROR, reason, "change the task"),
                    tuple(places[:3]),
                )
            )
    return findings


def judge_data_folders(
    name: str, executor: ExecutorCapabilities, graph: Graph, default: str
) -> list[Finding]:
    """Refuse data folders outside of the project for steps that are to have them to themselves.

    Args:
        name: The executor's type.
        executor: Its capabilities.
        graph: The outermost graph.
        default: The data folder of the catalog, for steps that name none.
    """
    if executor.isolation is Isolation.NONE or not executor.shares_working_folder:
        return []
    found: dict[str, list[str]] = {}
    for place, node in _isolated_steps(graph, (), is_isolated=executor.isolation is not Isolation.BRANCH):
        folder = (node.catalog and node.catalog.compute_data_folder) or default
        if leads_out(folder):
            found.setdefault(folder, []).append(place)
    return [
        Finding(
            name,
            "dag",
            Feature.CATALOG,
            Verdict(
                Judgement.ERROR,
                f"the compute_data_folder '{folder}' is outside of the project, so branches cannot have it to themselves",
                "give a path relative to the project, below it",
            ),
            tuple(places[:3]),
        )
        for folder, places in found.items()
    ]


def _isolated_steps(graph: Graph, path: tuple[str, ...], *, is_isolated: bool) -> Iterator[tuple[str, Node]]:
    """Yield the steps that have a folder of their own, each with the path that leads there."""
    for node in graph.nodes.values():
        if is_isolated and node.task is not None:
            yield ".".join((*path, node.name)), node
        for key, branch in node.branches.items():
            inside = is_isolated or node.type != "dag"
            yield from _isolated_steps(branch, (*path, node.name, key), is_isolated=inside)


def judge_files_in_inert_catalog(
    executor: ExecutorCapabilities, catalog: ServiceCapabilities, graph: Graph
) -> Verdict | None:
    """Judge a catalog that keeps nothing by what *graph* hands over through it; None if that does no harm.

    Where steps share a folder, a file is there without any catalog.
    """
    users = features_of(graph).get(Feature.CATALOG, [])
    if not users or not catalog.inert or executor.shares_working_folder or not executor.runs_tasks:
        return None
    return Verdict(
        Judgement.ERROR,
        f"it keeps nothing, steps share no folder, and files are handed over by {', '.join(users[:3])}",
        "choose a catalog that keeps files, or take `catalog` out of the steps",
    )


def refusals(findings: Sequence[Finding], *, strict: bool) -> list[Finding]:
    """Return what must stop the run: errors, and with *strict* whatever could not be judged."""
    fatal = {Judgement.ERROR, Judgement.UNKNOWN} if strict else {Judgement.ERROR}
    return [finding for finding in findings if finding.verdict.judgement in fatal]


def by_judgement(findings: Sequence[Finding]) -> Mapping[Judgement, list[Finding]]:
    """Group *findings*."""
    grouped: dict[Judgement, list[Finding]] = {}
    for finding in findings:
        grouped.setdefault(finding.verdict.judgement, []).append(finding)
    return grouped
