"""What all services have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from magnus.domain.capabilities import ServiceCapabilities


@dataclass(frozen=True, slots=True)
class NoOptions:
    """The options of an adapter that has none."""


class Service(ABC):
    """Something a run needs besides compute."""

    Options: ClassVar[type[Any]] = NoOptions

    def __init__(self, options: Any = None) -> None:
        """Keep *options*, or the defaults. Opens nothing: a connection is made when the first method needs it."""
        self.options = self.Options() if options is None else options

    @classmethod
    @abstractmethod
    def capabilities(cls, options: Any) -> ServiceCapabilities:
        """Say what the service can do with *options*, without touching it."""

    def close(self) -> None:  # noqa: B027 - a default, not an omission: most services hold nothing open
        """Let go of connections and files. Called once; nothing is called after it."""
