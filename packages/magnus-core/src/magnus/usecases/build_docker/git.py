"""What git knows of the project."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from magnus.engine.code_identity import git_environment
from magnus.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

_GIT_SECONDS = 60


class _GitError(Exception):
    """Git could not do what it was asked for; the text is its own, in one line."""


def tracked_paths(folder: Path) -> list[str]:
    """Return what git tracks below *folder*, relative to it, with the files of submodules.

    A file that was deleted and a submodule that is not checked out are among them.

    Raises:
        ConfigurationError: Git does not know the folder, or tracks nothing in it.
    """
    try:
        listed = _git(folder, "ls-files", "-z", "--cached", "--recurse-submodules")
    except _GitError as error:
        raise ConfigurationError(
            f"git cannot tell which files belong to the project in '{folder}' ({error}); "
            "add --all to take every file of the folder"
        ) from error
    # A file in conflict is listed once for each side.
    paths = list(dict.fromkeys(os.fsdecode(path) for path in listed.split(b"\0") if path))
    if not paths:
        raise ConfigurationError(
            f"git tracks no file in '{folder}': 'git add' what the image is to hold, "
            "or add --all to take every file of the folder"
        )
    return paths


def commit_tag(folder: Path, *, with_untracked: bool) -> str:
    """Return the commit as a tag; it ends in `-dirty` if files of *folder* differ from it.

    Args:
        folder: The project.
        with_untracked: Whether files that git does not track go into the image too, so that they count.

    Raises:
        ConfigurationError: There is no commit.
    """
    untracked = "normal" if with_untracked else "no"
    try:
        commit = _git(folder, "rev-parse", "--verify", "HEAD").decode().strip()
        changes = _git(folder, "status", "--porcelain", f"--untracked-files={untracked}", "--", ".")
    except _GitError as error:
        raise ConfigurationError(
            f"--commit-tag needs a commit, and git knows none in '{folder}' ({error}); commit first, or use --tag"
        ) from error
    return f"{commit}-dirty" if changes else commit


def _git(folder: Path, *arguments: str) -> bytes:
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_GIT_SECONDS,
            env={**git_environment(), "LC_ALL": "C"},
        )
    except FileNotFoundError as error:
        raise _GitError("there is no git on PATH") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _GitError(str(error)) from error
    if done.returncode != 0:
        raise _GitError((done.stderr.decode(errors="replace").strip().splitlines() or ["it failed"])[0])
    return done.stdout
