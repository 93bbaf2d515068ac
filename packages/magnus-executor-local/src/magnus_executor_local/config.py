"""What the executors of this package can be told."""

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
        if self.max_workers is not None:
            _check_workers(self.max_workers)


@dataclass(frozen=True, slots=True)
class DemoRendererOptions(CommonOptions):
    """Options of `demo-renderer`.

    Attributes:
        max_workers: How many branches of one node run at the same time with *enable_parallel*. A script may run on another
            machine than the one that renders it, so it does not follow from this one's cores.
        ignore_resources: Render nodes that ask for `resources`, though nothing enforces them.
    """

    max_workers: int = 4
    ignore_resources: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        _check_workers(self.max_workers)


def _check_workers(number: int) -> None:
    if number < 1:
        message = f"max_workers is at least 1, not {number}"
        raise ValueError(message)
