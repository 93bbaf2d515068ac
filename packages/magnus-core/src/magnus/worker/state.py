"""The state of a worker's process: as it was before the first task, and again after each one.

State that can be put back is put back. Where that is not certain the worker is retired, and the next step begins in a new one.
State that came with modules that a task has imported stays: the next step would import them, too.
"""

from __future__ import annotations

import atexit
import gc
import locale
import logging
import os
import random
import resource
import signal
import sys
import threading
import time
import warnings
from contextlib import suppress
from operator import is_
from types import ModuleType
from typing import Any


_SIGNALS = tuple(
    number
    for number in signal.Signals
    if number not in {signal.SIGKILL, signal.SIGSTOP} and number.name not in {"SIGRTMIN", "SIGRTMAX"}
)
_TIMERS = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)
_LIMITS = tuple(getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_"))
_LIBRARIES = ("site-packages", "dist-packages")
_NOT_LOOKED_AT = (
    "_",
    "encodings",
    "importlib",
    "magnus.",
    "re.",
    "json.",
    "email.",
    "urllib.",
    "collections.",
    "typing.",
)
"""Modules that a task reaches through others only."""
_RARE = frozenset(
    {
        "ast",
        "dis",
        "tokenize",
        "token",
        "opcode",
        "ntpath",
        "ipaddress",
        "site",
        "posix",
        "codecs",
        "enum",
        "weakref",
    }
)
_SHARED = frozenset({"builtins", "__main__"})
_IS_PRIVATE = "_"

_STREAMS = ("stdin", "stdout", "stderr", "__stdin__", "__stdout__", "__stderr__")
_HOOKS = ("excepthook", "displayhook", "unraisablehook", "breakpointhook")
_MISSING = object()


class ProcessState:
    """Remembers the state when it is made; `restore` returns to it."""

    def __init__(self) -> None:
        """Remember the state of this process."""
        # Bound here: a task may replace any of these functions.
        self._os = _Functions()
        self._folder = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._folder_name = os.getcwd()  # noqa: PTH109
        self._project = self._folder_name
        self._environment = dict(os.environ)
        self._raw_environment = dict(_raw_environment())
        self._umask = self._read_umask()
        self._handlers = {number: signal.getsignal(number) for number in _SIGNALS}
        self._limits = [resource.getrlimit(limit) for limit in _LIMITS]
        self._nice = os.getpriority(os.PRIO_PROCESS, 0)
        self._locale = locale.setlocale(locale.LC_ALL)
        self._recursion_limit = sys.getrecursionlimit()
        self._switch_interval = sys.getswitchinterval()
        self._digits = sys.get_int_max_str_digits()
        self._gc = (gc.isenabled(), gc.get_threshold())
        self._timezone = (time.tzname, time.timezone, time.altzone, time.daylight)
        self._sys = {name: getattr(sys, name) for name in (*_STREAMS, *_HOOKS, "dont_write_bytecode")}
        self._lists = [
            (each, list(each))
            for each in (sys.path, sys.argv, sys.meta_path, sys.path_hooks, sys.warnoptions)
        ]
        self._threading_hook = threading.excepthook
        self._logging = _LoggingState()
        self._warnings = list(warnings.filters)
        self._patches = _Patches(self._project)
        self._dictionaries = [(vars(sys.modules[name]), dict(vars(sys.modules[name]))) for name in _SHARED]
        self._exit_handlers = atexit._ncallbacks()  # noqa: SLF001 - there is no public way
        self._descriptors = self._os.descriptors()

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
        if _raw_environment() != self._raw_environment:
            for name in os.environ.keys() - self._environment.keys():
                del os.environ[name]
            os.environ.update(self._environment)
        if self._read_umask() != self._umask:
            functions.umask(self._umask)
        functions.tzset()
        if (time.tzname, time.timezone, time.altzone, time.daylight) != self._timezone:
            reasons.append("time zone")
        if [functions.getrlimit(limit) for limit in _LIMITS] != self._limits:
            reasons.append("resource limits")
        if functions.getpriority(os.PRIO_PROCESS, 0) != self._nice:
            reasons.append("priority")
        descriptors = functions.descriptors()
        if descriptors > self._descriptors and self._patches.has_new_modules:
            self._descriptors = descriptors  # a library has opened some for good
        elif descriptors != self._descriptors:
            reasons.append("descriptors")

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

    def _restore_interpreter(self, reasons: list[str]) -> None:
        for name, value in self._sys.items():
            if getattr(sys, name, _MISSING) is not value:
                setattr(sys, name, value)
        for stream in (sys.stdin, sys.stdout, sys.stderr):
            if stream.closed:
                reasons.append("streams")
        for each, original in self._lists:
            if each != original:
                each[:] = original
        if threading.excepthook is not self._threading_hook:
            threading.excepthook = self._threading_hook
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
        if atexit._ncallbacks() != self._exit_handlers:  # noqa: SLF001
            if not self._patches.has_new_modules:
                reasons.append("exit handlers")
            self._exit_handlers = atexit._ncallbacks()  # noqa: SLF001
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
        context = modules.get("multiprocessing.context")
        if context is not None and context._default_context._actual_context is not None:  # noqa: SLF001
            reasons.append("start method")
        events = modules.get("asyncio.events")
        if events is not None and getattr(events, "_event_loop_policy", None) is not None:
            events._event_loop_policy = None  # noqa: SLF001
        if (handler := modules.get("faulthandler")) and handler.is_enabled():
            handler.disable()
        if (tracing := modules.get("tracemalloc")) and tracing.is_tracing():
            tracing.stop()
        if threading.stack_size() != 0:
            threading.stack_size(0)

    def _read_umask(self) -> int:
        mask = self._os.umask(0o077)
        self._os.umask(mask)
        return mask


class _Functions:
    """Functions of the standard library as they were before the first task."""

    def __init__(self) -> None:
        self.getcwd, self.fchdir, self.umask = os.getcwd, os.fchdir, os.umask
        self.getpriority, self.getrlimit, self.tzset = os.getpriority, resource.getrlimit, time.tzset
        self.getitimer, self.setitimer = signal.getitimer, signal.setitimer
        self.getsignal, self.signal, self.sigmask = signal.getsignal, signal.signal, signal.pthread_sigmask
        self.gettrace, self.settrace = sys.gettrace, sys.settrace
        self.getprofile, self.setprofile = sys.getprofile, sys.setprofile
        self._listdir = os.listdir

    def descriptors(self) -> int:
        """Return how many descriptors are open; 0 where nobody tells."""
        try:
            return len(self._listdir("/proc/self/fd"))
        except OSError:
            return 0


class _LoggingState:
    """Levels, handlers and switches of `logging`."""

    def __init__(self) -> None:
        self._take()

    def _take(self) -> None:
        root = logging.root
        self._root = (root.level, list(root.handlers), list(root.filters), root.disabled)
        self._disable = root.manager.disable
        self._raise = logging.raiseExceptions
        self._loggers = dict(self._described())

    def restore(self, *, keep_new: bool) -> bool:
        """Put everything back; return False if that is not possible."""
        root = logging.root
        level, handlers, filters, disabled = self._root
        if (root.level, root.handlers, root.filters, root.disabled) != self._root:
            root.setLevel(level)
            root.handlers[:] = handlers
            root.filters[:] = filters
            root.disabled = disabled
        if root.manager.disable != self._disable:
            logging.disable(self._disable)
        if logging.raiseExceptions != self._raise:
            logging.raiseExceptions = self._raise
        now = dict(self._described())
        if now == self._loggers:
            return True
        if not keep_new:
            return False
        changed = any(now.get(name) != known for name, known in self._loggers.items())
        self._loggers = now
        return not changed

    def _described(self) -> list[tuple[str, tuple[Any, ...]]]:
        return [
            (name, (each.level, tuple(each.handlers), each.disabled, each.propagate))
            for name, each in list(logging.root.manager.loggerDict.items())
            if isinstance(each, logging.Logger)
            and (each.level or each.handlers or each.disabled or not each.propagate)
        ]


class _Patches:
    """Notices modules that a task has removed, and functions and values in them that it has replaced.

    Of libraries it looks at functions, classes, modules and floats with public names; a library may set other names of its own
    later. Of the project's modules it looks at every name, and into lists, sets and dicts: a step that counts in a global
    variable would count on from another step.
    """

    def __init__(self, project: str) -> None:
        self._project = f"{project.rstrip('/')}/"
        self._known: dict[str, ModuleType] = {}
        self._dictionaries: list[dict[str, Any]] = []
        self._names: list[str] = []
        self._values: list[Any] = []
        self._own: dict[str, tuple[ModuleType, dict[str, Any]]] = {}
        self._count = 0
        self.has_new_modules = False
        self._take_new()

    def find(self) -> str:
        """Return the name of a module that was changed; empty if none was."""
        modules = sys.modules
        if not all(map(is_, map(modules.get, self._known), self._known.values())):
            return "sys.modules"
        # One pass in C over everything that is looked at: it is done after every step.
        if not all(map(is_, map(dict.get, self._dictionaries, self._names), self._values)):
            return self._changed()
        for name, (module, state) in self._own.items():
            if modules.get(name) is not module or _differs(vars(module), state):
                return name
        self.has_new_modules = len(modules) != self._count
        if self.has_new_modules:
            self._take_new()
        return ""

    def _changed(self) -> str:
        looked_at = zip(self._dictionaries, self._names, self._values, strict=True)
        found = next((each, name) for each, name, value in looked_at if each.get(name) is not value)
        return f"{found[0].get('__name__')}.{found[1]}"

    def _take_new(self) -> None:
        for name, module in list(sys.modules.items()):
            if name in self._known or name in self._own or name in _SHARED:
                continue
            if not isinstance(module, ModuleType) or name in _RARE or name.startswith(_NOT_LOOKED_AT):
                continue
            dictionary = vars(module)
            if self._is_own(module):
                self._own[name] = (module, _state_of(dictionary))
                continue
            looked_at = {
                key: value
                for key, value in list(dictionary.items())
                if key[:1] != _IS_PRIVATE and _is_fixed(value)
            }
            self._known[name] = module
            self._dictionaries += [dictionary] * len(looked_at)
            self._names += looked_at
            self._values += looked_at.values()
        self._count = len(sys.modules)

    def _is_own(self, module: ModuleType) -> bool:
        file = getattr(module, "__file__", None)
        return (
            isinstance(file, str)
            and file.startswith(self._project)
            and not any(part in file for part in _LIBRARIES)
            and not module.__name__.startswith("magnus.")
        )


def _is_fixed(value: Any) -> bool:
    return isinstance(value, float | ModuleType) or callable(value)


def _state_of(dictionary: dict[str, Any]) -> dict[str, Any]:
    """Return what is compared of a project's module: each value, and what its containers hold."""
    return {
        name: (value, _content(value))
        for name, value in list(dictionary.items())
        if name != "__builtins__" and name != "__cached__"
    }


def _differs(dictionary: dict[str, Any], state: dict[str, Any]) -> bool:
    for name, (value, content) in state.items():
        if dictionary.get(name, _MISSING) is not value:
            return True
        if content is not None:
            now = _content(value)
            if now is None or len(now) != len(content) or not all(map(is_, now, content)):
                return True
    # A submodule that was imported meanwhile is a name of its package.
    return any(
        name not in state and not isinstance(value, ModuleType) and name not in {"__builtins__", "__cached__"}
        for name, value in list(dictionary.items())
    )


def _content(value: Any) -> list[Any] | None:
    kind = type(value)
    if kind is list:
        return list(value)
    if kind is dict:
        return [each for pair in value.items() for each in pair]
    if kind is set:
        return sorted(value, key=id)
    return None


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
