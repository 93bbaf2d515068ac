"""What the executors of this package can be told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from magnus.ports.executor import CommonOptions


@dataclass(frozen=True, slots=True)
class LocalOptions(CommonOptions):
    """Options of `local`.

    Attributes:
        max_workers: How many branches run at the same time with *enable_parallel*; by default the number of usable cores.
        ignore_resources: Run nodes that ask for `resources`, though nothing here enforces them.
        in_process: For debuggers: run steps in the process that traverses, one after another. A step that ends the process
            ends the run, what it changes in the process stays, its output is not kept, and no `timeout` holds.
        isolation: The steps that share a folder: those of a `branch`, those of a branch with a folder for the outermost graph
            as well (`run`, so that several runs can work in one project), or none (`step`, as on AWS Batch).
        stop_grace: Seconds that a step has to end by itself after SIGTERM, to save a checkpoint; then it is killed.
    """

    max_workers: int | None = None
    ignore_resources: bool = False
    in_process: bool = False
    stop_grace: float = 5.0
    isolation: Literal["branch", "run", "step"] = "branch"

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        if self.in_process and self.enable_parallel:
            message = "in_process runs steps in one process, one after another; remove enable_parallel"
            raise ValueError(message)
        if not 0 <= self.stop_grace < float("inf"):
            message = f"stop_grace is a number of seconds, at least 0, not {self.stop_grace}"
            raise ValueError(message)
        if self.max_workers is not None:
            _check_workers(self.max_workers)


@dataclass(frozen=True, slots=True)
class DemoRendererOptions(CommonOptions):
    """Options of `demo-renderer`.

    Attributes:
        max_workers: How many branches of one node run at the same time with *enable_parallel*. A script may run on another
            machine than the one that renders it, so it does not follow from this one's cores.
        ignore_resources: Render nodes that ask for `resources`, though nothing enforces them.
        isolation: The steps that share a folder, as for `local`.
    """

    max_workers: int = 4
    ignore_resources: bool = False
    isolation: Literal["branch", "run", "step"] = "branch"

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        _check_workers(self.max_workers)


def _check_workers(number: int) -> None:
    if number < 1:
        message = f"max_workers is at least 1, not {number}"
        raise ValueError(message)
