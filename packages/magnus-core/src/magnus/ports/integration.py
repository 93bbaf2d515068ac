"""The port for rules about one executor together with one service."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from magnus.ports.executor import ComputeNeeds

if TYPE_CHECKING:
    from magnus.domain.verdict import Verdict


class Integration(ABC):
    """What has to be known of a pair beyond what the two capability declarations say.

    Registered for (executor, service kind, service) by name. Stateless; every method may be called any number of times.
    """

    @abstractmethod
    def validate(self, executor_options: Any, service_options: Any) -> Verdict:
        """Judge the pair. No side effect."""

    def configure_for_traversal(self, executor_options: Any, service_options: Any) -> ComputeNeeds:
        """Return what the compute needs for this service; called where the graph is traversed. By default nothing."""
        return ComputeNeeds()

    def configure_for_execution(self, executor_options: Any, service_options: Any) -> Any:
        """Return the service's options as they must look inside the compute environment. By default unchanged."""
        return service_options
