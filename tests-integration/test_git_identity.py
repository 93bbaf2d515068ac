"""The commit in the run log is that of the project, wherever git itself is led to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from harness import chain, shell

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harness import Project

LOCATIONS = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR")


@pytest.fixture
def repository(project: Project) -> Project:
    """Return a project in a repository with a commit, beside which there is another repository."""
    project.write("pipeline.yaml", {"dag": chain({"one": shell("true")})})
    for folder in (".", "elsewhere"):
        (project.folder / folder).mkdir(exist_ok=True)
        (project.folder / folder / "file").write_text(folder)
        for arguments in (
            ["init", "-q"],
            ["add", "file"],
            ["-c", "user.name=n", "-c", "user.email=e", "commit", "-q", "-m", folder],
        ):
            done = project.call("git", "-C", folder, *arguments)
            assert done.returncode == 0, done.stderr
    return project


def identity(log: Mapping[str, Any]) -> dict[str, Any]:
    """Return the identity that git gave."""
    (found,) = [
        each for each in log["steps"]["one"]["code_identities"] if each["code_identifier_type"] == "git"
    ]
    return dict(found)


def test_the_variables_of_a_git_hook_do_not_lead_to_another_repository(repository: Project) -> None:
    """The field case: a hook of another repository calls magnus."""
    expected = repository.call("git", "rev-parse", "HEAD").stdout.strip()
    other = repository.folder / "elsewhere" / ".git"
    for variables in ({"GIT_DIR": str(other)}, dict.fromkeys(LOCATIONS, str(other))):
        assert identity(repository.execute(**variables))["code_identifier"] == expected


def test_a_repository_of_another_owner_is_told(repository: Project) -> None:
    """Git refuses it, and the run log says so instead of nothing."""
    found = identity(repository.execute(GIT_TEST_ASSUME_DIFFERENT_OWNER="1"))
    assert found["code_identifier"] == ""
    assert found["code_identifier_dependable"] is False
    assert "dubious ownership" in found["code_identifier_message"]
