"""A plan as a state machine. Pure: the same plan gives the same text.

A task becomes a state of its key, which submits a job; a composite node three or four: `KEY.out`, for maps `KEY.items`, where
the list is read, `KEY` itself, and `KEY.in`. Step Functions knows only that a job has failed, not by which exit code: whatever
comes after a failure is called with `--if-reached`, and refuses to run if the step did not fail but could not be run. Such a
refusal leads on to the fail node, which refuses too, and then to `Stop`, which closes the run.
"""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from magnus.domain.role import Role
from magnus_executor_stepfunctions import maps
from magnus_executor_stepfunctions.checks import check_machine, check_overrides, check_plan, check_text
from magnus_executor_stepfunctions.expressions import FAILURE
from magnus_executor_stepfunctions.jobs import attempt_state, call_state, comment_of
from magnus_executor_stepfunctions.layout import readable
from magnus_executor_stepfunctions.limits import LARGEST_DEFINITION
from magnus_executor_stepfunctions.own_states import own_state
from magnus_executor_stepfunctions.shape import most_at_once, shape_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus.domain.render_plan import Command, RenderedGraph, RenderedNode, RenderPlan
    from magnus_executor_stepfunctions.config import StepFunctionsOptions
    from magnus_executor_stepfunctions.shape import Shape

States = dict[str, dict[str, Any]]

BEGIN, IF_CLOSED, STOP, FAILED = "Begin", "IfClosed", "Stop", "Failed"
"""States that stand for no node; keys have no capital letters."""

SECONDS_FOR_QUEUES = 3600
"""Jobs wait in queues before the first step and after the last, and only the time of the steps is the run's own."""


def render_machine(plan: RenderPlan, options: StepFunctionsOptions) -> str:
    """Return the state machine.

    Raises:
        ConfigurationError: Step Functions cannot take it.
    """
    shape = shape_of(plan)
    check_plan(plan, shape)
    rooms = maps.rooms(plan, options)
    machines: dict[str, dict[str, Any]] = {}
    for graph in reversed(plan.graphs):
        for node in graph.nodes:
            check_overrides(maps.size_of(node, options), node, graph)
        machines[graph.key] = _Graph(graph, plan, options, shape, machines, rooms).machine()
    machine = {
        "Comment": _header(plan),
        "TimeoutSeconds": int(plan.max_time_seconds) + 1 + SECONDS_FOR_QUEUES,
        **machines[plan.root.key],
    }
    check_machine(machine)
    text = readable(machine) + "\n"
    if len(text.encode()) > LARGEST_DEFINITION:
        text = json.dumps(machine, separators=(",", ":"), ensure_ascii=False) + "\n"
    check_text(text, plan)
    return text


def _header(plan: RenderPlan) -> str:
    original = plan.original_run_id
    parts = [
        f"The dag of {plan.pipeline_file}, rendered by magnus {plan.magnus_version} (aws-step-functions)",
        f"dag hash: {plan.dag_hash}",
        *([f"finished steps are those of run {original}"] if original else []),
        "the name of the execution is the run's id",
    ]
    return " ".join("; ".join(parts).split())


