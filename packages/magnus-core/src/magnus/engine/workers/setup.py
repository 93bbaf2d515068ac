"""The facts that every new worker of a run needs."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

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
        environment=dict(os.environ),
        umask=umask,
        child_context=context.child_context,
        main_module=main_module,
        argv=tuple(sys.argv),
    )
