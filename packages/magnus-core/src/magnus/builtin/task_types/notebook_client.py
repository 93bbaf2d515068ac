"""Executes notebooks with nbclient; the only module that imports it."""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import signal
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat.validator import ValidationError, normalize
from traitlets.config import Config

from magnus.builtin.task_types.notebook import INJECTED_TAG, CellFailure, NotebookOptions, plain_text
from magnus.domain.left_processes import RUN_VARIABLE
from magnus.engine.temporary import mark_folder
from magnus.ports.task_type import TaskFailedError

if TYPE_CHECKING:
    from collections.abc import Mapping

_PARAMETERS_TAG = "parameters"
_DEFAULT_KERNEL = "python3"
_ENDING_SECONDS = 10.0


def parse(text: str, path: Path) -> Any:
    """Return the notebook that *text* holds, in the newest version of its format.

    Raises:
        TaskFailedError: It holds none.
    """
    try:
        raw = json.loads(text)
    except ValueError as error:
        message = f"'{path}' is not a notebook: it is not JSON ({error})"
        raise TaskFailedError(message) from None
    if not isinstance(raw, dict) or not isinstance(raw.get("nbformat"), int):
        message = f"'{path}' is not a notebook: it is JSON, but has no 'nbformat'; save it with Jupyter"
        raise TaskFailedError(message)
    try:
        notebook = nbformat.reads(text, as_version=4)  # type: ignore[no-untyped-call]
        notebook = nbformat.v4.upgrade(notebook)  # type: ignore[no-untyped-call]
        _, notebook = normalize(notebook)
        _name_cells(notebook, raw)
        nbformat.validate(notebook)
    except (ValidationError, ValueError, KeyError, AttributeError, TypeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        message = f"'{path}' is not a valid notebook: {reason}; open it in Jupyter and save it again"
        raise TaskFailedError(message) from error
    return notebook


def render(notebook: Any) -> str:
    """Return the text of a notebook file."""
    text: str = nbformat.writes(nbformat.from_dict(notebook))  # type: ignore[no-untyped-call]
    return text


def execute(
    notebook: Any, options: NotebookOptions, cell: str, environment: Mapping[str, str]
) -> CellFailure | None:
    """Execute *notebook* in place.

    Args:
        notebook: As `parse` returned it.
        options: Which kernel, and how long a cell may take.
        cell: The code that sets the parameters.
        environment: The whole environment of the kernel.

    Returns:
        The error of the cell that failed; None if none did.

    Raises:
        TaskFailedError: There is no such kernel, it died, or a cell took too long.
    """
    kernel, is_python = _choose_kernel(notebook, options.kernel)
    if is_python:
        _inject(notebook, cell)
    with tempfile.TemporaryDirectory(prefix="magnus-kernel-", dir=_short_folder()) as folder:
        mark_folder(folder, environment.get(RUN_VARIABLE, ""))
        # Sockets in a folder that only this user can enter: through a port any user of the machine could listen.
        sockets = {"transport": "ipc", "connection_file": f"{folder}/kernel.json"}
        client = _StreamingClient(
            notebook,
            timeout=options.timeout,
            kernel_name=kernel,
            record_timing=False,  # equal runs leave equal notebooks; when they ran is in the run log
            resources={"metadata": {"path": str(Path.cwd())}},
            config=Config(ConnectionFileMixin=sockets),
        )
        execution = _Execution(client, environment)
        try:
            execution.run()
        finally:
            for executed in notebook.cells:
                join_streams(executed)
    return _read_error(notebook, execution.error)


def join_streams(cell: Any) -> None:
    """Join what *cell* printed to one output for each stream: a secret that was printed in two pieces is found.

    nbclient could do so, but takes time that grows with the square of the length of a line.
    """
    outputs = cell.get("outputs")
    if not outputs:
        return
    pieces: dict[str, list[str]] = {}
    joined: list[Any] = []
    for output in outputs:
        if output["output_type"] != "stream":
            joined.append(output)
            continue
        if output["name"] not in pieces:
            joined.append(output)
        pieces.setdefault(output["name"], []).append(output["text"])
    for output in joined:
        if output["output_type"] == "stream":
            output["text"] = _as_shown("".join(pieces[output["name"]]))
    places = [place for place, output in enumerate(joined) if output["output_type"] == "stream"]
    # The two streams arrive in any order: equal runs leave equal notebooks.
    if len(places) == 2 and places[1] == places[0] + 1:  # noqa: PLR2004 - stdout and stderr
        first, second = places
        if joined[first]["name"] == "stderr":
            joined[first], joined[second] = joined[second], joined[first]
    cell["outputs"] = joined


def _as_shown(text: str) -> str:
    """Return *text* as a terminal shows it: what stands before a carriage return within a line was overwritten."""
    if "\r" not in text:
        return text
    lines = text.split("\n")
    return "\n".join(line[line.rfind("\r", 0, len(line) - 1) + 1 :] if line else line for line in lines)


class _Execution:
    """Runs a client in a thread of its own: nbclient takes over the main thread's signal handlers for good."""

    def __init__(self, client: _StreamingClient, environment: Mapping[str, str]) -> None:
        self.error: BaseException | None = None
        self._client = client
        self._environment = dict(environment)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[Any] | None = None

    def run(self) -> None:
        """Wait for the end; if the wait is interrupted, kill the kernel first."""
        thread = threading.Thread(target=self._serve, name="magnus-notebook", daemon=True)
        thread.start()
        try:
            thread.join()
        except BaseException:
            _kill(self._client)
            if self._loop is not None and self._task is not None:
                self._loop.call_soon_threadsafe(self._task.cancel)
            thread.join(_ENDING_SECONDS)
            raise
        finally:
            self._client.forget_cleanup()

    def _serve(self) -> None:
        try:
            asyncio.run(self._execute())
        except BaseException as error:  # noqa: BLE001 - it is handed to the thread that waits
            self.error = error

    async def _execute(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        await self._client.async_execute(env=self._environment)


def _read_error(notebook: Any, error: BaseException | None) -> CellFailure | None:
    if error is None:
        return None
    number = _failed_cell(notebook)
    if isinstance(error, CellExecutionError):
        return CellFailure(number, error.ename, error.evalue)
    if isinstance(error, CellTimeoutError):
        message = "a cell took longer than the 'timeout' in command_config"
        raise TaskFailedError(message) from error
    if isinstance(error, DeadKernelError):
        message = "the kernel died; it may have run out of memory, or a library in it has crashed"
        raise TaskFailedError(message) from error
    raise error


def _failed_cell(notebook: Any) -> int:
    """Return the number of the last cell that holds an error, counted from 1."""
    numbers = [
        number
        for number, cell in enumerate(notebook.cells, 1)
        if any(output.output_type == "error" for output in cell.get("outputs", ()))
    ]
    return numbers[-1] if numbers else 0


def _kill(client: _StreamingClient) -> None:
    """Kill the kernel with all that it has started: it leads a process group."""
    process = getattr(getattr(client.km, "provisioner", None), "process", None)
    if process is not None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _choose_kernel(notebook: Any, wanted: str | None) -> tuple[str, bool]:
    """Return the name of the kernel, and whether it takes Python."""
    metadata = notebook.metadata
    named = wanted or metadata.get("kernelspec", {}).get("name") or _DEFAULT_KERNEL
    language = metadata.get("language_info", {}).get("name") or metadata.get("kernelspec", {}).get("language")
    kernels = KernelSpecManager()
    try:
        return named, kernels.get_kernel_spec(named).language.lower() == "python"
    except NoSuchKernel:
        # A notebook remembers the kernel of the machine it was written on; any Python is the Python of this project.
        if not wanted and (language or "python").lower() == "python":
            return _DEFAULT_KERNEL, True
        known = ", ".join(sorted(kernels.find_kernel_specs())) or "none"
        message = f"no kernel '{named}'; installed: {known}. Name one of them as 'kernel' in command_config"
        raise TaskFailedError(message) from None


def _inject(notebook: Any, source: str) -> None:
    cells = [cell for cell in notebook.cells if INJECTED_TAG not in _tags(cell)]
    after = next((index for index, cell in enumerate(cells, 1) if _PARAMETERS_TAG in _tags(cell)), 0)
    injected = nbformat.v4.new_code_cell(source, id=INJECTED_TAG, metadata={"tags": [INJECTED_TAG]})  # type: ignore[no-untyped-call]
    cells.insert(after, injected)
    notebook.cells = cells


def _name_cells(notebook: Any, raw: Mapping[str, Any]) -> None:
    """Give cells that came without an id one that is the same in every run; the format's own is drawn at random."""
    ids = [cell.get("id") for cell in raw.get("cells", ())]
    for number, cell in enumerate(notebook.cells):
        if number >= len(ids) or not ids[number]:
            cell.id = f"unnamed-{number}"


def _tags(cell: Any) -> list[str]:
    tags: list[str] = cell.metadata.get("tags", [])
    return tags


class _StreamingClient(NotebookClient):
    """Prints what cells print while they run."""

    def forget_cleanup(self) -> None:
        """Take back the clean-up at the end of this process, which would keep the notebook in memory till then."""
        atexit.unregister(self._cleanup_kernel)

    def output(self, outs: list[Any], msg: dict[str, Any], display_id: str | None, cell_index: int) -> Any:
        """Take one output of a cell."""
        if msg["msg_type"] == "stream":
            stream = sys.stderr if msg["content"]["name"] == "stderr" else sys.stdout
            stream.write(msg["content"]["text"])
            stream.flush()
        elif msg["msg_type"] == "error":
            sys.stderr.write(plain_text("\n".join(msg["content"]["traceback"])) + "\n")
            sys.stderr.flush()
        return super().output(outs, msg, display_id, cell_index)


def _short_folder() -> str | None:
    """Return where sockets go: the temporary folder, unless its name is longer than the address of a socket may be."""
    return None if len(tempfile.gettempdir()) <= _LONGEST_FOLDER else "/tmp"  # noqa: S108 - a folder of its own in it


_LONGEST_FOLDER = 60
"""Characters; the address of a socket has 107 on Linux and 103 on macOS, name of the socket included."""
