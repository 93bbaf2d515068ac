"""Processes and threads that a task leaves behind in its worker."""

from __future__ import annotations

import _thread
import os
import sys
import threading
import time
from contextlib import suppress
from typing import Any

from magnus.domain import processes

_enumerate_threads = threading.enumerate
_main = threading.main_thread
_getppid = os.getppid
_count_threads = _thread._count  # noqa: SLF001 - those that `threading` does not know, too; without the main one
_monotonic = time.monotonic
_sleep = time.sleep
_PATIENCE_SECONDS = 0.1
_waitid = getattr(os, "waitid", None)
_children = processes.children
_is_running = processes.is_running
_describe = processes.describe
_EXITED = getattr(os, "WEXITED", 0) | getattr(os, "WNOHANG", 0) | getattr(os, "WNOWAIT", 0)


def find() -> list[str]:
    """Return a description of each process that is left; helpers of libraries are asked to end first."""
    if not _has_any():
        return []
    _end_helpers()
    pid = os.getpid()
    found = [each for each in _children(pid) if _is_running(each)]
    found += [each for each in _children(_getppid()) if each != pid and _is_running(each)]
    return [_describe(each) for each in found if not processes.is_guardian(each)]


def threads() -> bool:
    """Return True if a thread is left; those that libraries have told to end get a moment for it."""
    until = 0.0
    while len(_enumerate_threads()) > 1 or _count_threads() > 0:
        until = until or _monotonic() + _PATIENCE_SECONDS
        if _monotonic() > until:
            return True
        _sleep(_PATIENCE_SECONDS / 20)
    return False


def _has_any() -> bool:
    if processes.SEES_DESCENDANTS and len(_children(_getppid())) > 1:
        return True
    if _waitid is None:
        return False
    try:
        _waitid(os.P_ALL, 0, _EXITED)
    except ChildProcessError:
        return False
    return True


def _end_helpers() -> None:
    """End the processes that multiprocessing and joblib keep for later use: nobody left them on purpose."""
    modules: dict[str, Any] = dict(sys.modules)
    for name in ("joblib.externals.loky.reusable_executor", "loky.reusable_executor"):
        executor = getattr(modules.get(name), "_executor", None)
        if executor is not None:
            with suppress(Exception):
                executor.shutdown(wait=True, kill_workers=True)
    for name, attribute in (
        ("multiprocessing.forkserver", "_forkserver"),
        ("joblib.externals.loky.backend.resource_tracker", "_resource_tracker"),
        ("loky.backend.resource_tracker", "_resource_tracker"),
        ("multiprocessing.resource_tracker", "_resource_tracker"),
    ):
        helper = getattr(modules.get(name), attribute, None)
        if helper is not None:
            with suppress(Exception):
                helper._stop()  # noqa: SLF001 - there is no public way
