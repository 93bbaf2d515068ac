"""Removes a container whose magnus was killed: `python -m magnus_executor_container.guardian CONTAINER`.

A task's process can be killed at any moment, by a timeout or by hand, and the engine would let its container run on. The
guardian is in a session of its own and reads from a pipe that only that process holds: at its end it removes the container.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from magnus.domain.machine import GUARDIAN_VARIABLE
from magnus.errors import ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterator

_DONE = b"."
_PAUSES_SECONDS = (0.1, 0.5, 2.0, 10.0)
"""After each try that fails."""


@contextmanager
def guarded(container_id: str) -> Iterator[None]:
    """Have the container removed if this process does not live to leave the block."""
    with subprocess.Popen(
        [sys.executable, "-m", __name__, container_id],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, GUARDIAN_VARIABLE: "1"},
    ) as guardian:
        try:
            yield
        finally:
            guardian.communicate(_DONE)


def main() -> None:
    """Wait; remove the container if the pipe ends without a word."""
    if os.read(0, 1) == _DONE:
        return
    from magnus_executor_container.client import Engine

    for pause in _PAUSES_SECONDS:
        try:
            Engine().container(sys.argv[1]).remove()
        except (
            ServiceError
        ):  # nobody is left to tell; whoever killed magnus may have the engine restarted as well
            time.sleep(pause)
        else:
            return


if __name__ == "__main__":
    main()
