"""The services that user code in a worker works with itself: the client of the experiment tracker."""

from __future__ import annotations

from contextlib import chdir
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from magnus.engine.workers.messages import WorkerSetup
    from magnus.ports.experiment_tracker import ExperimentTracker

_known: dict[str, Any] = {}


def open_tracker(setup: WorkerSetup) -> ExperimentTracker:
    """Return the experiment tracker of the run; the same one for all tasks of this process."""
    if setup.run_id not in _known:
        # What the configuration names is relative to the folder of the run, wherever the task has gone.
        with chdir(setup.folder):
            _known[setup.run_id] = _open(setup)
    tracker: ExperimentTracker = _known[setup.run_id]
    return tracker


def _open(setup: WorkerSetup) -> Any:
    from magnus.bootstrap import Setup
    from magnus.definition.config import config_from_mapping
    from magnus.domain.capabilities import ServiceKind
    from magnus.plugins.discovery import find_plugins
    from magnus.plugins.manager import AdapterManager

    adapters = AdapterManager(find_plugins())
    block = Setup(config_from_mapping(setup.child_context, adapters), adapters).services[
        ServiceKind.EXPERIMENT_TRACKER
    ]
    return block.adapter(block.options)
