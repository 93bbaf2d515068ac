"""Notices what a task has changed in modules: the next step would find it."""

from __future__ import annotations

import sys
from gc import get_referents
from operator import eq, is_
from types import FunctionType, ModuleType
from typing import TYPE_CHECKING, Any

from magnus.worker.contents import content_of

if TYPE_CHECKING:
    from collections.abc import Callable

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
_OTHER_NAMES = frozenset({"__mp_main__"})
"""Under which libraries find a module that has another name as well."""

_CLASSES_OF = frozenset(
    {
        "http.client",
        "json",
        "json.decoder",
        "json.encoder",
        "logging",
        "pathlib",
        "socket",
        "ssl",
        "subprocess",
        "threading",
        "urllib.request",
    }
)
"""Modules of the standard library whose classes are looked into: those of all modules would take longer than a step."""

_IS_PRIVATE = "_"
_MISSING = object()


class Patches:
    """Notices modules that a task has removed, and functions and values in them that it has replaced.

    Of libraries it looks at functions, classes, modules and floats with public names; a library may set other names of its own
    later. Of the standard library it looks at private functions, at names that are added, and into some classes, too. Of the
    project's modules it looks at every name, and into lists, sets and dicts: a step that counts in a global
    variable would count on from another step.
    """

    def __init__(self, project: str) -> None:
        self._project = f"{project.rstrip('/')}/"
        self._known: dict[str, ModuleType] = {}
        self._watched: list[dict[str, Any]] = []
        self._copies: list[dict[str, Any]] = []
        self._matters: list[Callable[[str, Any], bool]] = []
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
        if not self._is_same() and (changed := self._changed()):
            return changed
        for name, (module, state) in self._own.items():
            if modules.get(name) is not module or self._differs(vars(module), state):
                return name
        self.has_new_modules = len(modules) != self._count
        if self.has_new_modules:
            self._take_new(is_during_task=True)
        return self._made_up

    def notice_imports(self) -> None:
        """Remember modules as they are now, behind their import: from here on a task may change them."""
        self._take_new()

    def _is_same(self) -> bool:
        """Return True if nothing at all has changed: found in C, since there are thousands of names after every step."""
        try:
            return all(map(eq, self._watched, self._copies))
        except Exception:  # noqa: BLE001 - a value was replaced by another that cannot be compared
            return False

    def _changed(self) -> str:
        """Return the first name that was changed and matters; take over what does not."""
        for index, (dictionary, known) in enumerate(zip(self._watched, self._copies, strict=True)):
            if _is_identical(dictionary, known):
                continue
            matters = self._matters[index]
            for name, value in known.items():
                now = dictionary.get(name)
                if now is not value and matters(name, value) and not _has_replaced_itself(dictionary, now):
                    return f"{dictionary.get('__name__')}.{name}"
            if matters is _matters_in_standard and (added := _public_names(dictionary) - known.keys()):
                return f"{dictionary.get('__name__')}.{min(added)}"
            self._copies[index] = dict(dictionary)
        return ""

    def _take_new(self, *, is_during_task: bool = False) -> None:
        modules: list[tuple[str, Any]] = list(sys.modules.items())  # a library may put anything there
        for name, module in modules:
            if name in self._known or name in self._own or name in SHARED or name in _OTHER_NAMES:
                continue
            if is_during_task and _is_made_up(name, module):
                self._made_up = name
            if not isinstance(module, ModuleType):
                continue
            if name not in _CLASSES_OF and (name in _RARE or name.startswith(_NOT_LOOKED_AT)):
                continue
            dictionary = vars(module)
            if self._is_own(module):
                self._own[name] = (module, self._state_of(dictionary))
                continue
            self._known[name] = module
            self._watch(dictionary, _matters_in_standard if _is_standard(dictionary) else _matters_in_library)
            if name in _CLASSES_OF:
                for each in list(dictionary.values()):
                    if isinstance(each, type) and each.__module__ == name:
                        (attributes,) = get_referents(vars(each))
                        self._watch(attributes, _matters_in_class)
        self._count = len(sys.modules)

    def _watch(self, dictionary: dict[str, Any], matters: Callable[[str, Any], bool]) -> None:
        self._watched.append(dictionary)
        self._copies.append(dict(dictionary))
        self._matters.append(matters)

    def _is_own(self, module: ModuleType) -> bool:
        file = getattr(module, "__file__", None)
        return (
            isinstance(file, str)
            and file.startswith(self._project)
            and not any(part in file for part in _LIBRARIES)
            and not module.__name__.startswith("magnus.")
        )

    def _state_of(self, dictionary: dict[str, Any]) -> dict[str, Any]:
        """Return what is compared of a project's module: each value, and what it holds."""
        return {
            name: (value, content_of(value, self._is_name_of_own))
            for name, value in list(dictionary.items())
            if name not in {"__builtins__", "__cached__"}
        }

    def _differs(self, dictionary: dict[str, Any], state: dict[str, Any]) -> bool:
        for name, (value, content) in state.items():
            if dictionary.get(name, _MISSING) is not value:
                return True
            if content is not None and content_of(value, self._is_name_of_own) != content:
                return True
        # A submodule that was imported meanwhile is a name of its package.
        return any(
            name not in state
            and not isinstance(value, ModuleType)
            and name not in {"__builtins__", "__cached__"}
            for name, value in list(dictionary.items())
        )

    def _is_name_of_own(self, name: str) -> bool:
        module = sys.modules.get(name)
        return name in self._own or (isinstance(module, ModuleType) and self._is_own(module))


def _is_identical(dictionary: dict[str, Any], known: dict[str, Any]) -> bool:
    return len(dictionary) == len(known) and all(map(is_, map(dictionary.get, known), known.values()))


def _matters_in_library(name: str, value: Any) -> bool:
    return name[:1] != _IS_PRIVATE and (isinstance(value, float | str | ModuleType) or callable(value))


def _matters_in_standard(name: str, value: Any) -> bool:
    return _matters_in_library(name, value) or callable(value)


def _matters_in_class(_: str, value: Any) -> bool:
    return callable(value)


def _public_names(dictionary: dict[str, Any]) -> set[str]:
    return {
        name
        for name, value in list(dictionary.items())
        if name[:1] != _IS_PRIVATE and not isinstance(value, ModuleType)
    }


def _is_standard(dictionary: dict[str, Any]) -> bool:
    name = str(dictionary.get("__name__")).partition(".")[0]
    return name in sys.stdlib_module_names and name != "typing"  # which `typing_extensions` changes


def _is_made_up(name: str, module: Any) -> bool:
    """Return True for a module that was put into `sys.modules` by hand, or blocked there, and not by an import.

    Extension modules make some of their own: below themselves, or, those of Cython, some that they share.
    """
    if module is None:
        return True
    if (
        getattr(module, "__spec__", _MISSING) is not None
        or name.startswith("_cython_")
        or name == "cython_runtime"
    ):
        return False
    around = sys.modules.get(name.rpartition(".")[0])
    return getattr(around, "__spec__", None) is None


def _has_replaced_itself(dictionary: dict[str, Any], value: Any) -> bool:
    """Return True if a library has put one of its own functions in the place of another, as some do at their first use."""
    file = dictionary.get("__file__")
    return (
        isinstance(value, FunctionType)
        and value.__module__ == dictionary.get("__name__")
        and isinstance(file, str)
        and any(part in file for part in _LIBRARIES)
    )
