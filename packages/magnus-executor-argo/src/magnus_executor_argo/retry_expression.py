"""The `expression` of a `retryStrategy`: after which ends of a pod it is made again."""

from __future__ import annotations

import re
from typing import NamedTuple

from magnus_executor_argo.workflow import Phase

_EXIT_CODE = re.compile(r"asInt\(lastRetry\.exitCode\) (==|>) (\d+)")
_STATUS = re.compile(r'lastRetry\.status == "(Failed|Error)"')


class RetryExpression(NamedTuple):
    """Ends that are alternatives.

    Attributes:
        codes: Exit codes.
        above: And all that are larger; None for none.
        statuses: And these phases, whatever the exit code.
    """

    codes: tuple[int, ...] = ()
    above: int | None = None
    statuses: tuple[Phase, ...] = ()

    def holds(self, exit_code: int, status: Phase) -> bool:
        """Whether a pod that ended so is made again."""
        is_above = self.above is not None and exit_code > self.above
        return exit_code in self.codes or is_above or status in self.statuses


def read_retry_expression(text: str) -> RetryExpression:
    """Return the expression that *text* is.

    Raises:
        ValueError: It is none, or more than we render: says what.
    """
    found = RetryExpression()
    for part in text.split(" || "):
        if match := _EXIT_CODE.fullmatch(part):
            number = int(match[2])
            if match[1] == "==":
                found = found._replace(codes=(*found.codes, number))
            else:
                found = found._replace(above=number if found.above is None else min(found.above, number))
        elif match := _STATUS.fullmatch(part):
            found = found._replace(statuses=(*found.statuses, Phase(match[1])))
        else:
            message = (
                f"{part!r} is not interpreted; known are 'asInt(lastRetry.exitCode) == NUMBER', the same with '>', "
                "'lastRetry.status == \"Error\"' and '||' between them"
            )
            raise ValueError(message)
    return found
