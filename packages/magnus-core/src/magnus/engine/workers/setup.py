"""The facts that every new worker of a run needs."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from magnus.domain.left_processes import OWNER_VARIABLE
from magnus.domain.owner import own_label
from magnus.engine.child import child_environment
from magnus.engine.workers.messages import WorkerSetup

if TYPE_CHECKING:
    from magnus.engine.context import RunContext


def setup_of_workers(context: RunContext, main_module: str) -> WorkerSetup:
    """Return what this process is now: folder, environment, search path, umask."""
    umask = os.umask(0o077)
    os.umask(umask)
    return WorkerSetup(
        run_id=context.run_id,
        tag=context.tag,
        folder=os.getcwd(),
        search_path=tuple(sys.path),
        environment=_environment(context),
        umask=umask,
        child_context=context.child_context,
        main_module=main_module,
        argv=tuple(sys.argv),
    )


def _environment(context: RunContext) -> dict[str, str]:
    """Return the environment of tasks: that of this process, with the run and nothing of a run around it."""
    environment = child_environment({}, context.run_id, context.tag, {})
    environment[OWNER_VARIABLE] = own_label()
    return environment
