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
# To be imported is no change, so these are the facts of a module before and after that.
_FIRST_CSV = (131_072, {"excel", "excel-tab", "unix"})
_FIRST_DECIMAL = (
    "Context(prec=28, rounding=ROUND_HALF_EVEN, Emin=-999999, Emax=999999, capitals=1, clamp=0, flags=[], "
    "traps=[InvalidOperation, DivisionByZero, Overflow])"
)
_OF_NEW_MODULES = frozenset({"importers", "reducers"})
"""Facts that a module may change when it is imported."""

_loaded = sys.modules.get
_getrlimit = resource.getrlimit


def _streams() -> tuple[Any, ...]:
    streams: tuple[Any, Any] = (sys.stdout, sys.stderr)  # typed as TextIO, which says less than they have
    return tuple(
        (each.encoding, each.errors, each.line_buffering, each.write_through, each.closed) for each in streams
    )


def _process_name() -> Any:
    processes = _loaded("multiprocessing.process")
    return "MainProcess" if processes is None else processes.current_process().name


def _csv() -> Any:
    csv = _loaded("csv")
    return _FIRST_CSV if csv is None else (csv.field_size_limit(), set(csv.list_dialects()))


def _reducers() -> Any:
    copyreg = _loaded("copyreg")
    return None if copyreg is None else len(copyreg.dispatch_table)


def _opener() -> Any:
    return getattr(_loaded("urllib.request"), "_opener", None)


def _decimal() -> Any:
    decimal = _loaded("decimal")
    return _FIRST_DECIMAL if decimal is None else repr(decimal.DefaultContext)


def _logging() -> tuple[Any, ...]:
    names = tuple(map(logging.getLevelName, (10, 20, 30, 40, 50)))
    filters = tuple(
        len(each.filters) for each in logging.root.manager.loggerDict.values() if hasattr(each, "filters")
    )
    return logging.getLoggerClass(), logging.getLogRecordFactory(), logging.lastResort, names, any(filters)


def _importers() -> frozenset[type]:
    return frozenset(map(type, sys.path_importer_cache.values()))


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
    "csv": _csv,
    "reducers": _reducers,
    "importers": _importers,
    "opener": _opener,
    "decimal": _decimal,
}


def look() -> dict[str, Any]:
    """Return every fact as it is now."""
    return {name: fact() for name, fact in FACTS.items()}


def changed(before: dict[str, Any], *, has_new_modules: bool) -> list[str]:
    """Return the names of the facts that differ from *before*, in which those are replaced that new modules may change."""
    found = []
    for name, fact in FACTS.items():
        try:
            now = fact()
        except Exception:  # noqa: BLE001 - the task has broken what this needs
            found.append(name)
            continue
        if now == before[name]:
            continue
        if has_new_modules and name in _OF_NEW_MODULES:
            before[name] = now
        else:
            found.append(name)
    return found
