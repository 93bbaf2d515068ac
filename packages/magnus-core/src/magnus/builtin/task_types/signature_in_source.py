"""What a function asks for, read from its source: nothing is imported, so nothing of the user's runs."""

from __future__ import annotations

import ast
import sys
from functools import lru_cache
from importlib.machinery import PathFinder, SourceFileLoader
from pathlib import Path


def required_arguments(command: str) -> list[str]:
    """Return the arguments without default of the function `module.function`.

    Returns:
        None of them where that cannot be told: the module or the function is not found as plain source, is decorated,
        or is not a function at the top of its module.
    """
    found = _function(command)
    if found is None or found.decorator_list:
        return []
    return required_by(found.args)


def is_generator(command: str) -> bool:
    """Return True if the function `module.function` holds a `yield` of its own; False where that cannot be told."""
    found = _function(command)
    if found is None or found.decorator_list:
        return False
    pending: list[ast.AST] = list(found.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Yield | ast.YieldFrom):
            return True
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            pending += ast.iter_child_nodes(node)
    return False


def _function(command: str) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    """Return the function at the top of its module; None where it is not found as plain source."""
    module, _, name = command.rpartition(".")
    source = _source_of(module)
    tree = None if source is None else _tree(source)
    found: ast.FunctionDef | ast.AsyncFunctionDef | None = None
    for statement in tree.body if tree is not None else ():
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef) and statement.name == name:
            found = statement
    return found


@lru_cache(maxsize=16)
def _tree(source: bytes) -> ast.Module | None:
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError):  # the step itself tells
        return None


def required_by(arguments: ast.arguments) -> list[str]:
    """Return the names of the arguments that have no default."""
    positional = [*arguments.posonlyargs, *arguments.args]
    without_default = positional[: len(positional) - len(arguments.defaults)]
    named = zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    return [
        argument.arg for argument in (*without_default, *(item for item, default in named if default is None))
    ]


def _source_of(module: str) -> bytes | None:
    """Return the source of *module*, found as an import from the working directory would find it."""
    path: list[str] | None = [str(Path.cwd()), *sys.path]
    spec = None
    for part in module.split("."):
        spec = PathFinder.find_spec(part, path)
        if spec is None:
            return None
        path = list(spec.submodule_search_locations or ())
    if spec is None or not isinstance(spec.loader, SourceFileLoader) or spec.origin is None:
        return None
    try:
        return spec.loader.get_data(spec.origin)
    except OSError:
        return None
