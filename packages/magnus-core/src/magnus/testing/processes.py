"""Other processes for the contract suites: started, waited for and killed."""

from __future__ import annotations

import multiprocessing
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from multiprocessing.process import BaseProcess

# Forked, because what makes an adapter is a function within a fixture, which cannot be sent to another process.
_context = multiprocessing.get_context("fork")


def start(work: Callable[..., None], *arguments: object) -> BaseProcess:
    """Run *work* in another process."""
    process = _context.Process(target=work, args=arguments)
    process.start()
    return process


def join(processes: Sequence[BaseProcess]) -> None:
    """Wait for *processes* to end; all must have ended well."""
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * len(processes)


def kill(process: BaseProcess) -> bool:
    """Kill *process* as `kill -9` does; return whether it was still at work, and not done before."""
    process.kill()
    process.join()
    assert process.exitcode in {0, -signal.SIGKILL}
    return process.exitcode != 0
