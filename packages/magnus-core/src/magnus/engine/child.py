"""The way between a step and the child processes of its task: an environment one way, a file of lines the other.

A child finds small parameters in its environment, all of them in a file, and leaves parameters and metrics as lines of
another file. The functions of the interaction API (see `magnus.engine.child_session`) use the same files.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magnus.domain.left_processes import RUN_VARIABLE
from magnus.domain.parameters import from_text, to_text
from magnus.domain.run_log import DataCatalog
from magnus.engine.temporary import make_folder
from magnus.ports.experiment_tracker import Metric
from magnus.ports.task_type import TaskFailedError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from magnus.domain.parameters import Values
    from magnus.engine.current import StepSession

PARAMETER_PREFIX = "MAGNUS_PRM_"
METRIC_PREFIX = "MAGNUS_TRACK_"
STEP_CONTEXT = "MAGNUS_STEP_CONTEXT"
"""Names the file from which the interaction API in a child process learns where it is."""

STEP_VARIABLE = "MAGNUS_STEP_NAME"
"""Names, in the environment of a step, the step."""

SET_VARIABLES = "set_variables"
"""Key of the context, for the digests of the parameters that the step has put into the environment."""

LARGEST_VALUE = 64 * 1024
"""Bytes; a parameter whose text is longer is in the parameters file only."""

LARGEST_TOTAL = 256 * 1024
"""Bytes; what all parameters in an environment may take, since a process cannot be started with too large a one."""

OUTPUTS = "outputs"
"""The name of the file in which child processes leave parameters, metrics and the names of secrets."""

_RESERVED = "MAGNUS_"
_SET = "MAGNUS_SET"
_METRIC = "MAGNUS_METRIC"
_SECRET = "MAGNUS_SECRET"  # noqa: S105 - the key of a line that holds a secret's name
_CATALOG = "MAGNUS_CATALOG"
_STRUCTURED = ('"', "[", "{")


@dataclass(slots=True)
class ChildOutputs:
    """What a child process left.

    Attributes:
        parameters: What it set.
        metrics: What it tracked.
        data_catalog: The files that it brought from the catalog or put there.
    """

    parameters: dict[str, Any] = field(default_factory=dict)
    metrics: list[Metric] = field(default_factory=list)
    data_catalog: list[DataCatalog] = field(default_factory=list)


class SecretNames:
    """The names of the secrets that child processes ask for, read as they are left in the file of outputs."""

    def __init__(self, outputs_file: str | Path) -> None:
        """Read *outputs_file* from its beginning; it need not be there yet."""
        self._path = os.fspath(outputs_file)
        self._searched = 0
        self._lock = threading.Lock()

    def tell_new(self, learn: Callable[[str], None]) -> None:
        """Call *learn* with the name of each secret that a child asked for since the last call.

        Any thread may call it; while one learns, others wait, so that none continues without the new secrets.
        """
        with self._lock:
            for name in self._new_names():
                learn(name)

    def _new_names(self) -> list[str]:
        try:
            if os.stat(self._path).st_size == self._searched:  # noqa: PTH116 - for each piece of output
                return []
            with open(self._path, "rb") as file:  # noqa: PTH123
                file.seek(self._searched)
                data = file.read()
        except OSError:
            return []  # no child was started, or the step has ended
        complete = data.rfind(b"\n") + 1
        self._searched += complete
        mark = f"{_SECRET}=".encode()
        return [
            json.loads(line[len(mark) :]) for line in data[:complete].split(b"\n") if line.startswith(mark)
        ]


class ChildBridge:
    """The files through which one step and its child processes talk, in a folder that only this user can read."""

    def __init__(
        self,
        session: StepSession,
        configuration: Mapping[str, Any],
        folder: Path | None = None,
        working_directory: str | None = None,
    ) -> None:
        """Make the files.

        Args:
            session: The step.
            configuration: The blocks from which the interaction API in a child opens services; holds no secret that
                was handed out, but may hold credentials of the services themselves.
            folder: Folder for the files, which only this user can read; None for a new one.
            working_directory: Folder that relative paths of *configuration* start from; None for the current one.
        """
        self._session = session
        self._configuration = configuration
        self._working_directory = working_directory
        self._folder = Path(make_folder("magnus-child-", session.run_id)) if folder is None else folder
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._outputs_file = self._folder / OUTPUTS
        self._outputs_file.touch(mode=0o600)
        self._taken = 0
        self.secret_names = SecretNames(self._outputs_file)

    def environment(self, parameters: Values) -> tuple[dict[str, str], Path]:
        """Return the whole environment for a child that starts now, and the file in which it leaves what it sets."""
        session = self._session
        parameters_file = self._folder / "parameters.json"
        entries = ",".join(f"{json.dumps(name)}:{value.text}" for name, value in parameters.items())
        _write_privately(parameters_file, f"{{{entries}}}")
        context = {
            "run_id": session.run_id,
            "tag": session.tag,
            "step_name": session.step_name,
            "scopes": session.scopes,
            "staging": session.staging_token,
            "map_variable": session.map_variable,
            "compute_data_folder": str(session.compute_data_folder.absolute()),
            "working_directory": self._working_directory or str(Path.cwd()),
            "parameters_file": str(parameters_file),
            "outputs_file": str(self._outputs_file),
            "configuration": self._configuration,
        }
        environment = child_environment(parameters, session.run_id, session.tag, dict(session.map_variable))
        environment["MAGNUS_PARAMETERS_FILE"] = str(parameters_file)
        environment["MAGNUS_OUTPUT_PARAMETERS"] = str(self._outputs_file)
        environment[STEP_VARIABLE] = session.step_name
        context[SET_VARIABLES] = digests_of_parameters(environment)
        context_file = self._folder / "context.json"
        _write_privately(context_file, json.dumps(context, default=str))
        environment[STEP_CONTEXT] = str(context_file)
        return environment, self._outputs_file

    def read_outputs(self) -> ChildOutputs:
        """Return what was left since the last call.

        Raises:
            TaskFailedError: A line cannot be read; the message gives its number.
        """
        try:
            data = self._outputs_file.read_bytes()
        except FileNotFoundError:  # the task has cleaned up the temporary folder
            return ChildOutputs()
        first_line = data.count(b"\n", 0, self._taken) + 1
        outputs = parse_outputs(data[self._taken :], first_line)
        self._taken = len(data)
        return outputs

    def close(self) -> None:
        """Remove the folder; children that still run lose what they set."""
        shutil.rmtree(self._folder, ignore_errors=True)


def child_environment(
    parameters: Values,
    run_id: str,
    tag: str,
    map_variable: Mapping[str, Any],
    environ: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """Return *environ* (by default that of this process) with the run and its small parameters.

    Nothing that *environ* itself holds of another run or step is handed on.
    """
    inherited = os.environ if environ is None else environ
    ours = (
        RUN_VARIABLE,
        "MAGNUS_RUN_TAG",
        "MAGNUS_PARAMETERS_FILE",
        "MAGNUS_OUTPUT_PARAMETERS",
        STEP_CONTEXT,
        STEP_VARIABLE,
    )
    environment = {
        name: value
        for name, value in inherited.items()
        if not name.startswith((PARAMETER_PREFIX, METRIC_PREFIX)) and name not in ours
    }
    environment.update(_small(parameters))
    environment[RUN_VARIABLE] = run_id
    environment["MAGNUS_RUN_TAG"] = tag
    if map_variable:
        text = json.dumps(map_variable, separators=(",", ":"))
        if len(text) <= LARGEST_VALUE:
            environment[f"{PARAMETER_PREFIX}MAP_VARIABLE"] = text
    return environment


def digests_of_parameters(environment: Mapping[str, str]) -> dict[str, str]:
    """Return a digest of every parameter in *environment*: a run inside the step tells by it which ones its caller has set."""
    return {
        name: sha256(value.encode(errors="surrogatepass")).hexdigest()
        for name, value in environment.items()
        if name.startswith(PARAMETER_PREFIX)
    }


def _write_privately(path: Path, text: str) -> None:
    """Write a file that only this user can read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="surrogatepass") as file:
        file.write(text)


