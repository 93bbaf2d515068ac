"""The `depends` of a task: which ends of other tasks let it be called."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from magnus_executor_argo.workflow import Phase

if TYPE_CHECKING:
    from collections.abc import Mapping

RESULTS = {
    "Succeeded": Phase.SUCCEEDED,
    "Failed": Phase.FAILED,
    "Errored": Phase.ERROR,
    "Skipped": Phase.SKIPPED,
    "Omitted": Phase.OMITTED,
}
"""What an expression calls the phases."""

WORDS = frozenset(
    ["and", "contains", "else", "false", "if", "in", "let", "matches", "nil", "not", "or", "true"]
)
"""What no task of an expression can be called: Argo's language of expressions has another use for them."""

_TOKEN = re.compile(r"\s*(\|\||&&|[()]|[A-Za-z0-9][-A-Za-z0-9]*\.[A-Za-z]+)")


class Depends(NamedTuple):
    """A disjunction of conjunctions of disjunctions and so on, as far as parentheses go.

    Attributes:
        operator: `||`, `&&`, or `.` for a single result.
        parts: What it connects.
        task: Of a single result: the task.
        phase: And the phase that it must have.
    """

    operator: str
    parts: tuple[Depends, ...] = ()
    task: str = ""
    phase: Phase = Phase.SUCCEEDED

    def tasks(self) -> frozenset[str]:
        """Return the tasks that are named in it: all must have ended before it is asked."""
        found, waiting = set(), [self]
        while waiting:
            each = waiting.pop()
            found.update([each.task] if each.task else [])
            waiting.extend(each.parts)
        return frozenset(found)

    def holds(self, phases: Mapping[str, Phase]) -> bool:
        """Whether the task is called, now that those have *phases*."""
        if self.operator == ".":
            return phases[self.task] is self.phase
        held = (part.holds(phases) for part in self.parts)
        return any(held) if self.operator == "||" else all(held)


def read_depends(text: str) -> Depends:
    """Return the expression that *text* is.

    Raises:
        ValueError: It is none, or more than we render: says what.
    """
    tokens, end = [], 0
    while text[end:].strip():
        match = _TOKEN.match(text, end)
        if match is None:
            message = (
                f"{text[end:].strip()!r} cannot be read: expected are TASK.RESULT, '&&', '||' and parentheses"
            )
            raise ValueError(message)
        tokens.append(match[1])
        end = match.end()
    tokens.reverse()
    found = _either(tokens)
    if tokens:
        message = f"{tokens[-1]!r} stands where '&&', '||' or the end is expected"
        raise ValueError(message)
    return found


def _either(tokens: list[str]) -> Depends:
    parts = [_all(tokens)]
    while tokens and tokens[-1] == "||":
        tokens.pop()
        parts.append(_all(tokens))
    return parts[0] if len(parts) == 1 else Depends("||", tuple(parts))


def _all(tokens: list[str]) -> Depends:
    parts = [_one(tokens)]
    while tokens and tokens[-1] == "&&":
        tokens.pop()
        parts.append(_one(tokens))
    return parts[0] if len(parts) == 1 else Depends("&&", tuple(parts))


def _one(tokens: list[str]) -> Depends:
    token = tokens.pop() if tokens else ""
    if token == "(":  # noqa: S105 - a parenthesis
        inner = _either(tokens)
        if not tokens or tokens.pop() != ")":
            message = "a parenthesis is not closed"
            raise ValueError(message)
        return inner
    task, _, result = token.partition(".")
    if not result:
        message = (
            f"{token!r} stands where TASK.RESULT is expected"
            if token
            else "it ends where TASK.RESULT is expected"
        )
        raise ValueError(message)
    if task in WORDS:
        message = f"{token!r} begins with a word of the language, and names no task"
        raise ValueError(message)
    if result not in RESULTS:
        message = f"{token!r} asks for a result that is not interpreted; known are {', '.join(RESULTS)}"
        raise ValueError(message)
    return Depends(".", task=task, phase=RESULTS[result])
