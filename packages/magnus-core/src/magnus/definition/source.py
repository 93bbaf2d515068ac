"""Reads a YAML or JSON file into plain values that know where they stand in the file.

What YAML allows beyond JSON's values is refused with its position: other tags, names that are not text, the same key
twice, several documents, aliases that stand for too much. Anchors, aliases and `<<` work. A timestamp is text.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, NamedTuple

from magnus.definition.located import START, LocatedDict, LocatedList, Position, unpack
from magnus.definition.mistake import Mistake
from magnus.definition.variables import UnsetVariable, Variables
from magnus.errors import DefinitionError, Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from magnus.errors import InputError

__all__ = ["Document", "LocatedDict", "LocatedList", "Position", "read_document"]

_UTF_8_MARK = b"\xef\xbb\xbf"
_UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")


class Document(NamedTuple):
    """The content of one file.

    Attributes:
        path: The file as the user named it.
        value: `LocatedDict`, `LocatedList` or a scalar; from a `.json` file plain dicts and lists.
        position: Where *value* begins.
        used_variables: Names of the variables that were replaced.
        unset_variables: Variables that have no value and were left as they stand.
    """

    path: str
    value: Any
    position: Position
    used_variables: frozenset[str] = frozenset()
    unset_variables: tuple[UnsetVariable, ...] = ()

    def place(self, position: Position | None = None) -> str:
        """Render *position*, or where the value begins, as `path:line:col`."""
        return f"{self.path}:{position or self.position}"

    def problem(self, message: str, position: Position | None = None) -> Problem:
        """Return a mistake at *position*, or where the value begins."""
        return Problem(message, self.path, *(position or self.position))

    def unset_problems(self, keep: Callable[[UnsetVariable], bool]) -> list[Problem]:
        """Return a mistake for each variable without a value, except where *keep* says that it may stay as it is."""
        # What a merge brings into several mappings stands in the file once, so it is told once.
        problems = {
            self.problem(variable.message(), variable.position): None
            for variable in self.unset_variables
            if not keep(variable)
        }
        return list(problems)


def read_document(
    path: str | os.PathLike[str],
    *,
    text: bytes | None = None,
    environ: Mapping[str, str] | None = None,
    error: type[InputError] = DefinitionError,
) -> Document:
    """Read the one document that a file holds.

    Args:
        path: The file; messages show it as it is given here.
        text: The file's bytes, where they are known already; nothing is read from disk then.
        environ: Where `MAGNUS_VAR_NAME` is looked up for each `${NAME}`. A scalar that is one unquoted variable and
            nothing else takes the type that its value would have as YAML; all others stay text, and so do names.
            None leaves `${NAME}` alone; a `.json` file is then read by the rules of JSON instead of YAML.
        error: What is raised, for files that are not a definition.

    Raises:
        InputError: Of the type *error*; holds every mistake that was found.
    """
    shown = os.fspath(path)
    data = _read(shown, error) if text is None else text
    try:
        content = _decode(data)
    except _NotTextError as exc:
        raise error(
            Problem(exc.mistake.message, shown, exc.mistake.line, exc.mistake.column)
        ) from exc.__cause__
    if environ is None and shown.lower().endswith(".json"):
        from magnus.definition.json_text import parse_json

        value, mistakes = parse_json(content)
        _refuse(shown, mistakes, error)
        return Document(shown, value, START)

    from magnus.definition.yaml_tree import build_tree

    variables = None if environ is None else Variables(environ)
    tree = build_tree(content, variables)
    mistakes = tree.mistakes
    if tree.is_empty and not mistakes:
        mistakes = [Mistake("the file is empty; expected `name: value` lines", 1, 1)]
    _refuse(shown, mistakes, error)
    used = frozenset(variables.used) if variables else frozenset()
    return Document(shown, tree.value, unpack(tree.place), used, tree.unset)


def _refuse(path: str, mistakes: Iterable[Mistake], error: type[InputError]) -> None:
    """Raise *error* with all *mistakes* in the order of the file, if there are any."""
    ordered = sorted(mistakes, key=lambda mistake: (mistake.line or 0, mistake.column or 0))
    if ordered:
        raise error([Problem(mistake.message, path, mistake.line, mistake.column) for mistake in ordered])


def _read(path: str, error: type[InputError]) -> bytes:
    try:
        with open(path, "rb") as file:  # noqa: PTH123 - pathlib is not needed to read a file
            return file.read()
    except FileNotFoundError as exc:
        message = "no such file; check the name, and the folder that it is relative to"
        raise error(Problem(message, path)) from exc
    except IsADirectoryError as exc:
        raise error(Problem("this is a folder; name a file in it", path)) from exc
    except PermissionError as exc:
        raise error(Problem("no permission to read the file; change its mode or its owner", path)) from exc
    except OSError as exc:
        message = f"the file cannot be read ({exc.strerror or exc}); check that the path is right"
        raise error(Problem(message, path)) from exc
    except ValueError as exc:
        raise error(Problem(f"no file can have this name ({exc}); check the path", repr(path))) from exc


class _NotTextError(Exception):
    def __init__(self, mistake: Mistake) -> None:
        super().__init__(mistake.message)
        self.mistake = mistake


def _decode(data: bytes) -> str:
    """Decode UTF-8, or UTF-16 that says so with a byte order mark; the mark is taken off."""
    encoding = "utf-16" if data.startswith(_UTF_16_MARKS) else "utf-8"
    skipped = len(_UTF_8_MARK) if data.startswith(_UTF_8_MARK) else 0
    try:
        content = data[skipped:].decode(encoding)
    except UnicodeDecodeError as exc:
        offset = exc.start + skipped
        found = f"byte 0x{data[offset]:02x} at offset {offset} is not {encoding.upper()}"
        position = _position_of_byte(data, offset, encoding)
        raise _NotTextError(Mistake(f"{found}; expected a text file saved as UTF-8", *position)) from exc
    if "\0" in content:
        index = content.index("\0")
        offset = len(content[:index].encode()) + skipped if encoding == "utf-8" else 2 * index + 2
        message = f"a zero byte at offset {offset}; expected a text file, and this looks like a binary one"
        column = index - content.rfind("\n", 0, index)
        raise _NotTextError(Mistake(message, content.count("\n", 0, index) + 1, column))
    return content


def _position_of_byte(data: bytes, offset: int, encoding: str) -> Position:
    before = data[:offset].decode(encoding, "replace").removeprefix("\ufeff")
    return Position(before.count("\n") + 1, len(before) - before.rfind("\n"))
