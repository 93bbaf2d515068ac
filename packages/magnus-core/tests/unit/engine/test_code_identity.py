from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from magnus.engine.code_identity import CodeIdentities

if TYPE_CHECKING:
    from pathlib import Path

    from magnus.domain.run_log import CodeIdentity


def git(*arguments: str) -> str:
    """Run git in the working directory, whatever the user has configured."""
    settings = {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@example.org",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@example.org",
    }
    done = subprocess.run(
        ["git", *arguments], check=True, capture_output=True, text=True, env={**os.environ, **settings}
    )
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the working directory: a repository with one commit."""
    monkeypatch.chdir(tmp_path)
    git("init", "-q")
    (tmp_path / "work.py").write_text("1\n")
    git("add", "work.py")
    git("commit", "-q", "-m", "first")
    return tmp_path


def found() -> CodeIdentity:
    """Return the identity of the project."""
    project, python = CodeIdentities().get()
    assert python.code_identifier_type == "python"
    return project


def test_a_clean_commit_identifies_the_code(repository: Path) -> None:
    """Also from a folder inside the repository."""
    identity = found()
    assert identity.code_identifier == git("rev-parse", "HEAD")
    assert identity.code_identifier_type == "git"
    assert identity.code_identifier_dependable
    assert (identity.code_identifier_url, identity.code_identifier_message) == ("", "")
    (repository / "inner").mkdir()
    os.chdir(repository / "inner")
    assert found() == identity


def test_changes_make_the_commit_undependable(repository: Path) -> None:
    """Changed, staged, renamed and new files are named, with blanks and unicode in their names."""
    commit = git("rev-parse", "HEAD")
    (repository / "work.py").write_text("2\n")
    (repository / "new größe.py").write_text("3\n")
    identity = found()
    assert identity.code_identifier == commit
    assert not identity.code_identifier_dependable
    assert identity.code_identifier_message == "uncommitted: work.py, new größe.py"
    git("checkout", "-q", "work.py")
    git("mv", "work.py", "our work.py")
    assert found().code_identifier_message == "uncommitted: our work.py, new größe.py"


def test_only_a_few_changes_are_named(repository: Path) -> None:
    """The rest is counted."""
    for number in range(8):
        (repository / f"n{number}.py").write_text("")
    assert found().code_identifier_message == "uncommitted: n0.py, n1.py, n2.py, n3.py, n4.py and 3 more"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://host/a/b.git", "https://host/a/b.git"),
        ("https://user:hunter2@host/a/b.git", "https://host/a/b.git"),
        ("https://hunter2@host/a/b.git", "https://host/a/b.git"),
        ("https://user:hun@ter2@host/a", "https://host/a"),
        ("git@host:a/b.git", "git@host:a/b.git"),
    ],
)
@pytest.mark.usefixtures("repository")
def test_the_url_is_shown_without_credentials(url: str, shown: str) -> None:
    """A token in a remote is in the repository's configuration, and must not get into run logs."""
    git("config", "remote.origin.url", url)
    assert found().code_identifier_url == shown


def test_a_repository_without_a_commit_identifies_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The version of Python is all there is."""
    monkeypatch.chdir(tmp_path)
    git("init", "-q")
    assert [item.code_identifier_type for item in CodeIdentities().get()] == ["python"]


@pytest.mark.usefixtures("repository")
def test_without_git_the_run_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """In an image that holds the code and no git."""
    monkeypatch.setenv("PATH", "")
    assert [item.code_identifier_type for item in CodeIdentities().get()] == ["python"]


def test_outside_a_repository_git_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That would take as long as starting Python; the interpreter is named exactly."""
    monkeypatch.chdir(tmp_path)
    asked = tmp_path / "asked"
    (tmp_path / "git").write_text(f"#!/bin/sh\ntouch '{asked}'\n")
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    (python,) = CodeIdentities().get()
    assert not asked.exists()
    assert (
        python.code_identifier
        == f"{sys.implementation.name} {'.'.join(str(part) for part in sys.version_info[:3])}"
    )
    assert python.code_identifier_dependable
