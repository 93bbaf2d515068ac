"""The parameters and metrics of a running task, wherever it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from magnus.domain.parameters import Value, encode_all
from magnus.engine.current import StepSession, running_step
from magnus.errors import ParameterNotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from magnus.domain.parameters import Values
    from magnus.ports.experiment_tracker import Metric


class TaskValues(StepSession):
    """The part of a `StepSession` that needs no service: what is set or tracked stays here until the task has succeeded.

    Attributes:
        set: Parameters that the task has set.
        metrics: Metrics that it has tracked.
    """

    def __init__(self, values: Values) -> None:
        """Begin with the parameters *values* of the step's branch."""
        self._values = values
        self.set: dict[str, Any] = {}
        self.metrics: list[Metric] = []

    def __enter__(self) -> Self:
        """Become the step that `magnus.get_parameter` and the other functions work on."""
        self._token = running_step.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop being it."""
        running_step.reset(self._token)

    @property
    def parameter_names(self) -> frozenset[str]:
        """The names of all parameters, those that the task has just set included."""
        return frozenset(self._values) | frozenset(self.set)

    def current_values(self) -> Values:
        """Return all parameters as they are now."""
        return {name: self._current(name) for name in self.parameter_names}

    def get_parameter(self, name: str | None = None) -> Any:
        """Return a fresh copy of one parameter, or of all.

        Raises:
            ParameterNotFoundError: There is none of that name.
        """
        if name is None:
            return {name: self._current(name).decode() for name in sorted(self.parameter_names)}
        if name not in self.set and name not in self._values:
            message = f"no parameter '{name}'; there are: {', '.join(sorted(self.parameter_names)) or 'none'}"
            raise ParameterNotFoundError(message)
        return self._current(name).decode()

    def _current(self, name: str) -> Value:
        return Value.of(self.set[name]) if name in self.set else self._values[name]

    def set_parameters(self, values: Mapping[str, Any]) -> None:
        """Set parameters for the steps that follow, and for the rest of this one.

        Raises:
            ParametersError: A value is not a JSON value.
        """
        encode_all(values, f"step '{self.step_name}'")
        self.set.update(values)

    def track(self, metrics: Iterable[Metric]) -> None:
        """Track metrics; they count once the step has succeeded."""
        self.metrics += metrics
