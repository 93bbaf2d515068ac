"""What the process that traverses tells its workers; apart from the worker itself, whose imports only a worker needs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from magnus.definition.config import Config
    from magnus.engine.step import StepRunner

WORKER_COMMAND = (sys.executable, "-m", "magnus.usecases.worker")


class WorkerPreamble(NamedTuple):
    """What a worker must know before its first job.

    Attributes:
        config: The configuration of the run.
        run_id: The run.
        tag: The user's mark.
        scratch: The folder where what steps print is gathered.
        secrets: What must not be shown.
        search_path: `sys.path` of the process that traverses.
    """

    config: Config
    run_id: str
    tag: str
    scratch: str
    secrets: tuple[str, ...]
    search_path: tuple[str, ...]


def preamble_for(config: Config, run_id: str, tag: str, runner: StepRunner, secrets: Iterable[str]) -> bytes:
    """Return what the workers of a run are told first."""
    import pickle

    preamble = WorkerPreamble(
        config=config,
        run_id=run_id,
        tag=tag,
        scratch=str(runner.scratch),
        secrets=tuple(secrets),
        search_path=tuple(sys.path),
    )
    return pickle.dumps(preamble)
