"""A project in a git repository."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


class Project:
    """A folder with files, some of which git tracks."""

    def __init__(self, folder: Path) -> None:
        """Make an empty repository in *folder*."""
        self.folder = folder
        self.git("init", "--quiet")

    def git(self, *arguments: str) -> str:
        """Run git in the folder; nothing of this machine's configuration counts."""
        command = ["git", "-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
        done = subprocess.run(
            [*command, *arguments], cwd=self.folder, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def write(self, path: str, text: str = "text\n") -> Path:
        """Write a file that git does not track yet."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        return target

    def track(self, path: str, text: str = "text\n") -> Path:
        """Write a file and have git track it."""
        target = self.write(path, text)
        self.git("add", "--force", path)
        return target

    def commit(self) -> str:
        """Commit what is tracked; return the commit."""
        self.git("commit", "--quiet", "--message", "x")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return an empty project; it is the working directory."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):  # set where a hook of git runs the tests
        monkeypatch.delenv(name, raising=False)
    return Project(folder)