def parse_outputs(data: bytes, first_line: int = 1) -> ChildOutputs:
    """Read the lines that a child process wrote.

    A line is `name=value` for a parameter or `MAGNUS_TRACK_name=value` for a metric. A value is JSON; one that does not
    begin like a JSON string, list or object may be a plain string. A later line for the same name wins.

    Args:
        data: The lines, as UTF-8.
        first_line: The number of the first of them.

    Raises:
        TaskFailedError: A line cannot be read; the message gives its number.
    """
    outputs = ChildOutputs()
    for number, raw in enumerate(data.split(b"\n"), first_line):
        try:
            _take_line(raw.decode().strip(), outputs)
        except ValueError as error:
            message = (
                f"line {number} of the file named in MAGNUS_OUTPUT_PARAMETERS cannot be read: {error}; "
                "write one name=json in each line"
            )
            raise TaskFailedError(message) from None
    return outputs


def append_line(path: Path, key: str, value: Any) -> None:
    """Add a line for `parse_outputs` to the file *path*, in one write: lines of several processes stay whole."""
    line = f"{key}={json.dumps(value, separators=(',', ':'), allow_nan=False)}\n".encode()
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
    try:
        view = memoryview(line)
        while view:
            view = view[os.write(descriptor, view) :]
    finally:
        os.close(descriptor)


