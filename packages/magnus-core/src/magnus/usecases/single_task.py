"""Runs one notebook, or one function, as a run of its own: a dag of one task, made in memory."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, NamedTuple

from magnus.definition.config import load_config
from magnus.definition.pipeline import build_graph
from magnus.domain.run_log import Status
from magnus.plugins.discovery import find_plugins
from magnus.plugins.manager import AdapterManager
from magnus.usecases.execute import execute_pipeline
from magnus.usecases.inside_run import Part, inside_run
from magnus.usecases.node_address import find_node
from magnus.usecases.single_node import run_node

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus.domain.graph import Graph
    from magnus.engine.reporting import Reporter
    from magnus.engine.terminal import Terminal
    from magnus.usecases.node_address import Address
    from magnus.usecases.outcome import Outcome, Request

_NOTEBOOK = ".ipynb"
_ENDS = ("success", "fail")
_NOT_IN_NAMES = re.compile(r"[.%\x00-\x1f\x7f]")


class SingleTask(NamedTuple):
    """The work of the run's one step.

    Attributes:
        command: The path of a notebook, or the dotted name of a function.
        command_type: `notebook` or `python`.
        compute_data_folder: Where its files are; None for what the catalog's configuration says.
        put: Globs of the files to keep in the catalog.
    """

    command: str
    command_type: str
    compute_data_folder: str | None = None
    put: tuple[str, ...] = ()

    @property
    def step_name(self) -> str:
        """The name of the step: that of the notebook or function, as far as it can name a step."""
        path = self.command.strip()
        last = PurePath(path).stem if self.command_type == "notebook" else path.rpartition(".")[2]
        name = _NOT_IN_NAMES.sub("_", last).strip() or self.command_type
        return f"{name}_" if name in _ENDS else name

    def dag(self) -> dict[str, Any]:
        """Return the `dag` block."""
        success, fail = _ENDS
        step: dict[str, Any] = {
            "type": "task",
            "command": self.command,
            "command_type": self.command_type,
            "next": success,
        }
        catalog: dict[str, Any] = {"put": list(self.put)} if self.put else {}
        if self.compute_data_folder is not None:
            catalog["compute_data_folder"] = self.compute_data_folder
        if catalog:
            step["catalog"] = catalog
        return {
            "start_at": self.step_name,
            "steps": {self.step_name: step, success: {"type": "success"}, fail: {"type": "fail"}},
        }


def task_of(name: str, compute_data_folder: str | None, put: tuple[str, ...]) -> SingleTask:
    """Return the work that *name* stands for: a notebook by its ending, else a function."""
    command_type = "notebook" if name.strip().endswith(_NOTEBOOK) else "python"
    return SingleTask(name, command_type, compute_data_folder, put)


def execute_task(
    task: SingleTask, request: Request, environ: Mapping[str, str], terminal: Terminal, reporter: Reporter
) -> Outcome:
    """Run *task* as the only step of a run; raises like `magnus.usecases.execute.execute`."""
    adapters = AdapterManager(find_plugins())
    graph = build_graph(task.dag(), adapters=adapters)
    config = load_config(request.config_file, environ=environ, adapters=adapters)
    return execute_pipeline(graph, config, adapters, request, environ, terminal, reporter)


def execute_task_inside(
    task: SingleTask, part: Part, environ: Mapping[str, str], terminal: Terminal, reporter: Reporter
) -> Status:
    """Run one attempt of *task* where an executor has sent it; a run that begins here is closed here, too.

    Raises:
        MagnusError: Something in the input is wrong, a service failed, or the attempt was interrupted.
    """
    part = part._replace(name=task.step_name, dag=task.dag())

    def find(graph: Graph) -> Address:
        return find_node(graph, part.name)

    with inside_run(part, environ, terminal, reporter, find) as inside:
        status = run_node(inside, find(inside.graph))
        if inside.has_begun:
            run_node(inside, find_node(inside.graph, _ENDS[status is Status.FAIL]))
        return status