class _Graph:
    """Writes the states of one graph."""

    def __init__(
        self,
        graph: RenderedGraph,
        plan: RenderPlan,
        options: StepFunctionsOptions,
        shape: Shape,
        machines: Mapping[str, dict[str, Any]],
        rooms: Mapping[str, int],
    ) -> None:
        """Take what is known of the whole; *machines* holds the graphs inside this one."""
        self._graph = graph
        self._plan = plan
        self._options = options
        self._shape = shape
        self._machines = machines
        self._rooms = rooms
        self._is_root = graph is plan.root
        self._by_key = {node.key: node for node in graph.nodes}
        self._after_failures = {node.on_failure for node in graph.nodes}
        self._states: States = {}

    def machine(self) -> dict[str, Any]:
        """Return its first state and all of them."""
        start = self._entry(self._graph.start_at)
        if self._is_root:
            self._states[BEGIN] = {
                "Type": "Pass",
                "Parameters": {"run_id.$": "$$.Execution.Name", "place.$": "$$.Execution.Name"},
                "Next": start,
            }
            start = BEGIN
        for node in self._graph.nodes:
            if node.is_finished:
                self._write_finished(node)
            elif node.role is Role.TERMINAL:
                self._write_end(node)
            elif node.role is Role.COMPOSITE:
                self._write_composite(node)
            else:
                self._write_step(node)
        if self._is_root:
            self._write_last()
        reached = _reached(start, self._states)
        return {
            "StartAt": start,
            "States": {name: self._states[name] for name in self._states if name in reached},
        }

    def _entry(self, key: str) -> str:
        """Return the first state of a node."""
        node = self._by_key[key]
        if node.is_finished:
            return key
        if node.role is Role.COMPOSITE:
            return f"{key}.out"
        return f"{key}.own" if own_state(node) else key

    def _first_command(self, node: RenderedNode) -> Command:
        """Return what is called first at a node."""
        command = node.fan_out or node.command
        return (*command, "--if-reached") if node.key in self._after_failures else command

    def _moves(self, node: RenderedNode, following: str) -> dict[str, Any]:
        """Return what comes after a state of *node*: *following*, or after a failure whatever that leads to."""
        return {"Catch": _catch(self._entry(node.on_failure)), "Next": following}

    def _write_finished(self, node: RenderedNode) -> None:
        comment = comment_of(node, f"had ended in run {self._plan.original_run_id}")
        self._states[node.key] = {"Type": "Pass", "Comment": comment, "Next": self._entry(node.next)}

    def _write_step(self, node: RenderedNode) -> None:
        if own := own_state(node):
            self._states[f"{node.key}.own"] = own
        moves = self._moves(node, self._entry(node.next))
        self._states[node.key] = attempt_state(node, self._first_command(node), self._options, moves)

    def _write_end(self, node: RenderedNode) -> None:
        moves: dict[str, Any]
        if not self._is_root:
            # A job that fails here could not be run, and fails the whole branch. Nothing else comes out of a branch than an
            # end: what comes out of all branches together is limited.
            moves = {"OutputPath": None, "End": True}
        elif node.node.type == "success":
            moves = {"Catch": _catch(STOP), "End": True}
        else:
            moves = {"Catch": _catch(IF_CLOSED, FAILURE), "Next": FAILED}
        self._states[node.key] = call_state(
            self._first_command(node), node.key, node.options, comment_of(node), moves
        )

    def _write_composite(self, node: RenderedNode) -> None:
        key = node.key
        out = self._first_command(node)
        if node.node.map is not None:
            place = maps.items_place(node, self._graph, self._options, self._shape, self._rooms)
            out = (*out, "--items-to", place.address)
            between = maps.map_states(node, place, self._machines[next(iter(node.branches.values()))])
        else:
            between = self._parallel_states(node)
        names = [*between, f"{key}.in"]
        self._states[f"{key}.out"] = call_state(
            out,
            f"{key}-out",
            node.options,
            comment_of(node, "opens its branches"),
            self._moves(node, names[0]),
        )
        for name, following in pairwise(names):
            state = between[name]
            # A branch fails by itself only if it could not be run; inside another branch, that one fails by it.
            catch = {"Catch": _catch(STOP)} if self._is_root else {}
            self._states[name] = {**state, **catch, "Next": following}
        self._states[names[-1]] = call_state(
            node.fan_in,
            f"{key}-in",
            node.options,
            comment_of(node, "joins its branches"),
            self._moves(node, self._entry(node.next)),
        )

    def _parallel_states(self, node: RenderedNode) -> States:
        branches = [self._machines[key] for key in node.branches.values()]
        if most_at_once(node) == 1:
            groups = {f"{node.key}.{number}": [branch] for number, branch in enumerate(branches, start=1)}
        else:
            groups = {node.key: branches}
        return {
            name: {"Type": "Parallel", "Comment": comment_of(node), "Branches": group, "ResultPath": None}
            for name, group in groups.items()
        }

    def _write_last(self) -> None:
        comment = "closes the run after a job that did not do its work"
        moves = {"Catch": _catch(FAILED), "Next": FAILED}
        self._states[IF_CLOSED] = _if_closed()
        self._states[STOP] = call_state(self._plan.stop, "stop", self._options, comment, moves)
        self._states[FAILED] = {"Type": "Fail", "Error": FAILED, "Cause": "the run log says why"}


def _reached(start: str, states: States) -> set[str]:
    """Return the states that something leads to: behind finished nodes, nothing comes from their failure."""
    reached: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            state = states[name]
            rules = [*state.get("Catch", ()), *state.get("Choices", ()), state]
            waiting += [rule["Next"] for rule in rules if "Next" in rule]
            waiting += [state["Default"]] if "Default" in state else []
    return reached


def _catch(following: str, result_path: str | None = None) -> list[dict[str, Any]]:
    return [{"ErrorEquals": ["States.ALL"], "ResultPath": result_path, "Next": following}]


def _if_closed() -> dict[str, Any]:
    """Return what spares a job: where the text by which Batch describes a job has exit code 1, the run is closed.

    If that text looked different, the run would be closed once more, which changes nothing.
    """
    cause = f"{FAILURE}.Cause"
    texts = [f'*"ExitCode":{space}1{end}*' for space in ("", " ") for end in (",", "}")]
    has_code_1 = {"Or": [{"Variable": cause, "StringMatches": text} for text in texts]}
    return {
        "Type": "Choice",
        "Comment": "with exit code 1 the fail node has closed the run; with any other it was not reached, or could not be run",
        "Choices": [{"And": [{"Variable": cause, "IsPresent": True}, has_code_1], "Next": FAILED}],
        "Default": STOP,
    }
