"""Prints plans."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from magnus.cli.json_output import print_json
from magnus.cli.tables import remark

if TYPE_CHECKING:
    from collections.abc import Iterator

    from magnus.domain.nodes import Node, Resources
    from magnus.usecases.plan import Plan, PlannedNode

_MOST_ITEMS = 20


def print_plan(plan: Plan, *, as_json: bool) -> None:
    """Print what each node would do."""
    if plan.changes:
        remark(f"warning: the dag is not that of the earlier run: {plan.changes}")
    if as_json:
        print_json({"changes": plan.changes, "nodes": [_node_dict(node) for node in plan.nodes]})
        return
    for node in plan.nodes:
        indent = "    " * node.depth
        sys.stdout.write(f"{indent}{node.step} ({node.node.type}): {_reached(node)}\n")
        for line in _lines(node):
            sys.stdout.write(f"{indent}  {line}\n")


def _reached(planned: PlannedNode) -> str:
    after = [f"'{way.node}'" for way in planned.ways if way.when == "success"]
    failed = [f"'{way.node}'" for way in planned.ways if way.when == "failure"]
    parts = []
    if after:
        parts.append(f"after {_some(after)}")
    if failed:
        parts.append(f"if {_some(failed)} fails")
    if planned.node.type == "fail":
        parts.append("after any other failure")
    return ", ".join(parts) or "first"


def _some(names: list[str]) -> str:
    shown = " or ".join(names[:3])
    return f"{shown} or {len(names) - 3} more" if len(names) > 3 else shown  # noqa: PLR2004 - enough to recognise them


def _lines(planned: PlannedNode) -> Iterator[str]:
    node = planned.node
    told = {
        "runs": f"{node.task.command_type}: {' '.join(planned.command.split())}"
        if node.task is not None
        else "",
        "where": planned.where,
        **_inside(node),
        "attempts": _attempts(node),
        "timeout": f"{node.timeout_seconds:g} s for each attempt" if node.timeout_seconds is not None else "",
        "resources": _json(_resources_dict(node.resources)) if node.resources is not None else "",
        **_files(node),
        "executor_config": _json(planned.executor_config) if planned.executor_config else "",
        "next": f"{node.next}; on failure: {node.on_failure or 'the fail node'}"
        if node.next is not None
        else "",
    }
    for name, text in told.items():
        if text:
            yield f"{name}: {text}"
    for decision in planned.decisions[:_MOST_ITEMS]:
        yield f"{'skipped' if decision.skip else 'runs again'}: {decision.step}: {decision.reason}"
    if len(planned.decisions) > _MOST_ITEMS:
        yield f"and {len(planned.decisions) - _MOST_ITEMS} more; --json shows all"


def _inside(node: Node) -> dict[str, str]:
    if node.map is not None:
        most = f", at most {node.map.max_concurrency} at a time" if node.map.max_concurrency else ""
        return {"for each": f"{node.map.iterate_as} in {node.map.iterate_on}{most}"}
    return {"branches": ", ".join(node.branches)}


def _files(node: Node) -> dict[str, str]:
    if node.catalog is None:
        return {}
    patterns = {"gets": node.catalog.get, "gets if there": node.catalog.optional, "puts": node.catalog.put}
    return {name: ", ".join(each) for name, each in patterns.items()}


def _attempts(node: Node) -> str:
    retry = node.retry
    if retry.max_attempts == 1:
        return ""
    text = str(retry.max_attempts)
    if retry.backoff.initial:
        text += (
            f", pausing {retry.backoff.initial:g} s, then {retry.backoff.factor:g} times as long each time"
        )
    return f"{text}, after {', '.join(retry.retry_on)}" if retry.retry_on else text


def _node_dict(planned: PlannedNode) -> dict[str, Any]:
    node = planned.node
    told: dict[str, Any] = {
        "step": planned.step,
        "type": node.type,
        "reached": [{"node": way.node, "when": way.when} for way in planned.ways],
        "next": node.next,
        "on_failure": node.on_failure,
    }
    if node.task is not None:
        told["task"] = {"command_type": node.task.command_type, "command": planned.command}
        told["where"] = planned.where
        told["max_attempts"] = node.retry.max_attempts
        told["timeout_seconds"] = node.timeout_seconds
    if node.map is not None:
        told["map"] = {"iterate_on": node.map.iterate_on, "iterate_as": node.map.iterate_as}
    elif node.branches:
        told["branches"] = list(node.branches)
    if node.resources is not None:
        told["resources"] = _resources_dict(node.resources)
    if node.catalog is not None:
        told["catalog"] = {
            "get": list(node.catalog.get),
            "optional": list(node.catalog.optional),
            "put": list(node.catalog.put),
            "compute_data_folder": node.catalog.compute_data_folder,
        }
    if planned.executor_config:
        told["executor_config"] = planned.executor_config
    if planned.decisions:
        told["cached"] = [
            {"step": decision.step, "skip": decision.skip, "reason": decision.reason}
            for decision in planned.decisions
        ]
    return told


def _resources_dict(resources: Resources) -> dict[str, Any]:
    return {
        "cpu": resources.cpu,
        "memory_mib": resources.memory_mib,
        "gpu": resources.gpu,
        "shm_mib": resources.shm_mib,
    }


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
