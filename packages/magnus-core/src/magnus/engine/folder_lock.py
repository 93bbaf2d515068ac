"""Keeps two runs from working in one data folder at the same time."""

from __future__ import annotations

import fcntl
import os
import tempfile
from contextlib import contextmanager, suppress
from hashlib import sha256
from typing import TYPE_CHECKING

from magnus.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LONGEST_FILE = 1 << 20
"""Bytes; a lock file holds the run that has the lock, and the runs inside of its steps, line by line."""


@contextmanager
def locked_folders(paths: Iterable[str], run_id: str, around: str) -> Iterator[None]:
    """Hold the folders *paths* for the run as long as this process lives and the block lasts.

    The locks are files in the system's temporary folder, so nothing is written into a project; the kernel gives them up with
    the process.

    Args:
        paths: Absolute paths; they need not be there.
        run_id: The run.
        around: The run in a step of which this one runs, which may hold the same folders; empty for none.

    Raises:
        ConfigurationError: Another run holds one of them.
    """
    descriptors: list[int] = []
    try:
        for path in sorted(set(paths)):
            descriptor = _lock(path, run_id, around)
            if descriptor is not None:
                descriptors.append(descriptor)
        yield
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _lock(path: str, run_id: str, around: str) -> int | None:
    real = os.path.realpath(path)
    user = os.getuid()
    folder = f"{tempfile.gettempdir()}/magnus-locks-{user}"
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        name = sha256(real.encode(errors="replace")).hexdigest()[:32]
        descriptor = os.open(f"{folder}/{name}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError:  # a temporary folder that cannot be written is no reason not to run
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        working: list[str] = []
        with suppress(OSError):
            working = os.pread(descriptor, _LONGEST_FILE, 0).decode(errors="replace").split()
        if around and around in working:
            if run_id not in working:  # for runs inside of this one
                with suppress(OSError):
                    os.pwrite(descriptor, f"{run_id}\n".encode(), os.fstat(descriptor).st_size)
            os.close(descriptor)
            return None
        os.close(descriptor)
        holder = working[0] if working else "?"
        message = (
            f"run '{holder}' is working in the data folder {path}, and two runs would mix up their files there; wait "
            "until it has ended, or set `isolation: run` for the executor, so that each run has a data folder of its own"
        )
        raise ConfigurationError(message) from None
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{run_id}\n".encode(), 0)
    return descriptor
