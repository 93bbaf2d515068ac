"""Finds how the project says what it depends on."""

from __future__ import annotations

import posixpath
import re
import tomllib
from enum import StrEnum
from typing import TYPE_CHECKING, Any, NamedTuple

from magnus.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from magnus.usecases.build_docker.files import Chosen

PROJECT_FILE = "pyproject.toml"
REQUIREMENTS = "requirements.txt"

_OTHER_FILE = re.compile(r"^\s*(?:-r|--requirement|-c|--constraint)[\s=]*(?P<file>[^\s#]+)", re.MULTILINE)
_LOCAL = re.compile(
    r"^\s*(?:-e\b|--editable\b|file:|[^\s#@]+\s*@\s*file:|\.{0,2}/|\.\s*(?:$|\[))", re.MULTILINE
)


class Style(StrEnum):
    """By what a project's dependencies are kept."""

    UV = "uv"
    POETRY = "poetry"
    PIP = "pip"


_LOCKS = {Style.UV: "uv.lock", Style.POETRY: "poetry.lock"}


class Dependencies(NamedTuple):
    """How the project's dependencies are installed.

    Attributes:
        style: By what they are kept.
        files: What installing them needs; empty if the project has none.
        needs_project: Whether it needs all the project's files as well, since some dependency lies among them.
        is_package: Whether the project itself has to be installed for its modules to be found.
    """

    style: Style
    files: Sequence[str] = ()
    needs_project: bool = False
    is_package: bool = False


def find_dependencies(folder: Path, chosen: Chosen, style: Style | None) -> Dependencies:
    """Look at the files that go into the image; others cannot be installed from.

    Args:
        folder: The project.
        chosen: Its files.
        style: None to find it out by the files.

    Raises:
        ConfigurationError: A file that *style* needs does not go into the image, or one cannot be read.
    """
    if style is None:
        style = next((each for each, lock in _LOCKS.items() if chosen.has(lock)), Style.PIP)
    project = _project(folder) if chosen.has(PROJECT_FILE) else {}
    is_package = "build-system" in project
    if style is not Style.PIP:
        locked = (PROJECT_FILE, _LOCKS[style])
        for file in locked:
            if not chosen.has(file):
                raise ConfigurationError(
                    f"the style '{style}' needs '{file}', which is not among the files that go into the image; "
                    "make it and let git track it, or name another by --style"
                )
        return Dependencies(style, locked, is_package=is_package)
    if chosen.has(REQUIREMENTS):
        files, needs_project = _requirement_files(folder, chosen)
        return Dependencies(style, files, needs_project, is_package)
    if "project" in project:
        return Dependencies(style, (PROJECT_FILE,), is_package=is_package)
    return Dependencies(style)


def _project(folder: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(_read(folder / PROJECT_FILE))
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{PROJECT_FILE}: {error}; mend it and build again") from error


def _requirement_files(folder: Path, chosen: Chosen) -> tuple[tuple[str, ...], bool]:
    """Return the requirements with all files that they name, and whether they name something of the project itself."""
    found = [REQUIREMENTS]
    needs_project = False
    for file in found:  # grows meanwhile
        text = _read(folder / file)
        needs_project = needs_project or _LOCAL.search(text) is not None
        for match in _OTHER_FILE.finditer(text):
            named = match["file"]
            if "://" in named:
                continue
            other = posixpath.normpath(posixpath.join(posixpath.dirname(file), named))
            if not chosen.has(other):
                raise ConfigurationError(
                    f"{file} names '{named}', which is not among the files that go into the image; "
                    "let git track it, or take that line out"
                )
            if other not in found:
                found.append(other)
    return tuple(found), needs_project


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"'{path}' cannot be read: {error}; mend it and build again") from error
