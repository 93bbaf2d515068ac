"""Reads a state machine strictly: what we do not render is refused by name, with where it stands. Pure."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from magnus.errors import ConfigurationError, Problem
from magnus_executor_stepfunctions.evaluation import ExpressionError, parse, parse_path
from magnus_executor_stepfunctions.limits import LARGEST_DEFINITION, LONGEST_STATE_NAME

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

SUBMIT_JOB = "arn:aws:states:::batch:submitJob.sync"
GET_OBJECT = "arn:aws:states:::aws-sdk:s3:getObject"
READ_OBJECT = "arn:aws:states:::s3:getObject"

_MOST_LEVELS = 300
_RESULT_PATH = re.compile(r"\$(\.\w+)?")


class _Fields(NamedTuple):
    must: frozenset[str]
    may: frozenset[str]


def _fields(must: str, may: str = "") -> _Fields:
    return _Fields(frozenset(must.split()), frozenset(may.split()))


_STATES = {
    "Pass": _fields("Type", "Comment Parameters ResultPath Next End"),
    "Task": _fields(
        "Type Resource Parameters", "Comment ResultSelector ResultPath OutputPath Retry Catch Next End"
    ),
    "Choice": _fields("Type Choices Default", "Comment"),
    "Parallel": _fields("Type Branches", "Comment ResultPath Catch Next End"),
    "Map": _fields(
        "Type ItemSelector ItemProcessor",
        "Comment ItemsPath ItemReader MaxConcurrency ResultPath Catch Next End",
    ),
    "Wait": _fields("Type Seconds", "Comment Next End"),
    "Succeed": _fields("Type", "Comment"),
    "Fail": _fields("Type Error Cause", "Comment"),
}
_MACHINE = _fields("StartAt States TimeoutSeconds", "Comment")
_BRANCH = _fields("StartAt States")
_PROCESSOR = _fields("StartAt States ProcessorConfig")
_RETRIER = _fields("ErrorEquals MaxAttempts IntervalSeconds BackoffRate", "MaxDelaySeconds")
_CATCHER = _fields("ErrorEquals Next ResultPath")
_JOB = _fields("JobName JobQueue JobDefinition ContainerOverrides", "RetryStrategy Timeout Tags")
_OVERRIDES = _fields("Command.$", "Environment ResourceRequirements")
_OBJECT = _fields("Bucket Key.$")
_READER = _fields("Resource ReaderConfig Parameters")
_TERMINAL = ("Succeed", "Fail", "Choice")


def read_machine(text: str, path: str) -> dict[str, Any]:
    """Return the state machine.

    Raises:
        ConfigurationError: It is not right, or holds what is not interpreted; tells all that was found.
    """
    if len(text.encode()) > LARGEST_DEFINITION:
        raise ConfigurationError(f"{path}: a state machine has {LARGEST_DEFINITION} bytes at most")
    try:
        machine = json.loads(text, object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path}: it is no JSON that can be read: {error}") from error
    if _is_deep(machine):
        raise ConfigurationError(
            f"{path}: it nests deeper than {_MOST_LEVELS} levels, and no machine that was rendered does"
        )
    reader = _Reader(path)
    reader.machine(machine)
    if reader.problems:
        raise ConfigurationError(reader.problems)
    found: dict[str, Any] = machine
    return found


def _is_deep(value: Any) -> bool:
    """Whether *value* nests so deeply that what looks at it by recursion could not."""
    level = [value]
    for _ in range(_MOST_LEVELS):
        inside: list[Any] = []
        for each in level:
            if isinstance(each, dict):
                inside += each.values()
            elif isinstance(each, list):
                inside += each
        level = inside
    return bool(level)


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        double = next(name for name in names if names.count(name) > 1)
        message = f"{double!r} stands twice in one object"
        raise ValueError(message)
    return found


class _Reader:
    """Looks at everything, and notes what is wrong."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._names: set[str] = set()
        self.problems: list[Problem] = []

    def machine(self, machine: Any) -> None:
        """Check a whole file."""
        if self._object(machine, _MACHINE, "") and not _is_count(machine["TimeoutSeconds"]):
            self._note("TimeoutSeconds", "is a whole number above 0")
        waiting = [("", machine)]
        while waiting:
            where, graph = waiting.pop()
            waiting += self._graph(graph, where)

    def _note(self, where: str, what: str) -> None:
        self.problems.append(Problem(f"{self._path}: {where or 'the machine'} {what}"))

    def _object(self, value: Any, fields: _Fields, where: str) -> bool:
        """Check which fields there are; tell whether it can be looked at further."""
        if not isinstance(value, dict):
            self._note(where, "is no object")
            return False
        for name in value:
            if name not in fields.must and name not in fields.may:
                self._note(f"{where}.{name}".lstrip("."), "is not interpreted")
        missing = [name for name in sorted(fields.must) if name not in value]
        if missing:
            self._note(where, f"lacks {', '.join(missing)}")
        return not missing

    def _graph(self, graph: Any, where: str) -> Iterator[tuple[str, Any]]:
        """Check one graph, and yield those inside it."""
        if not isinstance(graph, dict) or not isinstance(graph.get("States"), dict) or "StartAt" not in graph:
            return
        states = graph["States"]
        inside = f"{where}.States".lstrip(".")
        named = [graph["StartAt"]]
        for name, state in states.items():
            place = f"{inside}.{name}"
            if name in self._names:
                self._note(place, "has a name that another state has")
            self._names.add(name)
            if len(name) > LONGEST_STATE_NAME:
                self._note(place, f"has a name of more than {LONGEST_STATE_NAME} characters")
            named += self._state(state, place)
            if isinstance(state, dict):
                yield from self._inside(state, place)
        for name in named:
            if name not in states:
                self._note(inside, f"has no state {name!r}, which another leads to")
        for name in states:
            if name not in named:
                self._note(f"{inside}.{name}", "is never reached")

    def _inside(self, state: dict[str, Any], place: str) -> Iterator[tuple[str, Any]]:
        branches = state.get("Branches", ())
        if not isinstance(branches, list | tuple):
            self._note(f"{place}.Branches", "is no list")
            return
        for number, branch in enumerate(branches):
            if self._object(branch, _BRANCH, f"{place}.Branches[{number}]"):
                yield f"{place}.Branches[{number}]", branch
        if "ItemProcessor" in state:
            where = f"{place}.ItemProcessor"
            if self._object(state["ItemProcessor"], _PROCESSOR, where):
                yield where, state["ItemProcessor"]

    def _state(self, state: Any, place: str) -> list[str]:
        """Check a state; return where it leads."""
        kind = state.get("Type") if isinstance(state, dict) else None
        if kind not in _STATES:
            self._note(place, f"is of the type {kind!r}, which is not interpreted")
            return []
        if not self._object(state, _STATES[kind], place):
            return []
        following = self._following(state, place) if kind not in _TERMINAL else []
        for name in ("ResultPath", "OutputPath"):
            self._result_path(state, name, place)
        for number, catcher in enumerate(state.get("Catch", ())):
            if self._object(catcher, _CATCHER, f"{place}.Catch[{number}]"):
                following.append(catcher["Next"])
                self._result_path(catcher, "ResultPath", f"{place}.Catch[{number}]")
        for number, retrier in enumerate(state.get("Retry", ())):
            self._retrier(retrier, f"{place}.Retry[{number}]")
        check = getattr(self, f"_{kind.lower()}", None)
        return following + (check(state, place) or [] if check else [])

    def _following(self, state: dict[str, Any], place: str) -> list[str]:
        if ("Next" in state) == (state.get("End") is True):
            self._note(place, "has either Next, or End with true")
        return [state["Next"]] if "Next" in state else []

    def _result_path(self, state: dict[str, Any], name: str, place: str) -> None:
        value = state.get(name)
        if value is not None and (name == "OutputPath" or not _RESULT_PATH.fullmatch(str(value))):
            self._note(f"{place}.{name}", f"is {value!r}, which is not interpreted")

    def _retrier(self, retrier: Any, where: str) -> None:
        if not self._object(retrier, _RETRIER, where):
            return
        for name in ("MaxAttempts", "IntervalSeconds", "MaxDelaySeconds"):
            if name in retrier and not _is_count(retrier[name]):
                self._note(f"{where}.{name}", "is a whole number above 0")
        rate = retrier["BackoffRate"]
        if not isinstance(rate, int | float) or rate < 1:
            self._note(f"{where}.BackoffRate", "is a number, at least 1")
        if retrier.get("MaxDelaySeconds", retrier["IntervalSeconds"] + 1) <= retrier["IntervalSeconds"]:
            self._note(f"{where}.MaxDelaySeconds", "is above IntervalSeconds")

    def _template(self, template: Any, where: str) -> None:
        """Check the expressions of a payload template."""
        waiting = [(where, template)]
        while waiting:
            place, value = waiting.pop()
            if isinstance(value, list):
                waiting += [(f"{place}[{number}]", each) for number, each in enumerate(value)]
            if not isinstance(value, dict):
                continue
            for name, each in value.items():
                if not name.endswith(".$"):
                    waiting.append((f"{place}.{name}", each))
                    continue
                try:
                    parse(each if isinstance(each, str) else repr(each))
                except ExpressionError as error:
                    self._note(f"{place}.{name}", f"cannot be interpreted: {error}")

    def _pass(self, state: dict[str, Any], place: str) -> None:
        self._template(state.get("Parameters"), f"{place}.Parameters")

    def _wait(self, state: dict[str, Any], place: str) -> None:
        if not _is_count(state["Seconds"]):
            self._note(f"{place}.Seconds", "is a whole number above 0")

    def _task(self, state: dict[str, Any], place: str) -> None:
        parameters = state["Parameters"]
        where = f"{place}.Parameters"
        if state["Resource"] == GET_OBJECT:
            self._object(parameters, _OBJECT, where)
        elif state["Resource"] == SUBMIT_JOB:
            self._job(parameters, where)
        else:
            self._note(f"{place}.Resource", f"is {state['Resource']!r}, which is not interpreted")
        self._template(parameters, where)
        self._template(state.get("ResultSelector"), f"{place}.ResultSelector")

    def _job(self, job: Any, where: str) -> None:
        if not self._object(job, _JOB, where):
            return
        if not self._object(job["ContainerOverrides"], _OVERRIDES, f"{where}.ContainerOverrides"):
            return
        overrides = job["ContainerOverrides"]
        for name, fields in (
            ("Environment", _fields("Name Value")),
            ("ResourceRequirements", _fields("Type Value")),
        ):
            for number, each in enumerate(overrides.get(name, ())):
                self._object(each, fields, f"{where}.ContainerOverrides.{name}[{number}]")
        strategy = job.get("RetryStrategy", {"Attempts": 1})
        if self._object(strategy, _fields("Attempts", "EvaluateOnExit"), f"{where}.RetryStrategy"):
            self._rules(strategy.get("EvaluateOnExit", []), f"{where}.RetryStrategy.EvaluateOnExit")
        timeout = job.get("Timeout", {"AttemptDurationSeconds": 1})
        self._object(timeout, _fields("AttemptDurationSeconds"), f"{where}.Timeout")

    def _rules(self, rules: Any, where: str) -> None:
        """Check when Batch itself tries again: here no host is ever taken away, so only such rules can be left out."""
        for number, rule in enumerate(rules):
            place = f"{where}[{number}]"
            if rule.get("Action") == "RETRY":
                self._object(rule, _fields("OnStatusReason Action"), place)
            else:
                self._object(rule, _fields("OnReason Action"), place)

    def _choice(self, state: dict[str, Any], place: str) -> list[str]:
        following = [state["Default"]]
        for number, choice in enumerate(state["Choices"]):
            where = f"{place}.Choices[{number}]"
            self._rule(choice, where, {"Next"})
            following += [choice["Next"]] if isinstance(choice, dict) and "Next" in choice else []
        return following

    def _rule(self, rule: Any, where: str, also: Collection[str] = ()) -> None:
        names = set(rule) - set(also) if isinstance(rule, dict) else set()
        if not isinstance(rule, dict) or set(also) - set(rule):
            self._note(where, f"is no rule with {', '.join(also)}")
        elif len(names) == 1 and names <= {"And", "Or"}:
            (name,) = names
            for number, each in enumerate(rule[name]):
                self._rule(each, f"{where}.{name}[{number}]")
        elif names in ({"Variable", "StringMatches"}, {"Variable", "IsPresent"}):
            self._is_path(rule["Variable"], f"{where}.Variable")
        else:
            self._note(where, f"compares by {', '.join(sorted(names))}, which is not interpreted")

    def _is_path(self, value: Any, where: str) -> None:
        try:
            parse_path(value)
        except ExpressionError as error:
            self._note(where, f"cannot be interpreted: {error}")

    def _map(self, state: dict[str, Any], place: str) -> None:
        if ("ItemsPath" in state) == ("ItemReader" in state):
            self._note(place, "has either ItemsPath or ItemReader")
        if "ItemsPath" in state:
            self._is_path(state["ItemsPath"], f"{place}.ItemsPath")
        elif self._object(state["ItemReader"], _READER, f"{place}.ItemReader"):
            reader = state["ItemReader"]
            if reader["Resource"] != READ_OBJECT or reader["ReaderConfig"] != {"InputType": "JSON"}:
                self._note(
                    f"{place}.ItemReader", "reads something else than JSON from S3, which is not interpreted"
                )
            if self._object(reader["Parameters"], _OBJECT, f"{place}.ItemReader.Parameters"):
                self._template(reader["Parameters"], f"{place}.ItemReader.Parameters")
        self._template(state["ItemSelector"], f"{place}.ItemSelector")
        config = (
            state["ItemProcessor"].get("ProcessorConfig")
            if isinstance(state["ItemProcessor"], dict)
            else None
        )
        distributed = {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}
        if config != (distributed if "ItemReader" in state else {"Mode": "INLINE"}):
            self._note(
                f"{place}.ItemProcessor.ProcessorConfig", f"is {config}, which is not interpreted here"
            )
        if "MaxConcurrency" in state and not _is_count(state["MaxConcurrency"]):
            self._note(f"{place}.MaxConcurrency", "is a whole number above 0")


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
