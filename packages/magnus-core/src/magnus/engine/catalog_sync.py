"""Which files a step takes from the catalog and leaves there: globs, links, order, and what if nothing matches."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from magnus.domain.file_patterns import LOG_FOLDER, FilePattern
from magnus.domain.patterns import pattern_problem
from magnus.domain.run_log import DataCatalog
from magnus.errors import ExecutionError
from magnus.ports.catalog import TEMPORARY_PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from magnus.domain.nodes import CatalogSettings
    from magnus.ports.catalog import Catalog, CatalogEntry

_NAMES_SHOWN = 5


def get_files(catalog: Catalog, run_id: str, folder: Path, settings: CatalogSettings) -> list[DataCatalog]:
    """Bring what the `get` and `optional` patterns of *settings* mean to *folder*.

    Returns:
        One entry of stage `get` for each file, ordered by name; a file that two patterns mean is there once.

    Raises:
        ExecutionError: A `get` pattern that is not `optional` as well matches nothing in the catalog.
        CatalogError: The catalog could not bring a file.
    """
    if not settings.get and not settings.optional:
        return []
    patterns = dict.fromkeys((*settings.get, *settings.optional))
    entries = catalog.list_entries(run_id)
    found: dict[str, CatalogEntry] = {}
    for pattern in patterns:
        selected = select_entries(entries, [pattern])
        if not selected and pattern not in settings.optional and not catalog.stores_nothing:
            raise ExecutionError(_nothing_to_get(pattern, run_id, entries))
        found.update((entry.name, entry) for entry in selected)
    wanted = [found[name] for name in sorted(found)]
    if wanted:
        catalog.get(run_id, folder, wanted)
    return _logged(wanted, "get")


def put_files(catalog: Catalog, run_id: str, folder: Path, patterns: Iterable[str]) -> list[DataCatalog]:
    """Store the files in *folder* that *patterns* mean.

    Returns:
        One entry of stage `put` for each file, ordered by name; a file that two patterns mean is there once.

    Raises:
        ExecutionError: A pattern without wildcards names nothing, or a link that leads out of *folder*. A glob that
            matches nothing is no failure: it says that there may be any number of files.
        CatalogError: The catalog could not store a file.
    """
    found: set[str] = set()
    for pattern in patterns:
        names = find_files(folder, [pattern])
        if not names and _compiled(pattern).is_literal and not (folder / pattern).is_dir():
            raise ExecutionError(
                f"the step should have left {pattern!r} in {folder}, to be put in the catalog, but there is no such "
                "file or folder; write the file there, or use a glob if it may be missing"
            )
        found.update(names)
    return put_names(catalog, run_id, folder, sorted(found))


def put_names(catalog: Catalog, run_id: str, folder: Path, names: Sequence[str]) -> list[DataCatalog]:
    """Store files by name, whatever characters the names hold.

    Returns:
        One entry of stage `put` for each of *names*.

    Raises:
        CatalogError: The catalog could not store a file.
    """
    return _logged(catalog.put(run_id, folder, names), "put") if names else []


def find_files(folder: Path, patterns: Iterable[str]) -> list[str]:
    """Return the names, relative to *folder* and ordered, of the regular files in it that *patterns* mean.

    A link to a file within the folder is that file. A link to a folder is followed only where a part of the pattern
    stands for it, never by `**` or in a named folder, so that links cannot lead round in circles.

    Raises:
        ExecutionError: A pattern cannot be used, or names a link that leads out of the folder; a link out that a
            wildcard meets is passed over.
    """
    base = os.fspath(folder)
    found: set[str] = set()
    for text in patterns:
        pattern = _compiled(text)
        found.update(_named(base, pattern) if pattern.is_literal else _walk(base, pattern, "", 0))
    return sorted(found)


def select_entries(entries: Sequence[CatalogEntry], patterns: Iterable[str]) -> list[CatalogEntry]:
    """Return those of *entries*, in their order, that *patterns* mean.

    Raises:
        ExecutionError: A pattern cannot be used.
    """
    compiled = [_compiled(pattern) for pattern in patterns]
    return [entry for entry in entries if any(pattern.matches(entry.name) for pattern in compiled)]


def _compiled(pattern: str) -> FilePattern:
    if problem := pattern_problem(pattern):
        raise ExecutionError(problem)
    return FilePattern(pattern)


def _named(base: str, pattern: FilePattern) -> Iterator[str]:
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
        yield from _walk(base, pattern, pattern.text, pattern.text.count("/") + 1)


def _walk(base: str, pattern: FilePattern, start: str, start_depth: int) -> Iterator[str]:
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
                if item.name.startswith(TEMPORARY_PREFIX):
                    continue
                name = f"{parent}/{item.name}" if parent else item.name
                is_link = item.is_symlink()
                if is_link and not _leads_inside(item.path, base):
                    continue
                if item.is_dir():
                    if pattern.may_enter(item.name, depth) and (not is_link or pattern.names_part(depth)):
                        pending.append((name, depth + 1))
                elif item.is_file() and pattern.matches(name):
                    yield name


def _leads_inside(path: str, base: str) -> bool:
    real_base = os.path.realpath(base)
    return f"{os.path.realpath(path)}/".startswith(f"{real_base.rstrip('/')}/")


def _logged(entries: Iterable[CatalogEntry], stage: str) -> list[DataCatalog]:
    return [DataCatalog(entry.name, entry.data_hash, entry.size, stage, entry.location) for entry in entries]


def _nothing_to_get(pattern: str, run_id: str, entries: Sequence[CatalogEntry]) -> str:
    names = [entry.name for entry in entries if not entry.name.startswith(f"{LOG_FOLDER}/")]
    held = ", ".join(names[:_NAMES_SHOWN]) or "no file"
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return (
        f"nothing that {pattern!r} means is in the catalog of run {run_id}, which holds {held}{more}; "
        "let a step before this one put it, or list the pattern under 'optional' if it may be missing"
    )
