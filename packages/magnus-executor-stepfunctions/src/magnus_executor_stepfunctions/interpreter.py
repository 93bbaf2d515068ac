"""Does what Step Functions does with a state machine that was read."""

from __future__ import annotations

import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

from magnus.errors import ConfigurationError
from magnus_executor_stepfunctions.evaluation import (
    ExpressionError,
    fill,
    look_up,
    parse_path,
    put,
)
from magnus_executor_stepfunctions.limits import LARGEST_DATA, MOST_INLINE_BRANCHES
from magnus_executor_stepfunctions.reading import SUBMIT_JOB
from magnus_executor_stepfunctions.submission import StateFailure, run_job

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from magnus.ports.emulator import EmulatedCompute

_TASK_FAILED, _TIMED_OUT = "States.TaskFailed", "States.Timeout"
_NEVER_CAUGHT_BY_ALL = frozenset({"States.DataLimitExceeded", "States.Runtime"})


class _Ended(Exception):  # noqa: N818 - no error: the execution, or what a thread works for, has ended already
    """Nothing more is to be done in this thread."""


class _Scope:
    """What ends together: the execution, or the branches of one state."""

    def __init__(self, outer: _Scope | None = None) -> None:
        self._outer = outer
        self._lock = threading.Lock()
        self.error: BaseException | None = None

    def end(self, error: BaseException) -> None:
        """Let nothing more begin; the first error counts, unless a later one is none of the machine's own."""
        with self._lock:
            if self.error is None or (
                isinstance(self.error, StateFailure) and not isinstance(error, StateFailure | _Ended)
            ):
                self.error = error

    def check(self) -> None:
        """Raise if it has ended."""
        scope: _Scope | None = self
        while scope is not None:
            if scope.error is not None:
                raise _Ended
            scope = scope._outer  # noqa: SLF001 - of this class


class _At(NamedTuple):
    """Where the interpretation is: data, context of the execution, and with what it ends."""

    data: Any
    context: Mapping[str, Any]
    scope: _Scope


