"""Which code runs: asked of git once per run, while the run is being prepared."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from magnus.domain.run_log import CodeIdentity

_GIT_SECONDS = 10
_NAMED_CHANGES = 5
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
        lines = _finish(self._status)
        if lines is None:
            return None
        commit = next((line.split()[2] for line in lines if line.startswith("# branch.oid ")), "")
        if not commit or commit.startswith("("):  # a repository without a commit says "(initial)"
            return None
        changes = [_changed_path(line) for line in lines if line[:1] in _FIELDS_BEFORE_PATH]
        message = ""
        if changes:
            more = f" and {len(changes) - _NAMED_CHANGES} more" if len(changes) > _NAMED_CHANGES else ""
            message = f"uncommitted: {', '.join(changes[:_NAMED_CHANGES])}{more}"
        url = _finish(_start("config", "--get", "remote.origin.url")) or [""]
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
            stderr=subprocess.DEVNULL,
            text=True,
            errors="replace",
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0"},
        )
    except OSError:
        return None


def _finish(process: subprocess.Popen[str] | None) -> list[str] | None:
    if process is None:
        return None
    try:
        text, _ = process.communicate(timeout=_GIT_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return None
    return text.splitlines() if process.returncode == 0 else None


def _without_password(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}" if separator else url
