"""The port for experiment trackers."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple

from magnus.ports.service import Service

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Metric(NamedTuple):
    """One value that a task tracked.

    Attributes:
        name: Its name.
        value: Any JSON value.
        step: The user's own counter (an epoch, say); 0 where none was given.
    """

    name: str
    value: Any
    step: int = 0


class ExperimentTracker(Service):
    """Receives what the tasks of a run track, besides the run log, which always has it.

    Calls for one run come from several processes. Failures are raised as `ServiceError`; they fail the step.
    """

    @abstractmethod
    def log_metrics(self, run_id: str, tag: str, step_name: str, metrics: Sequence[Metric]) -> None:
        """Record what the step *step_name* tracked. Called once, after the step succeeded.

        Values that are not numbers are recorded as parameters, where the tracker knows the difference.
        """

    @abstractmethod
    def log_parameters(self, run_id: str, tag: str, parameters: Mapping[str, Any]) -> None:
        """Record the parameters that the run started from. Called once, before the first step."""

    def end_run(self, run_id: str, tag: str, *, succeeded: bool) -> None:
        """Close the run. Called once by the process that traverses the graph; also when nothing was tracked."""

    def client_context(self, run_id: str, tag: str) -> AbstractContextManager[Any]:
        """Return a context in which the tracker's own client is set up for the run, for use inside a task."""
        return nullcontext()
