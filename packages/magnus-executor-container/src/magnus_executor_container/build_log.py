"""What the engine says while it builds an image."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_LINES_IN_MESSAGE = 10


class BuildLog:
    """Takes what the engine says, one JSON object after another.

    Attributes:
        image_id: What was built; empty until that is said.
        error: Why nothing was; empty unless that is said.
    """

    def __init__(self, report: Callable[[str], None]) -> None:
        """Hand on each line to *report*."""
        self.image_id = ""
        self.error = ""
        self._report = report
        self._instruction = ""
        self._last: deque[str] = deque(maxlen=_LINES_IN_MESSAGE)
        self._rest = ""

    def add(self, message: Mapping[str, Any]) -> None:
        """Take what the engine says next; a line may come in pieces."""
        if "error" in message:
            self._end_line()
            self.error = str(message["error"]).strip()
        elif "aux" in message:
            self.image_id = message["aux"].get("ID", self.image_id)
        elif "stream" in message:
            *lines, self._rest = (self._rest + message["stream"]).split("\n")
            for line in lines:
                self._line(line)
        elif "status" in message and "progressDetail" not in message:  # not the bars of a download
            self._line(" ".join(filter(None, (message.get("id"), message["status"]))))

    def failure(self, reason: str) -> str:
        """Return the message for a Dockerfile that failed for *reason*."""
        place = f" at '{self._instruction}'" if self._instruction else ""
        said = "".join(f"\n  {line}" for line in self._last)
        return f"the Dockerfile fails{place}: {reason}; mend it and build again" + (
            f"; the last lines were:{said}" if said else ""
        )

    def _end_line(self) -> None:
        if self._rest:
            self._line(self._rest)
        self._rest = ""

    def _line(self, line: str) -> None:
        line = line.rstrip("\r")
        if not line.strip():
            return
        self._report(line)
        if line.startswith("Step "):
            self._instruction = line
            self._last.clear()
        elif not line.startswith((" ---> ", "Removing intermediate container ")):
            self._last.append(line)
