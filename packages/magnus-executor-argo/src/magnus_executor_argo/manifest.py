"""Writes a plan as a workflow of Argo. Pure: the same plan and options give the same text."""

from __future__ import annotations

import math
import re
import unicodedata
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from magnus.errors import ConfigurationError
from magnus_executor_argo.config import LONGEST_NAME, OF_THE_WORKFLOW
from magnus_executor_argo.dags import graph_templates, needed_graphs
from magnus_executor_argo.limits import check_depth, keep_size
from magnus_executor_argo.pods import Tag, close_template
from magnus_executor_argo.yaml_text import Commented, OneLine, yaml_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from magnus.domain.render_plan import RenderPlan
    from magnus_executor_argo.config import ArgoOptions

CLOSE = "magnus--close"
EXIT = "magnus--exit"
"""What the templates are called that run when a workflow has ended; keys have single hyphens."""


def render_workflow(plan: RenderPlan, options: ArgoOptions) -> str:
    """Return the manifest.

    Raises:
        ConfigurationError: Argo cannot express something, or does not take so much.
    """
    _check_options(plan, options)
    graphs = needed_graphs(plan)
    check_depth(graphs)
    templates = [template for graph in graphs for template in graph_templates(graph)]
    templates += [_exit_template(), close_template(plan.stop, CLOSE, options)]
    document = _document(plan, options, _spec(plan, options, templates))
    _check_text(plan, templates, document)
    keep_size(graphs, templates, document, options)
    header = [
        f"The dag of {plan.pipeline_file} as a {options.kind} of Argo, rendered by magnus {plan.magnus_version} (argo).",
        f"dag hash: {plan.dag_hash}",
        "",
        f"Usage: {_USAGES[options.kind]}. The run is called as the workflow is.",
        "After a failure: `magnus execute --use-cached RUN_ID` continues the run, by any executor.",
    ]
    return yaml_text(header, document)


_USAGES = {
    "Workflow": "kubectl create -f FILE",
    "WorkflowTemplate": "kubectl apply -f FILE; argo submit --from workflowtemplate/NAME",
    "CronWorkflow": "kubectl apply -f FILE",
}


def _document(plan: RenderPlan, options: ArgoOptions, spec: dict[str, Any]) -> dict[str, Any]:
    name = options.name or _default_name(plan)
    metadata: dict[str, Any] = {"generateName": f"{name}-"} if options.kind == "Workflow" else {"name": name}
    if options.namespace:
        metadata["namespace"] = options.namespace
    if options.labels:
        metadata["labels"] = dict(options.labels)
    metadata["annotations"] = {
        "magnus/version": plan.magnus_version,
        "magnus/dag-hash": plan.dag_hash,
        "magnus/pipeline-file": plan.pipeline_file,
    }
    if plan.original_run_id:
        metadata["annotations"]["magnus/continues"] = plan.original_run_id
    if options.kind == "CronWorkflow":
        cron: dict[str, Any] = {"schedules": [options.schedule]}
        cron |= {"timezone": options.timezone} if options.timezone else {}
        cron |= {"concurrencyPolicy": options.concurrency_policy}
        cron |= {"workflowMetadata": {"labels": dict(options.labels)}} if options.labels else {}
        spec = cron | {"workflowSpec": spec}
    elif options.kind == "WorkflowTemplate" and options.labels:
        spec = {"workflowMetadata": {"labels": dict(options.labels)}} | spec
    return {"apiVersion": "argoproj.io/v1alpha1", "kind": options.kind, "metadata": metadata, "spec": spec}


def _default_name(plan: RenderPlan) -> str:
    text = plan.root.graph.name or PurePath(plan.pipeline_file).stem
    ascii_only = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", ascii_only).strip("-")[:LONGEST_NAME].rstrip("-") or "magnus"


def _spec(plan: RenderPlan, options: ArgoOptions, templates: list[Commented]) -> dict[str, Any]:
    spec: dict[str, Any] = {"entrypoint": plan.root.key, "onExit": EXIT}
    if math.isfinite(plan.max_time_seconds):
        spec["activeDeadlineSeconds"] = math.ceil(plan.max_time_seconds) + options.grace_seconds
    if options.parallelism is not None:
        spec["parallelism"] = options.parallelism
    if options.service_account:
        spec["serviceAccountName"] = options.service_account
    if options.image_pull_secrets:
        spec["imagePullSecrets"] = [OneLine(name=name) for name in options.image_pull_secrets]
    if options.labels:
        spec["podMetadata"] = {"labels": dict(options.labels)}
    return spec | {"templates": templates}


def _exit_template() -> Commented:
    """Return the template that is called at the end of every workflow."""
    task = {"name": "close", "template": CLOSE, "when": Tag("{{workflow.status}} != Succeeded")}
    return Commented(
        "when the workflow has ended", {"name": EXIT, "dag": {"failFast": False, "tasks": [task]}}
    )


def _check_options(plan: RenderPlan, options: ArgoOptions) -> None:
    for graph in plan.graphs:
        for node in graph.nodes:
            for name in OF_THE_WORKFLOW:
                if getattr(node.options, name) != getattr(options, name):
                    who = ".".join((*graph.path, node.node.name))
                    message = (
                        f"executor argo: {name} is said of the whole workflow and cannot be another for one node; remove it "
                        f"from the `executor_config` of '{who}'"
                    )
                    raise ConfigurationError(message)


def _check_text(plan: RenderPlan, templates: list[Commented], document: dict[str, Any]) -> None:
    """Refuse text of the user's that Argo would take for a variable; it has no way to write it otherwise."""
    keys = {
        node.key: ".".join((*graph.path, node.node.name)) for graph in plan.graphs for node in graph.nodes
    }
    parts = [(template, keys.get(template["name"].partition("--")[0], "")) for template in templates]
    for part, node in [*parts, (document, "")]:
        for text in _texts(part):
            if "{{" in text:
                message = (
                    f"executor argo: {f'the node {node!r}' if node else 'the workflow'} holds {text!r}, and Argo takes "
                    "'{{' for the beginning of a variable, wherever it stands; name the file otherwise, or take it out"
                )
                raise ConfigurationError(message)


def _texts(value: Any) -> Iterator[str]:
    """Yield every text in *value* that is not ours."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield key
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)
    elif isinstance(value, str) and not isinstance(value, Tag):
        yield value
