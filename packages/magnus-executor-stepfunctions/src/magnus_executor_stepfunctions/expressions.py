"""Commands as expressions of the States Language: what is known only when the run goes on is read from the state's data. Pure.

The data are small: the run's id, where items are put, and inside a map the items as one text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from magnus.domain.render_plan import Token

if TYPE_CHECKING:
    from magnus.domain.render_plan import Command

RUN_ID = "$.run_id"
PLACE = "$.place"
"""The run's id, and the numbers of the items of the maps around: with a node's key it names one fan-out of the run."""
MAP_VARIABLE = "$.map_variable"
ITEMS = "$.items"
FAILURE = "$.failure"

_REASON = (
    "Step Functions could not run a step: its job ended neither with success nor with a failure of the step"
)
_SPECIAL = re.compile(r"([\\'{}])")


class FilledIn(str):
    """An argument that is an expression already."""

    __slots__ = ()


def array(command: Command) -> str:
    """Return *command* as a call of `States.Array`."""
    return f"States.Array({', '.join(_argument(part) for part in command)})"


def filled_in(template: str, *paths: str) -> FilledIn:
    """Return a call of `States.Format`; each `{}` in *template* stands for one of *paths*, nothing else is special."""
    return FilledIn(f"States.Format('{template}', {', '.join(paths)})")


def _argument(part: Any) -> str:
    if isinstance(part, FilledIn):
        return str(part)
    if isinstance(part, Token):
        return {Token.RUN_ID: RUN_ID, Token.MAP_VARIABLE: MAP_VARIABLE, Token.REASON: _quoted(_REASON)}[part]
    return _quoted(part)


def _quoted(text: str) -> str:
    return "'" + _SPECIAL.sub(r"\\\1", text) + "'"


def longest_command(command: Command) -> list[str]:
    """Return *command* as it can be at most, the items of maps left out: a run's id is as long as an execution's name."""
    from magnus_executor_stepfunctions.limits import LONGEST_EXECUTION_NAME

    lengths = {Token.RUN_ID: "x" * LONGEST_EXECUTION_NAME, Token.MAP_VARIABLE: "", Token.REASON: _REASON}
    return [lengths[part] if isinstance(part, Token) else str(part) for part in command]
