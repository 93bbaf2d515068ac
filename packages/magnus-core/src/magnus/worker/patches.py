"""Notices what a task has changed in modules: the next step would find it."""

from __future__ import annotations

import sys
from operator import is_
from types import ModuleType
from typing import Any

from magnus.worker.contents import content_of

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
        "signal",
        "socket",
        "errno",
        "locale",
        "enum",
        "weakref",
    }
)
_LIBRARIES = ("site-packages", "dist-packages")
SHARED = frozenset({"builtins", "__main__"})
_IS_PRIVATE = "_"
_MISSING = object()


class Patches:
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
        self._made_up = ""
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
        return self._made_up

    def notice_imports(self) -> None:
        """Remember modules as they are now, behind their import: from here on a task may change them."""
        self._take_new()

    def _changed(self) -> str:
        looked_at = zip(self._dictionaries, self._names, self._values, strict=True)
        found = next((each, name) for each, name, value in looked_at if each.get(name) is not value)
        return f"{found[0].get('__name__')}.{found[1]}"

    def _take_new(self) -> None:
        modules: list[tuple[str, Any]] = list(sys.modules.items())  # a library may put anything there
        for name, module in modules:
            if name in self._known or name in self._own or name in SHARED:
                continue
            if module is None or (getattr(module, "__spec__", _MISSING) is None and self._count):
                self._made_up = name  # blocked, or made by hand: no import has put it there
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
    return isinstance(value, float | str | ModuleType) or callable(value)


def _state_of(dictionary: dict[str, Any]) -> dict[str, Any]:
    """Return what is compared of a project's module: each value, and what it holds."""
    return {
        name: (value, content_of(value))
        for name, value in list(dictionary.items())
        if name not in {"__builtins__", "__cached__"}
    }


def _differs(dictionary: dict[str, Any], state: dict[str, Any]) -> bool:
    for name, (value, content) in state.items():
        if dictionary.get(name, _MISSING) is not value:
            return True
        if content is not None and content_of(value) != content:
            return True
    # A submodule that was imported meanwhile is a name of its package.
    return any(
        name not in state and not isinstance(value, ModuleType) and name not in {"__builtins__", "__cached__"}
        for name, value in list(dictionary.items())
    )
