"""What the process that traverses tells a process that runs one step elsewhere, and what comes back between its output.

One message goes over on stdin, which neither an image nor the description of a container shows, or through a mailbox where
nobody can speak to the process. Back come lines on stdout behind a mark made for this step alone, so that nothing a task
prints is taken for one; what is secret comes back through the mailbox, where there is one.
"""

from __future__ import annotations

import base64
import json
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from magnus.domain.nothing import NOTHING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus.domain.jobs import MapVariable

CORE_DISTRIBUTION = "magnus-core"

_MARK_BEGINS = "\x1e"
"""What hardly anybody prints, so that output is rarely held back."""


class ForwardedJob(NamedTuple):
    """One attempt at one step.

    Attributes:
        run_id: The run.
        tag: The user's mark.
        step_name: The step's internal name.
        attempt_number: Counted from 1.
        map_variable: The items of the maps around it, outermost first.
        node: The node's own definition, in canonical form.
        scopes: The isolating branches around it, outermost first.
        folder: The folder to work in, for a process of the same machine; empty for the current one.
        is_strict: True if it fails when it opens files that are there by chance.
    """

    run_id: str
    tag: str
    step_name: str
    attempt_number: int
    map_variable: MapVariable
    node: Mapping[str, Any]
    scopes: tuple[str, ...] = ()
    folder: str = ""
    is_strict: bool = False


class Forwarded(NamedTuple):
    """The message.

    Attributes:
        version: Of the magnus that sends it: both sides must be the same.
        mark: What the lines that come back begin with.
        configuration: All blocks, credentials included.
        inside_compute: Whether services look as the integrations say that they do inside the compute.
        is_unattended: Whether nobody watches the process: it ends an attempt that takes too long itself, and does not
            record one that is stopped, because it cannot know whether the run was, or only its host is taken away.
        search_path: `sys.path` of the sender, for a process on the same machine; empty for anywhere else.
        secrets: What must not be shown.
        private_files: Path to content.
        private_environment: Variables.
        endpoints: What must answer, in a rehearsal.
        job: What to run; None for a rehearsal.
    """

    version: str
    mark: str
    configuration: Mapping[str, Any]
    inside_compute: bool
    is_unattended: bool = False
    search_path: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    private_files: Mapping[str, bytes] = NOTHING
    private_environment: Mapping[str, str] = NOTHING
    endpoints: tuple[tuple[str, int], ...] = ()
    job: ForwardedJob | None = None

    def encode(self) -> bytes:
        """Return the bytes that go over: their number in eight bytes, then JSON."""
        files = {path: base64.b64encode(content).decode() for path, content in self.private_files.items()}
        told = {**self._asdict(), "private_files": files, "job": self.job._asdict() if self.job else None}
        body = json.dumps(told, default=dict).encode()
        return len(body).to_bytes(8) + body


def decode(data: bytes) -> Forwarded:
    """Return the message that came over, from its JSON.

    Raises:
        ValueError: It is none.
    """
    try:
        told = json.loads(data)
        job = told["job"]
        if job is not None:
            items = tuple((name, value) for name, value in job["map_variable"])
            job = ForwardedJob(**{**job, "map_variable": items, "scopes": tuple(job["scopes"])})
        files = {path: base64.b64decode(content) for path, content in told["private_files"].items()}
        return Forwarded(
            **{
                **told,
                "search_path": tuple(told["search_path"]),
                "secrets": tuple(told["secrets"]),
                "private_files": files,
                "endpoints": tuple((host, port) for host, port in told["endpoints"]),
                "job": job,
            }
        )
    except (KeyError, TypeError, AttributeError) as error:
        message = f"there is no job of a magnus of this version: {type(error).__name__} {error}"
        raise ValueError(message) from error


@cache
def own_version() -> str:
    """Return the version of this magnus; looked up once, not for every step."""
    from importlib.metadata import version

    return version(CORE_DISTRIBUTION)


class Told(NamedTuple):
    """One line that came back.

    Attributes:
        has_begun: The attempt begins now.
        secrets: What was handed out there.
        refusal: Why nothing was begun.
        has_answer: Something was left in the mailbox.
        is_last: Nothing comes after it.
    """

    has_begun: bool = False
    secrets: tuple[str, ...] = ()
    refusal: str = ""
    has_answer: bool = False
    is_last: bool = False

    def line(self, mark: str) -> bytes:
        """Return the line for the other side."""
        return f"{_MARK_BEGINS}{mark} ".encode() + self.encode() + b"\n"

    def encode(self) -> bytes:
        """Return its bytes, as `read_told` reads them."""
        return json.dumps(self._asdict()).encode()


class LineSorter:
    """Takes stdout apart: lines with the mark, and what the step printed.

    The mark is looked for anywhere, because what was printed before it need not have ended its line.
    """

    def __init__(self, mark: str) -> None:
        """Look for *mark*."""
        self._begin = f"{_MARK_BEGINS}{mark} ".encode()
        self._rest = b""

    def feed(self, data: bytes) -> tuple[bytes, list[Told]]:
        """Return what was printed, and what was told, as far as *data* completes it."""
        data = self._rest + data
        printed: list[bytes] = []
        told: list[Told] = []
        while (start := data.find(self._begin)) >= 0 and (end := data.find(b"\n", start)) >= 0:
            printed.append(data[:start])
            told.append(read_told(data[start + len(self._begin) : end]))
            data = data[end + 1 :]
        if start < 0:
            start = self._possible_begin(data)
        self._rest = data[start:]
        return b"".join((*printed, data[:start])), told

    def flush(self) -> bytes:
        """Return what was held back; a line that was not told to its end is dropped, as it may hold secrets."""
        rest, self._rest = self._rest, b""
        return b"" if rest.startswith(self._begin) else rest

    def _possible_begin(self, data: bytes) -> int:
        """Return where the mark may begin that the next piece goes on with; the end of *data* if nowhere."""
        start = data.rfind(_MARK_BEGINS.encode())
        return start if start >= 0 and self._begin.startswith(data[start:]) else len(data)


def read_told(data: bytes) -> Told:
    """Return what `Told.encode` made *data* of."""
    told = json.loads(data)
    return Told(**{**told, "secrets": tuple(told["secrets"])})
