"""Messages between the engine and its workers, and their framing on a stream socket.

The engine sends pickles: a worker trusts it. A worker answers in JSON, because it runs the user's code: nothing that such a
process sends may be executed by the engine.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from magnus.domain.jobs import MapVariable
    from magnus.domain.nodes import Resources

TERMINATE = b"T"
"""To a guard: ask the worker and all that it has started to end."""

KILL = b"K"
"""To a guard: end them by force."""

LENGTH_BYTES = 8
LONGEST_MESSAGE = 1 << 40
"""Bytes; a larger length is no message of ours."""

encode_json = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
"""ASCII only, so that any text arrives intact. Bound here, since a task may replace `json.dumps`."""

decode_json = json.JSONDecoder().decode


class WorkerSetup(NamedTuple):
    """The facts that hold for every task of one worker.

    Attributes:
        run_id: The run.
        tag: The user's mark.
        folder: Working directory of the tasks, unless a task has its own.
        search_path: `sys.path` of the engine's process.
        environment: Environment of the tasks.
        umask: File mode creation mask of the engine's process.
        child_context: Configuration from which the interaction API in a child process opens services.
        main_module: Name under which a worker imports the script that the engine's process runs; empty for none.
        argv: `sys.argv` of the engine's process.
    """

    run_id: str
    tag: str
    folder: str
    search_path: tuple[str, ...]
    environment: Mapping[str, str]
    umask: int
    child_context: Mapping[str, Any]
    main_module: str = ""
    argv: tuple[str, ...] = ()


class TaskMessage(NamedTuple):
    """One attempt at a task.

    Attributes:
        step_name: Internal name of the step.
        command: The command.
        task_type: `module:Class` of the task type.
        options: Validated `command_config`.
        parameters: JSON text of every parameter.
        map_variable: Items of the maps around the step.
        resources: Resources that the step asks for.
        compute_data_folder: Absolute path of the step's files.
        folder: Working directory of the task.
        scratch: Folder for the files of this attempt; the engine removes it.
        scopes: Branches around the step whose files are their own.
        staging_token: Part of the names under which this attempt stages files.
        got: Names of the files that were brought from the catalog.
        function: The function, pickled by value, where no process can import it; empty otherwise.
        watches_files: True if files of the data folder are noticed that the task opens and has neither got nor made.
    """

    step_name: str
    command: str
    task_type: str
    options: Any
    parameters: Mapping[str, str]
    map_variable: MapVariable
    resources: Resources | None
    compute_data_folder: str
    folder: str
    scratch: str
    scopes: Sequence[str] = ()
    staging_token: str = ""
    got: Sequence[str] = ()
    function: bytes = b""
    watches_files: bool = False


class Inbox:
    """Collects bytes as they arrive, and yields complete messages."""

    def __init__(self) -> None:
        """Begin empty."""
        self._data = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take *data* and yield the messages that are complete now.

        Raises:
            ValueError: The stream holds something that is no message.
        """
        self._data += data
        while len(self._data) >= LENGTH_BYTES:
            length = int.from_bytes(self._data[:LENGTH_BYTES])
            if length > LONGEST_MESSAGE:
                raise ValueError(length)
            end = LENGTH_BYTES + length
            if len(self._data) < end:
                return
            message = bytes(self._data[LENGTH_BYTES:end])
            del self._data[:end]
            yield message


def framed(message: bytes) -> bytes:
    """Return *message* with its length in front."""
    return len(message).to_bytes(LENGTH_BYTES) + message
