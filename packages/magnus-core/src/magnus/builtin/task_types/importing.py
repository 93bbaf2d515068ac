"""Finds the function that a dotted name stands for, and the dotted name of a function."""

from __future__ import annotations

import importlib
import os
import sys
from contextlib import contextmanager
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Any

from magnus.engine.reentry import importing
from magnus.ports.task_type import TaskFailedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

_found: dict[str, tuple[str, ModuleType, tuple[str, ...], Any]] = {}
"""By command: the working directory, the module, the names inside it, and what they led to."""

after_import: list[Callable[[], None]] = []
"""Called when a module was imported for a task, before the task begins."""

_from_directory: dict[str, str] = {}
"""The working directory from which we imported each module that lay there."""


@contextmanager
def project_on_path(directory: str) -> Iterator[str]:
    """Have the project folder *directory* first on `sys.path` for a while, and yield it."""
    present = directory in sys.path
    if not present:
        sys.path.insert(0, directory)
    try:
        yield directory
    finally:
        if not present and directory in sys.path:
            sys.path.remove(directory)


def find_function(command: str, directory: str) -> Callable[..., Any]:
    """Return what *command* (`module.function`, `package.module.Class.method`) names.

    Args:
        command: The dotted name.
        directory: The working directory, which is on `sys.path`.

    Raises:
        TaskFailedError: There is no such module, no such name in it, or it cannot be called.
        Exception: Whatever the module raised while it was imported.
    """
    known = _found.get(command)
    if known is not None:
        known_directory, module, names, function = known
        # A module that was reloaded or replaced, and a name that was patched, are looked up again.
        unchanged = known_directory == directory and sys.modules.get(module.__name__) is module
        if unchanged and _follow(module, names) == function:
            return function  # type: ignore[no-any-return]
    _forget_other_directories(directory)
    with importing(command.rpartition(".")[0]):
        module, names = _import_longest(command, directory)
    for notice in after_import:
        notice()
    function = _look_up(command, module, names)
    _found[command] = (directory, module, names, function)
    return function


def command_of(function: Callable[..., Any]) -> str:
    """Return the dotted name by which `find_function` finds *function*, also in another process.

    Raises:
        ValueError: It has none: a lambda, or a function inside a function.
    """
    name = getattr(function, "__qualname__", "")
    if not name:
        message = f"{function!r} has no name of its own; give the task a function that is defined in a module"
        raise ValueError(message)
    if "<lambda>" in name:
        message = (
            "a lambda has no name by which another process could find it; "
            "use a function, or its text with command_type='python-lambda'"
        )
        raise ValueError(message)
    if "<locals>" in name:
        message = (
            f"the function '{name}' is defined inside another function, where no other process could find it; "
            "move it to the top level of its module"
        )
        raise ValueError(message)
    module = function.__module__
    return f"{main_module_name() if module == '__main__' else module}.{name}"


def main_module_name() -> str:
    """Return the name under which the running script can be imported; `__main__` where there is no script."""
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None:  # python -m package.module
        name: str = spec.name
        return name.removesuffix(".__main__")
    file = getattr(main, "__file__", None)
    if file is None:  # an interactive session
        return "__main__"
    path = Path(file).resolve().with_suffix("")
    working_directory = Path.cwd()
    if path.is_relative_to(working_directory):
        parts = path.relative_to(working_directory).parts
        if all(part.isidentifier() for part in parts):
            return ".".join(parts)
    return path.name


def running_script() -> str:
    """Return the name under which another process can import the running script; empty where there is no script."""
    main = sys.modules.get("__main__")
    if main is None or getattr(main, "__file__", None) is None:
        return ""
    return main_module_name()


def import_running_script(name: str, directory: str) -> None:
    """Import the running script of another process by *name*, so that its functions can be called here.

    Raises:
        Exception: Whatever the script raises; `ReentryError` where it would run the pipeline again.
    """
    with project_on_path(directory), importing(name):
        _import(name, directory)


