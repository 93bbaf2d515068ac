"""The step that is running in this process, for the functions that user code calls inside it."""

from __future__ import annotations

import os
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from contextlib import AbstractContextManager
    from contextvars import Token
    from pathlib import Path

    from magnus.domain.jobs import MapVariable
    from magnus.domain.nodes import CatalogSettings
    from magnus.domain.run_log import DataCatalog
    from magnus.ports.experiment_tracker import Metric


class StepSession(Protocol):
    """What the user's code can ask of the step that it runs in.

    There is one in the process that runs the step, and one in a child process of the task, such as a notebook's kernel.
    What is set and tracked counts once the step has succeeded.
    """

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
    def scopes(self) -> tuple[str, ...]:
        """The isolating branches around the step, outermost first."""

    @property
    def staging_token(self) -> str:
        """The part of the names under which this attempt stages files."""

    @property
    def map_variable(self) -> MapVariable:
        """The items of the maps around the step, outermost first."""

    @property
    def compute_data_folder(self) -> Path:
        """Where the step's files are."""

    def get_parameter(self, name: str | None = None) -> Any:
        """Return a fresh copy of one parameter, or a dict of all; what the step has just set included.

        Raises:
            ParameterNotFoundError: There is none of that name.
        """

    def set_parameters(self, values: Mapping[str, Any]) -> None:
        """Set parameters for the steps that follow, and for the rest of this one.

        Raises:
            ParametersError: A value is not a JSON value; none of *values* is set.
        """

    def get_secret(self, name: str | None = None) -> Any:
        """Return a secret as text, or a dict of all; hidden from now on wherever magnus writes.

        Raises:
            SecretNotFoundError: There is none of that name.
            ServiceError: The secrets manager failed, or cannot list its secrets.
        """

    def track(self, metrics: Iterable[Metric]) -> None:
        """Track metrics; their values are JSON values."""

    def get_from_catalog(self, settings: CatalogSettings, folder: Path | None = None) -> list[DataCatalog]:
        """Bring the files of this run that `settings.get` and `settings.optional` match.

        Args:
            settings: Globs over names in the catalog.
            folder: Where to; None for the compute data folder.

        Raises:
            CatalogError: A glob of `get` matches nothing, or the catalog failed.
        """

    def put_in_catalog(self, folder: Path, patterns: Iterable[str]) -> list[DataCatalog]:
        """Store the files below *folder* that *patterns* match, at once, named relative to *folder*.

        Raises:
            CatalogError: A pattern matches nothing or leads out of *folder*, or the catalog failed.
        """

    def tracker_context(self) -> AbstractContextManager[Any]:
        """Return a context in which the experiment tracker's own client is set up for this run."""


class RunningStep:
    """Holds the session of the running step: by context, and for the threads that the task starts.

    A thread does not inherit the context of the one that started it, so where exactly one step runs in the process,
    all its threads find that one. A process that the task forks finds none: what it set would be lost with it.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self._variable: ContextVar[tuple[int, StepSession] | None] = ContextVar(
            "magnus_running_step", default=None
        )
        self._running: list[tuple[int, StepSession]] = []

    def get(self) -> StepSession | None:
        """Return the session of the step that the caller belongs to; None outside one."""
        found = self._variable.get()
        if found is None and len(self._running) == 1:
            found = self._running[0]
        return found[1] if found is not None and found[0] == os.getpid() else None

    def set(self, session: StepSession) -> Token[tuple[int, StepSession] | None]:
        """Begin a step; the answer is for `reset`."""
        entry = (os.getpid(), session)
        self._running.append(entry)
        return self._variable.set(entry)

    def reset(self, token: Token[tuple[int, StepSession] | None]) -> None:
        """End the step that *token* stands for."""
        entry = self._variable.get()
        self._running = [item for item in self._running if item is not entry]
        self._variable.reset(token)

    def hold(self, session: StepSession) -> None:
        """Begin a step that the caller's own code is, whatever contexts and threads it goes through, until `release`."""
        self._running.append((os.getpid(), session))

    def release(self, session: StepSession) -> None:
        """End the step that `hold` began."""
        self._running = [item for item in self._running if item[1] is not session]


running_step = RunningStep()
"""The one of this process."""
