"""The port for types of tasks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol

from magnus.domain.nothing import NOTHING
from magnus.ports.service import NoOptions

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from magnus.domain.jobs import MapVariable
    from magnus.domain.nodes import Resources
    from magnus.ports.experiment_tracker import Metric


class TaskContext(Protocol):
    """What the core lends a task while it runs."""

    @property
    def run_id(self) -> str:
        """The run."""

    @property
    def tag(self) -> str:
        """The user's mark of the run."""

    @property
    def step_name(self) -> str:
        """The step's internal name."""

    @property
    def map_variable(self) -> MapVariable:
        """The items of the maps around the step, outermost first."""

    @property
    def resources(self) -> Resources | None:
        """What the step asks of its compute, for a task that brings its own; None if nothing."""

    @property
    def parameter_names(self) -> frozenset[str]:
        """The names of all parameters."""

    def get_parameter(self, name: str) -> Any:
        """Return a fresh copy of a parameter's value."""

    @property
    def compute_data_folder(self) -> Path:
        """Where the step's files are."""

    @property
    def project_folder(self) -> str:
        """The folder in which the run was started, where the modules of the project are."""

    def child_environment(self) -> tuple[dict[str, str], Path]:
        """Return the whole environment for a child process, and the file in which it may leave parameters and metrics."""

    def collect_child_outputs(self) -> None:
        """Take over what a child process left in that file."""

    def keep_file(self, path: Path, name: str) -> None:
        """Put a file of the task's own making in the catalog under *name*, whether the task succeeds or fails."""

    def mask(self, text: str) -> str:
        """Return *text* with every secret that was handed out hidden."""


class TaskResult(NamedTuple):
    """What a task that succeeded leaves.

    Attributes:
        parameters: What it sets, as plain JSON values.
        metrics: What it tracked.
        message: What a reader of the run log should know.
    """

    parameters: Mapping[str, Any] = NOTHING
    metrics: tuple[Metric, ...] = ()
    message: str = ""


class TaskFailedError(Exception):
    """A task ended with a failure that is no exception of its own.

    Attributes:
        exit_code: Of the process; None where there was none.
    """

    def __init__(self, message: str, exit_code: int | None = None) -> None:
        """Say what failed, in one sentence."""
        super().__init__(message)
        self.exit_code = exit_code


class TaskType(ABC):
    """How the command of a task is run. Stateless."""

    Options: ClassVar[type[Any]] = NoOptions
    """What `command_config` may hold."""

    def find_problem(self, command: str) -> str | None:
        """Return what is wrong with *command*, without running or importing anything; None if nothing is."""
        return None

    def find_problem_in_source(self, command: str) -> str | None:
        """Return what is wrong with the code that *command* names, as far as its source tells; None if nothing is.

        Called before a run on the machine that traverses; nothing is run or imported.
        """
        return None

    def required_parameters(self, command: str) -> list[str]:
        """Return the parameters without which *command* cannot start, as far as that can be told without running anything."""
        return []

    def config_of_shared(
        self, command: str, command_config: Mapping[str, Any], step_name: str
    ) -> Mapping[str, Any]:
        """Return the `command_config` of a step whose *command* other steps of the same graph have too.

        For types whose tasks leave a file that is named after the command: so each step leaves its own. By default it is
        *command_config* as written.
        """
        return command_config

    @abstractmethod
    def run(self, command: str, options: Any, context: TaskContext) -> TaskResult:
        """Run *command* to its end. What it prints is captured by the core, at the level of file descriptors.

        Raises:
            TaskFailedError: The command failed.
            Exception: Whatever the user's code raised; the core records it.
        """
