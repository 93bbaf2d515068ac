"""Facts about a process that a task can change and that are not put back: a worker in which one differs is retired."""

from __future__ import annotations

import _thread
import gc
import logging
import os
import resource
import sys
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_LIMITS = tuple(getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_"))
_loaded = sys.modules.get
_getrlimit = resource.getrlimit


def _streams() -> tuple[Any, ...]:
    streams: tuple[Any, Any] = (sys.stdout, sys.stderr)  # typed as TextIO, which says less than they have
    return tuple(
        (each.encoding, each.errors, each.line_buffering, each.write_through, each.closed) for each in streams
    )


def _process_name() -> Any:
    processes = _loaded("multiprocessing.process")
    return None if processes is None else processes.current_process().name


def _start_method() -> Any:
    context = _loaded("multiprocessing.context")
    return None if context is None else context._default_context._actual_context  # noqa: SLF001 - asking would set it


def _csv() -> Any:
    csv = _loaded("csv")
    return None if csv is None else (csv.field_size_limit(), tuple(csv.list_dialects()))


def _reducers() -> Any:
    copyreg = _loaded("copyreg")
    return None if copyreg is None else len(copyreg.dispatch_table)


def _opener() -> Any:
    return getattr(_loaded("urllib.request"), "_opener", None)


def _decimal() -> Any:
    decimal = _loaded("decimal")
    return None if decimal is None else repr(decimal.DefaultContext)


def _logging() -> tuple[Any, ...]:
    names = tuple(map(logging.getLevelName, (10, 20, 30, 40, 50)))
    filters = tuple(
        len(each.filters) for each in logging.root.manager.loggerDict.values() if hasattr(each, "filters")
    )
    return logging.getLoggerClass(), logging.getLogRecordFactory(), logging.lastResort, names, any(filters)


def _cores() -> Any:
    ask = getattr(os, "sched_getaffinity", None)
    return None if ask is None else ask(0)


FACTS: dict[str, Callable[[], Any]] = {
    "user": lambda: (os.getuid(), os.geteuid(), os.getgid(), os.getegid()),
    "groups": os.getgroups,
    "priority": lambda: os.getpriority(os.PRIO_PROCESS, 0),
    "cores": _cores,
    "limits": lambda: [_getrlimit(limit) for limit in _LIMITS],
    "streams": _streams,
    "load flags": getattr(sys, "getdlopenflags", int),
    "asynchronous generators": lambda: (sys.get_asyncgen_hooks(), sys.get_coroutine_origin_tracking_depth()),
    "collector": lambda: (gc.get_debug(), gc.get_freeze_count()),
    "threads": lambda: (_thread._count(), threading.main_thread().name),  # noqa: SLF001 - threads that threading does not know
    "hooks of threads": lambda: (threading.gettrace(), threading.getprofile()),
    "logging": _logging,
    "process name": _process_name,
    "start method": _start_method,
    "csv": _csv,
    "reducers": _reducers,
    "opener": _opener,
    "decimal": _decimal,
}


def look() -> dict[str, Any]:
    """Return every fact as it is now."""
    return {name: fact() for name, fact in FACTS.items()}


def changed(before: dict[str, Any]) -> list[str]:
    """Return the names of the facts that differ from *before*."""
    found = []
    for name, fact in FACTS.items():
        try:
            same = fact() == before[name]
        except Exception:  # noqa: BLE001 - the task has broken what this needs
            same = False
        if not same:
            found.append(name)
    return found
