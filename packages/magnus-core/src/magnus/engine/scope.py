"""The parameters of one branch while it is walked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from magnus.domain.parameters import Value, Values


class Scope:
    """What the steps of a branch find, and what they have put there.

    A branch begins with a copy of what its parent has; what it sets reaches the parent only at the join.
    """

    def __init__(self, values: Values) -> None:
        """Begin with *values*."""
        self.values = values
        self.outputs: Values = {}
        self._in_record: dict[str, Any] | None = None

    def child(self, extra: Mapping[str, Value]) -> Scope:
        """Return the scope of a branch that opens now, with *extra* laid over."""
        return Scope({**self.values, **extra})

    def update(self, values: Mapping[str, Value]) -> None:
        """Take over what a step, or a join, has set."""
        if values:
            self.values.update(values)
            self.outputs.update(values)
            self._in_record = None

    def in_record(self) -> dict[str, Any]:
        """Return what stands for the parameters in a record; the same object until something changes."""
        if self._in_record is None:
            self._in_record = {name: value.in_record() for name, value in self.values.items()}
        return self._in_record
