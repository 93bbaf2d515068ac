"""The state of a worker's process: as it was before the first task, and again after each one.

State that can be put back is put back. Where that is not certain the worker is retired, and the next step begins in a new one.
State that came with modules that a task has imported stays: the next step would import them, too.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # of CPython, as `signal` itself
import atexit
import gc
import locale
import os
import random
import signal
import sys
import threading
import time
import warnings
import weakref
from contextlib import suppress
from operator import is_
from typing import Any

from magnus.worker import facts
from magnus.worker.logging_state import LoggingState
from magnus.worker.patches import SHARED, Patches

_SIGNALS = tuple(
    number for number in signal.valid_signals() if number not in {signal.SIGKILL, signal.SIGSTOP}
)
_TIMERS = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)

_STREAMS = ("stdin", "stdout", "stderr", "__stdin__", "__stdout__", "__stderr__")
_HOOKS = ("excepthook", "displayhook", "unraisablehook", "breakpointhook")
_LISTS = ("path", "argv", "meta_path", "path_hooks", "warnoptions")
_MISSING = object()


class ProcessState:
    """Remembers the state when it is made; `restore` returns to it."""

    def __init__(self) -> None:
        """Remember the state of this process."""
        # Bound here: a task may replace any of these functions.
        self._os = _Functions()
        self._folder = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._folder_name = os.getcwd()
        self._environ, self._environment = os.environ, dict(os.environ)
        self._raw_environment = dict(_raw_environment())
        self._umask = self._read_umask()
        self._handlers = {number: _signal.getsignal(number) for number in map(int, _SIGNALS)}
        self._locale = locale.setlocale(locale.LC_ALL)
        self._recursion_limit = sys.getrecursionlimit()
        self._switch_interval = sys.getswitchinterval()
        self._digits = sys.get_int_max_str_digits()
        self._gc = (gc.isenabled(), gc.get_threshold())
        self._timezone = (time.tzname, time.timezone, time.altzone, time.daylight)
        self._sys = {name: getattr(sys, name) for name in (*_STREAMS, *_HOOKS, "dont_write_bytecode")}
        self._lists = {name: (getattr(sys, name), list(getattr(sys, name))) for name in _LISTS}
        self._threading_hook = threading.excepthook
        self._logging = LoggingState()
        self._warnings = list(warnings.filters)
        self._patches = Patches(self._folder_name)
        self._dictionaries = [(vars(sys.modules[name]), dict(vars(sys.modules[name]))) for name in SHARED]
        # A first finalizer registers the exit handler of them all; a step that makes a temporary folder makes one.
        weakref.finalize(self, int).detach()
        self._temporary_folder = _temporary_folder()
        self._start_method = _start_method()
        self._exit_handlers = atexit._ncallbacks()  # noqa: SLF001 - there is no public way
        self._facts = facts.look()
        self._descriptors = self._os.descriptors()

    def notice_imports(self) -> None:
        """Remember modules that were imported for a task, before the task begins."""
        self._temporary_folder = _temporary_folder()
        self._start_method = _start_method()
        self._patches.notice_imports()
        self._logging = LoggingState()
        self._warnings = list(warnings.filters)
        self._exit_handlers = atexit._ncallbacks()  # noqa: SLF001
        self._descriptors = self._os.descriptors()
        self._facts = facts.look()

    def begin(self) -> None:
        """Give the next task random numbers of its own, as a process of its own would have them."""
        random.seed()
        numpy_random = sys.modules.get("numpy.random")
        if numpy_random is not None:
            numpy_random.seed()

    def restore(self) -> list[str]:
        """Undo the changes of a task; return the reasons for which this process can serve no other one."""
        reasons: list[str] = []
        for name, step in (
            ("trace", self._restore_tracing),
            ("modules", self._restore_modules),
            ("process", self._restore_process),
            ("signals", self._restore_signals),
            ("interpreter", self._restore_interpreter),
            ("logging", self._restore_logging),
            ("libraries", self._restore_libraries),
            ("facts", self._look_at_facts),  # last: what was put back is no reason
        ):
            try:
                step(reasons)
            except BaseException:  # noqa: BLE001 - a task has broken what this needs: another process serves the next one
                reasons.append(name)
        return reasons

    def _restore_tracing(self, _: list[str]) -> None:
        if self._os.gettrace() is not None:
            self._os.settrace(None)
        if self._os.getprofile() is not None:
            self._os.setprofile(None)

    def _restore_modules(self, reasons: list[str]) -> None:
        if _temporary_folder() != self._temporary_folder:  # also where `gettempdir` has remembered it
            sys.modules["tempfile"].tempdir = self._temporary_folder  # type: ignore[attr-defined]
        for dictionary, original in self._dictionaries:
            if len(dictionary) != len(original) or not all(
                map(is_, map(dictionary.get, original), original.values())
            ):
                dictionary.clear()
                dictionary.update(original)
        if changed := self._patches.find():
            reasons.append(f"module {changed}")

    def _restore_process(self, reasons: list[str]) -> None:
        functions = self._os
        try:
            moved = functions.getcwd() != self._folder_name
        except OSError:
            moved = True
        if moved:
            functions.fchdir(self._folder)
        if getattr(os, "environ", None) is not self._environ:
            os.environ = self._environ  # noqa: B003 - it is the object that stands for the environment
        if _raw_environment() != self._raw_environment:
            for name in os.environ.keys() - self._environment.keys():
                del os.environ[name]
            os.environ.update(self._environment)
        if self._read_umask() != self._umask:
            functions.umask(self._umask)
        functions.tzset()
        reasons += self._changes_of_process()

    def _changes_of_process(self) -> list[str]:
        """Return the changes to the process that cannot be undone."""
        functions = self._os
        reasons = []
        if (time.tzname, time.timezone, time.altzone, time.daylight) != self._timezone:
            reasons.append("time zone")
        descriptors = functions.descriptors()
        if (
            descriptors != self._descriptors
        ):  # objects that refer to each other keep theirs open until they are collected
            functions.collect()
            descriptors = functions.descriptors()
        if descriptors > self._descriptors and self._patches.has_new_modules:
            self._descriptors = descriptors  # a library has opened some for good
        elif descriptors != self._descriptors:
            reasons.append("descriptors")
        return reasons

    def _restore_signals(self, _: list[str]) -> None:
        functions = self._os
        for timer in _TIMERS:
            if functions.getitimer(timer) != (0.0, 0.0):
                functions.setitimer(timer, 0)
        for number, handler in self._handlers.items():
            if functions.getsignal(number) is not handler:
                with suppress(TypeError, ValueError, OSError):  # a handler that was not set from Python
                    functions.signal(number, handler)
        functions.sigmask(signal.SIG_SETMASK, ())
        functions.set_wakeup(-1)

    def _restore_interpreter(self, reasons: list[str]) -> None:
        for name, value in self._sys.items():
            if getattr(sys, name, _MISSING) is not value:
                setattr(sys, name, value)
        if any(stream.closed for stream in (sys.stdin, sys.stdout, sys.stderr)):
            reasons.append("streams")
        for name, (each, original) in self._lists.items():
            if getattr(sys, name, None) is not each:
                setattr(sys, name, each)
            if each != original:
                each[:] = original
        if threading.excepthook is not self._threading_hook:
            threading.excepthook = self._threading_hook
        self._restore_settings()
        if atexit._ncallbacks() != self._exit_handlers:  # noqa: SLF001
            if not self._patches.has_new_modules:
                reasons.append("exit handlers")
            self._exit_handlers = atexit._ncallbacks()  # noqa: SLF001

    def _restore_settings(self) -> None:
        """Put numbers and switches of the interpreter back."""
        if sys.getrecursionlimit() != self._recursion_limit:
            sys.setrecursionlimit(self._recursion_limit)
        if sys.getswitchinterval() != self._switch_interval:
            sys.setswitchinterval(self._switch_interval)
        if sys.get_int_max_str_digits() != self._digits:
            sys.set_int_max_str_digits(self._digits)
        enabled, threshold = self._gc
        if gc.isenabled() != enabled:
            (gc.enable if enabled else gc.disable)()
        if gc.get_threshold() != threshold:
            gc.set_threshold(*threshold)
        if locale.setlocale(locale.LC_ALL) != self._locale:
            locale.setlocale(locale.LC_ALL, self._locale)

    def _restore_logging(self, reasons: list[str]) -> None:
        if not self._logging.restore(keep_new=self._patches.has_new_modules):
            reasons.append("logging")
        if warnings.filters != self._warnings:
            if self._patches.has_new_modules:
                self._warnings = list(warnings.filters)
            else:
                warnings.filters[:] = self._warnings  # type: ignore[index]
                if invalidate := getattr(warnings, "_filters_mutated", None):
                    invalidate()

    def _restore_libraries(self, reasons: list[str]) -> None:
        """Look at modules that have state of their own and are loaded."""
        modules = sys.modules
        if decimal := modules.get("decimal"):
            decimal.setcontext(decimal.Context(**_decimal_defaults(decimal)))
        if (sockets := modules.get("socket")) and sockets.getdefaulttimeout() is not None:
            sockets.setdefaulttimeout(None)
        events = modules.get("asyncio.events")
        if events is not None and getattr(events, "_event_loop_policy", None) is not None:
            vars(events)["_event_loop_policy"] = None
        if (handler := modules.get("faulthandler")) and handler.is_enabled():
            handler.disable()
        if (tracing := modules.get("tracemalloc")) and tracing.is_tracing():
            tracing.stop()
        if threading.stack_size() != 0:
            threading.stack_size(0)
        if _start_method() is not self._start_method:  # to use it sets it, too
            modules["multiprocessing.context"]._default_context._actual_context = self._start_method  # noqa: SLF001

    def _look_at_facts(self, reasons: list[str]) -> None:
        reasons += facts.changed(self._facts, has_new_modules=self._patches.has_new_modules)

    def _read_umask(self) -> int:
        mask = self._os.umask(0o077)
        self._os.umask(mask)
        return mask


class _Functions:
    """Functions of the standard library as they were before the first task."""

    def __init__(self) -> None:
        self.getcwd, self.fchdir, self.umask = os.getcwd, os.fchdir, os.umask
        self.tzset = time.tzset
        self.getitimer, self.setitimer = signal.getitimer, signal.setitimer
        # Those of `signal` make a member of an enumeration of each: too slow for every signal after every step.
        self.getsignal, self.signal, self.sigmask = _signal.getsignal, signal.signal, signal.pthread_sigmask
        self.set_wakeup = signal.set_wakeup_fd
        self.gettrace, self.settrace = sys.gettrace, sys.settrace
        self.getprofile, self.setprofile = sys.getprofile, sys.setprofile
        self._listdir = os.listdir
        self.collect = gc.collect

    def descriptors(self) -> int:
        """Return how many descriptors are open; 0 where nobody tells."""
        try:
            return len(self._listdir("/proc/self/fd"))
        except OSError:
            return 0


def _decimal_defaults(decimal: Any) -> dict[str, Any]:
    default = decimal.DefaultContext
    return {
        "prec": default.prec,
        "rounding": default.rounding,
        "Emin": default.Emin,
        "Emax": default.Emax,
        "capitals": default.capitals,
        "clamp": default.clamp,
    }


def _raw_environment() -> Any:
    # The encoded dict behind os.environ: comparing it takes a microsecond, decoding every variable first a hundred.
    return getattr(os.environ, "_data", os.environ)


def _temporary_folder() -> Any:
    return getattr(sys.modules.get("tempfile"), "tempdir", None)


def _start_method() -> Any:
    """Return how multiprocessing starts processes; None as long as nobody has asked or set it."""
    context = sys.modules.get("multiprocessing.context")
    return None if context is None else context._default_context._actual_context  # noqa: SLF001 - asking would set it
