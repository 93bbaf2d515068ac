"""Which code runs: asked of git once per run, while the run is being prepared."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from magnus.domain.run_log import CodeIdentity
from magnus.domain.wording import first_of

_GIT_SECONDS = 10
_NAMED_CHANGES = 5
_LOCATIONS = frozenset(
    {
        *(
            "GIT_ALTERNATE_OBJECT_DIRECTORIES",
            "GIT_COMMON_DIR",
            "GIT_DIR",
            "GIT_GRAFT_FILE",
            "GIT_IMPLICIT_WORK_TREE",
        ),
        *(
            "GIT_INDEX_FILE",
            "GIT_NAMESPACE",
            "GIT_OBJECT_DIRECTORY",
            "GIT_PREFIX",
            "GIT_SHALLOW_FILE",
            "GIT_WORK_TREE",
        ),
    }
)
"""Variables that say where a repository is; `git rev-parse --local-env-vars` lists them."""

_FIELDS_BEFORE_PATH = {"1": 8, "2": 9, "u": 10, "?": 1}
"""By the first field of a line of `git status --porcelain=v2`."""


class CodeIdentities:
    """The identities of the project in the working directory."""

    def __init__(self) -> None:
        """Start asking; the answer is collected by `get`."""
        self._found: list[CodeIdentity] | None = None
        self._status: subprocess.Popen[str] | None = None
        if _is_in_repository(Path.cwd()):
            self._status = _start("-c", "core.quotePath=false", "status", "--porcelain=v2", "--branch")

    def get(self) -> list[CodeIdentity]:
        """Return the identities; waits for git the first time."""
        if self._found is None:
            version = ".".join(str(part) for part in sys.version_info[:3])
            python = CodeIdentity(
                f"{sys.implementation.name} {version}", "python", code_identifier_dependable=True
            )
            git = self._git()
            self._found = [git, python] if git else [python]
        return self._found

    def _git(self) -> CodeIdentity | None:
        if self._status is None:
            return None
        lines, problem = _finish(self._status)
        if lines is None:
            # Silence would look like a project without a repository.
            return CodeIdentity("", "git", code_identifier_dependable=False, code_identifier_message=problem)
        commit = next((line.split()[2] for line in lines if line.startswith("# branch.oid ")), "")
        if not commit or commit.startswith("("):  # a repository without a commit says "(initial)"
            return None
        changes = [_changed_path(line) for line in lines if line[:1] in _FIELDS_BEFORE_PATH]
        message = ""
        if changes:
            message = f"uncommitted: {first_of(changes, _NAMED_CHANGES)}"
        url = _finish(_start("config", "--get", "remote.origin.url"))[0] or [""]
        return CodeIdentity(commit, "git", not changes, _without_password(url[0]), message)


def _changed_path(line: str) -> str:
    path = line.split(" ", _FIELDS_BEFORE_PATH[line[0]])[-1]
    return path.partition("\t")[0]  # behind the tab stands what a renamed file was called


def _is_in_repository(folder: Path) -> bool:
    return any((parent / ".git").exists() for parent in (folder, *folder.parents))


def _start(*arguments: str) -> subprocess.Popen[str] | None:
    try:
        return subprocess.Popen(
            ["git", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=git_environment(),
        )
    except OSError:
        return None


def git_environment() -> dict[str, str]:
    """Return the environment for git: without the variables that lead it to another repository, as within a git hook."""
    environment = {name: value for name, value in os.environ.items() if name not in _LOCATIONS}
    environment["GIT_OPTIONAL_LOCKS"] = "0"
    return environment


def _finish(process: subprocess.Popen[str] | None) -> tuple[list[str] | None, str]:
    """Return the lines that git has printed; None with the reason if it has failed."""
    if process is None:
        return None, "git is not installed"
    try:
        text, told = process.communicate(timeout=_GIT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return None, f"git did not answer within {_GIT_SECONDS} s"
    if process.returncode != 0:
        first = next((line for line in told.splitlines() if line.strip()), "")
        return None, f"git cannot be asked: {first.removeprefix('fatal: ')}"
    return text.splitlines(), ""


def _without_password(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}" if separator else url
