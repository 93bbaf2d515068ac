"""Finds from the run log how far a graph was walked by others."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from magnus.domain.names import ROOT_BRANCH, step_name
from magnus.domain.records import RecordKind
from magnus.domain.run_log import Status
from magnus.engine.traversal import next_node_name
from magnus.errors import ConfigurationError

if TYPE_CHECKING:
    from magnus.engine.context import RunContext
    from magnus.usecases.inside_run import InsideRun, Part
    from magnus.usecases.node_address import Address


def is_reached(context: RunContext, address: Address) -> bool:
    """Whether the walk through a graph has come to a node: reads the steps that may lead there, and no others."""
    name, graph = address.branch.name, address.branch.graph
    if name != ROOT_BRANCH and read_branch(context, name) is None:
        return False
    if address.node.name == graph.start_at:
        return True
    leading = {
        step_name(name, node.name): [
            status
            for status in (Status.SUCCESS, Status.FAIL)
            if next_node_name(node, graph, status) == address.node.name
        ]
        for node in graph.nodes.values()
        if not node.is_terminal
    }
    wanted = {internal_name: statuses for internal_name, statuses in leading.items() if statuses}
    found = context.services.run_log_store.get_many(context.run_id, RecordKind.STEP, list(wanted))
    return any(Status(json.loads(body)["status"]) in wanted[each] for each, body in found.items())


def check_is_reached(inside: InsideRun, part: Part, address: Address) -> None:
    """Refuse a node that the walk has not come to, of those who may ask for one, and in a re-run.

    Raises:
        ConfigurationError: The steps that may lead there did not end so that one does.
    """
    if not (part.if_reached or inside.head.use_cached) or is_reached(inside.run.context, address):
        return
    reason = "one that ended without a trace could not be run, and the run cannot go on"
    if inside.head.use_cached:
        # A file that was rendered may pass over what has to run after all; then its results are missing.
        original = inside.head.original_run_id
        reason = f"if one before it has to run again, render the pipeline again with --use-cached {original}"
    message = (
        f"the walk through run '{inside.head.run_id}' has not come to '{address.name}': no step has ended so that this one "
        f"follows; {reason}"
    )
    raise ConfigurationError(message)


def read_branch(context: RunContext, name: str) -> Status | None:
    """Return how far a branch got; None if it was not opened."""
    body = context.services.run_log_store.get(context.run_id, RecordKind.BRANCH, name)
    return Status(json.loads(body)["status"]) if body else None