class Interpreter:
    """Interprets one machine, once."""

    def __init__(
        self, machine: Mapping[str, Any], compute: EmulatedCompute, read_object: Callable[[str, str], str]
    ) -> None:
        """Take what it works with.

        Args:
            machine: As it was read.
            compute: Runs the jobs.
            read_object: Returns the text of an object of S3, by bucket and key.
        """
        self._machine = machine
        self._compute = compute
        self._read_object = read_object
        self._until = compute.now() + machine["TimeoutSeconds"]

    def run(self, name: str) -> bool:
        """Run the machine as the execution *name*, and tell whether it succeeded."""
        try:
            self._graph(self._machine, _At({}, {"Execution": {"Name": name}}, _Scope()))
        except StateFailure as failure:
            self._compute.report(f"the execution failed: {failure}")
            return False
        return True

    def _graph(self, graph: Mapping[str, Any], at: _At) -> Any:
        """Walk a graph from its first state, and return what comes out of its last."""
        name: str | None = graph["StartAt"]
        while name is not None:
            at.scope.check()
            self._check_time()
            data, name = self._state(name, graph["States"][name], at)
            if len(json.dumps(data)) > LARGEST_DATA:
                raise StateFailure(
                    "States.DataLimitExceeded", f"more than {LARGEST_DATA} bytes came out of a state"
                )
            at = at._replace(data=data)
        return at.data

    def _check_time(self) -> None:
        if self._compute.now() >= self._until:
            raise StateFailure("States.Runtime", "the execution took longer than its TimeoutSeconds")

    def _state(self, name: str, state: Mapping[str, Any], at: _At) -> tuple[Any, str | None]:
        """Do what a state says; return the data behind it, and the name of the next."""
        calls = [0] * len(state.get("Retry", ()))
        while True:
            try:
                return self._once(name, state, at)
            except StateFailure as failure:
                number = _first(state.get("Retry", ()), failure)
                if number is not None and calls[number] < state["Retry"][number]["MaxAttempts"]:
                    self._pause(name, state["Retry"][number], calls[number], at)
                    calls[number] += 1
                    continue
                number = _first(state.get("Catch", ()), failure)
                if number is None:
                    raise
                catcher = state["Catch"][number]
                self._compute.report(f"'{name}' failed ({failure}); '{catcher['Next']}' comes next")
                output = {"Error": failure.error, "Cause": failure.cause}
                return put(at.data, catcher["ResultPath"], output), catcher["Next"]

    def _pause(self, name: str, retrier: Mapping[str, Any], calls: int, at: _At) -> None:
        try:
            seconds = min(
                retrier["IntervalSeconds"] * float(retrier["BackoffRate"]) ** calls,
                retrier.get("MaxDelaySeconds", float("inf")),
            )
        except OverflowError:
            seconds = retrier.get("MaxDelaySeconds", self._until)
        self._compute.report(f"retry {calls + 1} of '{name}' in {seconds:g} s")
        self._compute.sleep(max(0.0, min(seconds, self._until - self._compute.now())))
        at.scope.check()
        self._check_time()

    def _once(self, name: str, state: Mapping[str, Any], at: _At) -> tuple[Any, str | None]:
        try:
            if state["Type"] == "Choice":
                return at.data, _chosen(state, at)
            result = self._result(name, state, at)
            if "ResultSelector" in state:
                result = fill(state["ResultSelector"], result, at.context)
        except ExpressionError as error:
            raise StateFailure("States.Runtime", f"'{name}': {error}") from error
        data = put(at.data, state.get("ResultPath", "$"), result)
        return {} if state.get("OutputPath", "$") is None else data, state.get("Next")

    def _result(self, name: str, state: Mapping[str, Any], at: _At) -> Any:
        kind = state["Type"]
        if kind == "Task":
            return self._task(state, at)
        if kind == "Parallel":
            branches = state["Branches"]

            def branch(scope: _Scope, index: int) -> Any:
                return self._graph(branches[index], at._replace(scope=scope))

            return self._together(branch, len(branches), len(branches), at)
        if kind == "Map":
            return self._map(name, state, at)
        if kind == "Wait":
            self._compute.sleep(max(0.0, min(state["Seconds"], self._until - self._compute.now())))
        if kind == "Fail":
            raise StateFailure(state["Error"], state["Cause"])
        return fill(state["Parameters"], at.data, at.context) if "Parameters" in state else at.data

    def _task(self, state: Mapping[str, Any], at: _At) -> Any:
        parameters = fill(state["Parameters"], at.data, at.context)
        if state["Resource"] == SUBMIT_JOB:
            return run_job(parameters, self._compute, self._until)
        result = {"Body": self._read_object(parameters["Bucket"], parameters["Key"])}
        if len(json.dumps(result)) > LARGEST_DATA:
            raise StateFailure(
                "States.DataLimitExceeded", f"an object of more than {LARGEST_DATA} bytes was read"
            )
        return result

    def _map(self, name: str, state: Mapping[str, Any], at: _At) -> list[Any]:
        items = self._items(name, state, at)
        processor = state["ItemProcessor"]
        is_inline = processor["ProcessorConfig"]["Mode"] == "INLINE"

        def walk(scope: _Scope, index: int) -> Any:
            # An execution of its own has another name.
            execution = at.context["Execution"] if is_inline else {"Name": f"item-{index}"}
            around = {**at.context, "Map": {"Item": {"Index": index, "Value": items[index]}}}
            data = fill(state["ItemSelector"], at.data, around)
            return self._graph(processor, _At(data, {**around, "Execution": execution}, scope))

        # A queue of Batch would have no room for any number of items of a distributed map either.
        most = min(state.get("MaxConcurrency", MOST_INLINE_BRANCHES), MOST_INLINE_BRANCHES)
        try:
            return self._together(walk, len(items), most, at)
        except StateFailure as failure:
            if is_inline or failure.error in _NEVER_CAUGHT_BY_ALL:
                raise
            raise StateFailure("States.ExceedToleratedFailureThreshold", str(failure)) from failure

    def _items(self, name: str, state: Mapping[str, Any], at: _At) -> list[Any]:
        if "ItemsPath" in state:
            items = look_up(parse_path(state["ItemsPath"]), at.data, at.context)
        else:
            where = fill(state["ItemReader"]["Parameters"], at.data, at.context)
            items = json.loads(self._read_object(where["Bucket"], where["Key"]))
        if not isinstance(items, list):
            raise ConfigurationError(f"the items of '{name}' are no list")
        return items

    def _together(self, job: Callable[[_Scope, int], Any], count: int, most: int, at: _At) -> list[Any]:
        """Do *job* for each number below *count*, *most* at the same time; if one fails, no state begins in the others."""
        scope = _Scope(at.scope)

        def work(index: int) -> Any:
            try:
                scope.check()
                return job(scope, index)
            except BaseException as error:  # noqa: BLE001 - raised again below, in the thread that waits
                scope.end(error)
                return None

        with ThreadPoolExecutor(max_workers=max(1, min(most, count))) as pool:
            results = list(pool.map(work, range(count)))
        if scope.error is not None:
            raise scope.error
        return results


def _first(rules: Any, failure: StateFailure) -> int | None:
    """Return the number of the first rule that is for *failure*."""
    for number, rule in enumerate(rules):
        if any(_is_meant(name, failure.error) for name in rule["ErrorEquals"]):
            return number
    return None


def _is_meant(name: str, error: str) -> bool:
    if error in _NEVER_CAUGHT_BY_ALL:
        return name == error
    return name in ("States.ALL", error) or (name == _TASK_FAILED and error != _TIMED_OUT)


def _chosen(state: Mapping[str, Any], at: _At) -> str:
    for choice in state["Choices"]:
        if _holds(choice, at):
            return str(choice["Next"])
    return str(state["Default"])


def _holds(rule: Mapping[str, Any], at: _At) -> bool:
    if "And" in rule:
        return all(_holds(each, at) for each in rule["And"])
    if "Or" in rule:
        return any(_holds(each, at) for each in rule["Or"])
    path = parse_path(rule["Variable"])
    if "IsPresent" in rule:
        try:
            look_up(path, at.data, at.context)
        except ExpressionError:
            return not rule["IsPresent"]
        return bool(rule["IsPresent"])
    value = look_up(path, at.data, at.context)
    pattern = ".*".join(re.escape(part) for part in rule["StringMatches"].split("*"))
    return isinstance(value, str) and re.fullmatch(pattern, value, re.DOTALL) is not None