def append_parameters(path: Path, values: Mapping[str, Any]) -> None:
    """Leave parameters, whatever their names."""
    append_line(path, _SET, dict(values))


def append_metric(path: Path, metric: Metric) -> None:
    """Leave a metric."""
    append_line(path, _METRIC, list(metric))


def append_secret_name(path: Path, name: str) -> None:
    """Say that the secret *name* is about to be handed out, so that the parent hides it in what the child prints."""
    append_line(path, _SECRET, name)


def append_catalog_entry(path: Path, entry: DataCatalog) -> None:
    """Leave the record of a file that was brought from the catalog or put there."""
    append_line(
        path, _CATALOG, [entry.name, entry.data_hash, entry.size, entry.stage, entry.catalog_relative_path]
    )


def _small(parameters: Values) -> dict[str, str]:
    """Return the variables for the parameters that fit, the smallest first."""
    small: dict[str, str] = {}
    room = LARGEST_TOTAL
    for name, value in sorted(parameters.items(), key=lambda item: len(item[1].text)):
        if len(value.text) > LARGEST_VALUE:
            break
        text = _environment_text(value.decode())
        size = len(name) + len(text.encode(errors="surrogateescape"))
        if size > LARGEST_VALUE or size > room:
            continue
        if name and "=" not in name and "\0" not in name and _can_be_encoded(name):
            small[f"{PARAMETER_PREFIX}{name}"] = text
            room -= size
    return small


def _environment_text(value: Any) -> str:
    text = to_text(value)
    # No environment holds a NUL, or half a character.
    return json.dumps(value) if "\0" in text or not _can_be_encoded(text) else text


def _can_be_encoded(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _take_line(line: str, outputs: ChildOutputs) -> None:
    if not line:
        return
    name, equals, text = line.partition("=")
    name = name.strip()
    if not equals or not name:
        # The line itself stays out of the message: cut short, a secret in it could not be recognised.
        message = "it has no name before '='" if equals else "it has no '='"
        raise ValueError(message)
    if name == _SECRET:
        return
    value = _value(text.strip())
    if name == _SET:
        outputs.parameters.update(value)
    elif name == _METRIC:
        outputs.metrics.append(Metric(*value))
    elif name == _CATALOG:
        outputs.data_catalog.append(DataCatalog(*value))
    elif name.startswith(METRIC_PREFIX) and name != METRIC_PREFIX:
        outputs.metrics.append(Metric(name.removeprefix(METRIC_PREFIX), value))
    elif name.startswith(_RESERVED):
        message = f"'{name}' begins with {_RESERVED}, and is none of the names that magnus knows there"
        raise ValueError(message)
    else:
        outputs.parameters[name] = value


def _value(text: str) -> Any:
    if not text.startswith(_STRUCTURED):
        return from_text(text)
    try:
        return json.loads(text)
    except ValueError as error:
        message = f"its value is not JSON ({error})"
        raise ValueError(message) from None
