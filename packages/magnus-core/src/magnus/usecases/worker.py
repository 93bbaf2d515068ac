"""A process that runs jobs for another one on the same machine: `python -m magnus.usecases.worker DESCRIPTOR`."""

from __future__ import annotations

import os
import pickle
import select
import signal
import sys
import threading
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from magnus.bootstrap import Setup, open_run
from magnus.domain.run_log import Status
from magnus.engine.child_process import keep_children_in_process_group
from magnus.engine.interrupt import StopRun
from magnus.engine.masking import Masker
from magnus.engine.reporting import SilentReporter
from magnus.engine.terminal import Terminal
from magnus.plugins.discovery import find_plugins
from magnus.plugins.manager import AdapterManager

if TYPE_CHECKING:
    from magnus.usecases.worker_preamble import WorkerPreamble


def serve(connection: Connection) -> None:
    """Run jobs from *connection* until it is closed."""
    preamble: WorkerPreamble = pickle.loads(connection.recv_bytes())  # noqa: S301 - from the process that started us
    sys.path[:] = preamble.search_path
    masker = Masker()
    for secret in preamble.secrets:
        masker.add(secret)
    run = open_run(
        Setup(preamble.config, AdapterManager(find_plugins())),
        run_id=preamble.run_id,
        tag=preamble.tag,
        terminal=Terminal(),
        reporter=SilentReporter(),
        masker=masker,
    )
    run.step_runner.share_scratch(Path(preamble.scratch))
    run.context.interrupts.install()
    while True:
        try:
            secrets, job = connection.recv()
        except EOFError:
            break
        run.step_runner.learn_secrets(secrets)
        connection.send((run.step_runner.secrets, Status.PROCESSING))
        status = run.step_runner(job)
        connection.send((run.step_runner.secrets, status))
    run.close()


def _die_with_parent(descriptor: int) -> None:
    """End this whole process group once the other end of *descriptor* is gone: nobody would stop what it runs."""
    poll = select.poll()
    poll.register(descriptor, 0)  # a hang-up is always reported
    poll.poll()
    os.killpg(0, signal.SIGKILL)


def main() -> None:
    """Serve the connection whose descriptor is the last argument."""
    descriptor = int(sys.argv[-1])
    keep_children_in_process_group()
    threading.Thread(target=_die_with_parent, args=(os.dup(descriptor),), daemon=True).start()
    try:
        serve(Connection(descriptor))
    except (StopRun, BrokenPipeError):
        sys.exit(1)


if __name__ == "__main__":
    main()