def _import_longest(command: str, directory: str) -> tuple[ModuleType, tuple[str, ...]]:
    """Import as much of *command* as is a module; the last part never is one."""
    parts = command.split(".")
    main = _main_for(command)
    if main is not None:
        return main
    for length in range(len(parts) - 1, 0, -1):
        name = ".".join(parts[:length])
        try:
            return _import(name, directory), tuple(parts[length:])
        except ModuleNotFoundError as error:
            # The module itself, or a package that should hold it, is missing: its name may be shorter. A module
            # that is there and cannot import something is the user's own error.
            if error.name is None or not f"{name}.".startswith(f"{error.name}."):
                raise
    searched = ", ".join(entry or "." for entry in sys.path)
    message = (
        f"cannot run '{command}': there is no module '{parts[0]}' to import. Searched: {searched}. "
        "Run magnus in the folder that holds the module, or install the package that it belongs to"
    )
    raise TaskFailedError(message)


def _main_for(command: str) -> tuple[ModuleType, tuple[str, ...]] | None:
    """Return the running script where *command* names a function in it: importing it would run the script again."""
    main = sys.modules["__main__"]
    for prefix in (f"{main_module_name()}.", "__main__."):
        names = tuple(command.removeprefix(prefix).split("."))
        if command.startswith(prefix) and callable(_follow(main, names)):
            return main, names
    return None


def _import(name: str, directory: str) -> ModuleType:
    if name in sys.modules:
        return importlib.import_module(name)
    before = set(sys.modules)
    _look_anew()
    try:
        return importlib.import_module(name)
    finally:
        for new in sys.modules.keys() - before:
            if _lies_in(new, directory):
                _from_directory[new] = directory


def _look_anew() -> None:
    """Have imports look at the folders again: an earlier step may have written the module a moment ago.

    `importlib.invalidate_caches` does the same, but newer Pythons import the whole of `importlib.metadata` for it.
    """
    for folder, finder in list(sys.path_importer_cache.items()):
        if finder is None:
            del sys.path_importer_cache[folder]
    finders = [*sys.path_importer_cache.values(), *(each for each in sys.meta_path if each is not PathFinder)]
    for each in finders:
        if (forget := getattr(each, "invalidate_caches", None)) is not None:
            forget()


def _lies_in(name: str, directory: str) -> bool:
    """Whether the module *name* was found in *directory* as its own file or package."""
    file = getattr(sys.modules.get(name), "__file__", None)
    stem = os.path.join(directory, *name.split("."))  # noqa: PTH118 - for every module that an import brings
    return file in (f"{stem}.py", os.path.join(stem, "__init__.py"))  # noqa: PTH118


def _forget_other_directories(directory: str) -> None:
    """Forget modules of a run in another working directory: one of the same name may lie here."""
    for name, origin in list(_from_directory.items()):
        if origin != directory:
            del _from_directory[name]
            sys.modules.pop(name, None)


def _follow(found: Any, names: tuple[str, ...]) -> Any:
    for name in names:
        found = getattr(found, name, None)
    return found


def _look_up(command: str, module: ModuleType, names: tuple[str, ...]) -> Callable[..., Any]:
    found: Any = module
    place = f"the module '{module.__name__}'"
    for name in names:
        if not hasattr(found, name):
            from difflib import get_close_matches

            public = [known for known in dir(found) if not known.startswith("_")]
            close = get_close_matches(name, public, n=1)
            where = f" ({module.__file__})" if getattr(module, "__file__", None) else ""
            hint = f"; did you mean '{close[0]}'?" if close else "; check the spelling, or define it there"
            message = f"cannot run '{command}': {place}{where} has no '{name}'{hint}"
            raise TaskFailedError(message)
        found = getattr(found, name)
        place = f"'{name}'"
    if not callable(found):
        message = f"cannot run '{command}': a {type(found).__name__} cannot be called; name a function"
        raise TaskFailedError(message)
    return found  # type: ignore[no-any-return]
