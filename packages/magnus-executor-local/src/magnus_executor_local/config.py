"""What the executor `local` can be told."""

from __future__ import annotations

from dataclasses import dataclass

from magnus.ports.executor import CommonOptions


@dataclass(frozen=True, slots=True)
class LocalOptions(CommonOptions):
    """Options of `local`.

    Attributes:
        max_workers: How many branches run at the same time with *enable_parallel*; by default the number of usable cores.
        ignore_resources: Run nodes that ask for `resources`, though nothing here enforces them.
    """

    max_workers: int | None = None
    ignore_resources: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        if self.max_workers is not None and self.max_workers < 1:
            message = f"max_workers is at least 1, not {self.max_workers}"
            raise ValueError(message)
