"""Tasks that are notebooks."""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from magnus.domain.names import encode_map_value, shortened
from magnus.ports.task_type import TaskFailedError, TaskResult, TaskType

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from magnus.domain.jobs import MapVariable
    from magnus.ports.task_type import TaskContext

SUFFIX = ".ipynb"
INJECTED_TAG = "injected-parameters"
_LONGEST_IN_CELL = 4096
_LONGEST_NAME = 200
_TERMINAL_CODES = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True, slots=True)
class NotebookOptions:
    """What `command_config` of a notebook task may hold.

    Attributes:
        notebook_output_path: Where the executed notebook is written; by default `<name>_out.ipynb` beside the notebook, or
            `<name>_<step>_out.ipynb` where several steps of the graph execute it. Inside a map the item goes before the
            ending, so that items do not overwrite each other's; in the catalog each item has names of its own.
        kernel: The Jupyter kernel; by default the one that the notebook names.
        timeout: The most seconds that one cell may take; by default there is no limit.
    """

    notebook_output_path: str | None = None
    kernel: str | None = None
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class CellFailure:
    """The error that ended a notebook.

    Attributes:
        number: Of the cell in the executed notebook, counted from 1.
        name: Of the exception's class.
        text: Of the exception.
    """

    number: int
    name: str
    text: str


class NotebookTask(TaskType):
    """Executes a notebook in a kernel of its own, started in the working directory.

    In a Python notebook the parameters are set by a cell that is put after the one tagged `parameters`, or first. The
    functions of magnus work in the cells. What cells print is printed by the step as well. The executed notebook is
    written and kept in the catalog whether the step succeeds or not, with secrets hidden.
    """

    Options: ClassVar[type[Any]] = NotebookOptions

    def find_problem(self, command: str) -> str | None:
        """Return what is wrong with the path; whether the file is there is known when the step runs."""
        if not command.strip().endswith(SUFFIX) or "\0" in command:
            return f"'{command}' is not the path of a notebook; it ends in {SUFFIX}"
        return None

    def config_of_shared(
        self, command: str, command_config: Mapping[str, Any], step_name: str
    ) -> Mapping[str, Any]:
        """Name the executed notebook after the step as well, unless it was given a path."""
        if command_config.get("notebook_output_path"):
            return command_config
        path = Path(command.strip())
        step = shortened(step_name.replace("/", "_"))
        return {
            **command_config,
            "notebook_output_path": str(path.with_name(f"{path.stem}_{step}_out{SUFFIX}")),
        }

    def run(self, command: str, options: Any, context: TaskContext) -> TaskResult:
        """Execute the notebook.

        Raises:
            TaskFailedError: It cannot be read, what executes it is not installed, or a cell failed.
        """
        path = Path(command.strip())
        text = _read(path)
        try:
            from magnus.builtin.task_types.notebook_client import execute, parse, render
        except ImportError as error:
            message = f"notebooks need an extra ({error}): pip install 'magnus-core[notebook]'"
            raise TaskFailedError(message) from error
        notebook = parse(text, path)
        environment, _ = context.child_environment()
        # Python complains about its own debugger in a kernel; nobody debugs here.
        environment.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
        cell = parameters_cell(context)
        target = output_path(path, options.notebook_output_path, context.map_variable)
        failure: CellFailure | None = None
        try:
            failure = execute(notebook, options, cell, environment)
        finally:
            # In the catalog the item's own name space tells it from that of other items.
            name = output_path(path, options.notebook_output_path, ()).name
            _keep(render(masked(notebook, context)), target, name, context)
        if failure is not None and not _is_success(failure):
            message = f"cell {failure.number} of {target} failed: {failure.name}: {failure.text}".rstrip(": ")
            raise TaskFailedError(context.mask(plain_text(message)), _exit_code(failure))
        context.collect_child_outputs()
        return TaskResult()


def output_path(notebook: Path, wanted: str | None, map_variable: MapVariable) -> Path:
    """Return where the executed notebook goes."""
    target = Path(wanted) if wanted else notebook.with_name(f"{notebook.stem}_out{SUFFIX}")
    if not map_variable:
        return target
    items = "_".join(encode_map_value(value) for _, value in map_variable)
    if len(items.encode()) > _LONGEST_NAME:
        from hashlib import sha256

        items = sha256(items.encode()).hexdigest()[:32]
    stem = target.stem.removesuffix("_out")
    ending = "_out" if stem != target.stem else ""
    return target.with_name(f"{stem}_{items}{ending}{target.suffix}")


def parameters_cell(context: TaskContext) -> str:
    """Return Python code that sets the parameters, as values of their own types; large ones are fetched by it."""
    lines = ["# Parameters"]
    fetched = []
    for name in sorted(context.parameter_names):
        if not name.isidentifier() or keyword.iskeyword(name):
            continue  # found with magnus.get_parameter
        literal = repr(context.get_parameter(name))
        if len(literal) > _LONGEST_IN_CELL:
            fetched.append(f"{name} = get_parameter({name!r})")
        else:
            lines.append(f"{name} = {literal}")
    if fetched:
        lines += ["from magnus import get_parameter", *fetched]
    return "\n".join(lines)


def masked(value: Any, context: TaskContext) -> Any:
    """Return a JSON value with the secrets in all its texts hidden."""
    if isinstance(value, str):
        return context.mask(value)
    if isinstance(value, dict):
        return {key: masked(item, context) for key, item in value.items()}
    if isinstance(value, list):
        # Texts of several lines are lists in a notebook file; a secret may go over the end of a line.
        if value and all(isinstance(item, str) for item in value):
            return context.mask("".join(value)).splitlines(keepends=True)
        return [masked(item, context) for item in value]
    return value


def plain_text(text: str) -> str:
    """Return *text* without the colours that a kernel puts in."""
    return _TERMINAL_CODES.sub("", text)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        near = _similar(path.name, path.parent)
        hint = f"; did you mean '{near}'?" if near else ""
        message = f"no notebook '{path}' in the working directory {Path.cwd()}{hint}"
        raise TaskFailedError(message) from None
    except (OSError, UnicodeDecodeError) as error:
        message = f"the notebook '{path}' cannot be read: {error}"
        raise TaskFailedError(message) from error


def _similar(name: str, folder: Path) -> str | None:
    from difflib import get_close_matches

    names: Iterable[str] = (item.name for item in folder.glob(f"*{SUFFIX}")) if folder.is_dir() else ()
    return next(iter(get_close_matches(name, list(names), n=1)), None)


def _keep(text: str, target: Path, name: str, context: TaskContext) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.part")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(target)
    context.keep_file(target, name)


def _is_success(failure: CellFailure) -> bool:
    return failure.name == "SystemExit" and failure.text in ("", "0", "None")


def _exit_code(failure: CellFailure) -> int | None:
    if failure.name != "SystemExit":
        return None
    return int(failure.text) if failure.text.isdigit() else 1
