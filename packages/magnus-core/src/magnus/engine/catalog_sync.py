"""Files of a folder, and entries of a catalog, that patterns mean: globs, names that look like globs, links, order."""

from __future__ import annotations

import os
import stat
from functools import lru_cache
from typing import TYPE_CHECKING

from magnus.domain.file_patterns import NOTES_FOLDER, FilePattern
from magnus.domain.file_scopes import BRANCHES
from magnus.domain.patterns import pattern_problem
from magnus.errors import ExecutionError
from magnus.ports.catalog import TEMPORARY_PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from magnus.ports.catalog import CatalogEntry

_RESERVED = frozenset({BRANCHES, NOTES_FOLDER})


def find_files(folder: Path, patterns: Iterable[str], passed_over: dict[str, str] | None = None) -> list[str]:
    """Return the names, relative to *folder* and ordered, of the regular files in it that *patterns* mean.

    A pattern that is the name of a file or folder means that one, whatever characters the name holds. A link to a file
    within the folder is that file. A link to a folder is followed only where a part of the pattern stands for it, never by
    `**` or in a named folder, so that links cannot lead round in circles.

    Args:
        folder: The folder.
        patterns: The patterns.
        passed_over: Filled with what a wildcard met and could not take: names, each with its description.

    Raises:
        ExecutionError: A pattern cannot be used, or names a link that leads out of the folder; a link out that a
            wildcard meets is passed over.
    """
    base = os.fspath(folder)
    found: set[str] = set()
    met: dict[str, str] = {} if passed_over is None else passed_over
    for text in patterns:
        pattern = pattern_in(folder, text)
        found.update(_named(base, pattern, met) if pattern.is_literal else _walk(base, pattern, "", 0, met))
    return sorted(found)


def pattern_in(folder: Path, text: str) -> FilePattern:
    """Return what *text* means in *folder*: a name where there is such a file or folder, otherwise a pattern.

    Raises:
        ExecutionError: It is neither the name of anything there nor a pattern that can be used.
    """
    if not text.isprintable() or "*" in text or "?" in text or "[" in text:
        parts = text.split("/")
        is_inside = "\0" not in text and ".." not in parts and bool(parts[0])
        if is_inside and os.path.lexists(f"{os.fspath(folder)}/{text}"):
            return FilePattern.exactly(text)
    return compile_pattern(text)


def select_entries(entries: Sequence[CatalogEntry], patterns: Iterable[str]) -> list[CatalogEntry]:
    """Return those of *entries*, in their order, that *patterns* mean.

    Raises:
        ExecutionError: A pattern cannot be used.
    """
    compiled = [compile_pattern(pattern) for pattern in patterns]
    return [entry for entry in entries if any(pattern.matches(entry.name) for pattern in compiled)]


@lru_cache(maxsize=512)
def compile_pattern(pattern: str) -> FilePattern:
    """Return *pattern*, compiled.

    Raises:
        ExecutionError: It cannot be used.
    """
    if problem := pattern_problem(pattern):
        raise ExecutionError(problem)
    return FilePattern(pattern)


def _named(base: str, pattern: FilePattern, passed_over: dict[str, str]) -> Iterator[str]:
    """Yield what a pattern without wildcards names: a file, or all files of a folder."""
    path = f"{base}/{pattern.text}"
    if not _leads_inside(path, base):
        raise ExecutionError(
            f"{pattern.text!r} in {base} is a link, or lies behind one, that leads out of the folder to "
            f"{os.path.realpath(path)}; the catalog does not follow it: copy the file into the folder"
        )
    if os.path.isfile(path):
        yield pattern.text
    else:
        yield from _walk(base, pattern, pattern.text, pattern.text.count("/") + 1, passed_over)


def _walk(  # noqa: C901 - one rule after another for each item of a folder
    base: str, pattern: FilePattern, start: str, start_depth: int, passed_over: dict[str, str]
) -> Iterator[str]:
    pending = [(start, start_depth)]
    while pending:
        parent, depth = pending.pop()
        try:
            items = os.scandir(f"{base}/{parent}")
        except (FileNotFoundError, NotADirectoryError):
            continue
        except PermissionError as error:
            raise ExecutionError(
                f"the folder {error.filename} cannot be searched for {pattern.text!r}: {error.strerror}"
            ) from error
        with items:
            for item in items:
                if item.name.startswith(TEMPORARY_PREFIX) or (not parent and item.name in _RESERVED):
                    continue
                name = f"{parent}/{item.name}" if parent else item.name
                is_link = item.is_symlink()
                enters = item.is_dir() and pattern.may_enter(item.name, depth)
                if is_link and not _leads_inside(item.path, base):
                    if enters or pattern.matches(name):
                        passed_over[name] = f"a link to {os.path.realpath(item.path)}, outside the folder"
                elif enters and (not is_link or pattern.names_part(depth)):
                    pending.append((name, depth + 1))
                elif item.is_file() and pattern.matches(name):
                    yield name
                elif not item.is_dir() and pattern.matches(name):
                    passed_over[name] = _kind(item)


def _kind(item: os.DirEntry[str]) -> str:
    try:
        mode = item.stat().st_mode
    except OSError:
        return "a link that leads nowhere"
    kinds = {stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}
    return kinds.get(stat.S_IFMT(mode), "a device")


def _leads_inside(path: str, base: str) -> bool:
    real_base = os.path.realpath(base)
    return f"{os.path.realpath(path)}/".startswith(f"{real_base.rstrip('/')}/")
