from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from magnus.errors import ConfigurationError
from magnus.usecases.build_docker.git import commit_tag
from magnus.usecases.build_docker.names import image_references

if TYPE_CHECKING:
    from tests.unit.usecases.build_docker.conftest import Project


@pytest.mark.parametrize(
    ("image", "tag", "by_commit", "references"),
    [
        ("app", None, False, ["app:latest"]),
        ("app:1", None, False, ["app:1"]),
        ("app", "1.0_x-y", False, ["app:1.0_x-y"]),
        ("app:1", "1", False, ["app:1"]),
        ("app", None, True, ["app:c0ffee"]),
        ("app", "1", True, ["app:1", "app:c0ffee"]),
        ("app:c0ffee", None, True, ["app:c0ffee"]),
        ("localhost:5000/team/my-app", None, False, ["localhost:5000/team/my-app:latest"]),
        ("Registry.Example/a__b/c.d:2", None, False, ["Registry.Example/a__b/c.d:2"]),
    ],
)
def test_an_image_is_called_by_what_was_asked_for(
    image: str, tag: str | None, references: list[str], *, by_commit: bool
) -> None:
    """The commit stands in the place of the default, and beside a tag of one's own."""
    assert list(image_references(image, tag, (lambda: "c0ffee") if by_commit else None)) == references


@pytest.mark.parametrize(
    ("image", "tag", "said"),
    [
        (
            "My App",
            None,
            (
                "'My App' cannot be the name of an image: it takes small letters, digits and '.', '_', '-' between them, "
                "in parts joined by '/', and then perhaps ':' and a tag; such as 'registry.example/team/project:1'"
            ),
        ),
        ("", None, "'' cannot be the name of an image: "),
        ("app@sha256:1", None, "'app@sha256:1' cannot be the name of an image: "),
        ("a//b", None, "'a//b' cannot be the name of an image: "),
        ("app:1", "2", "the image has the tag '1' in its name and '2' by --tag; give one"),
        (
            "app",
            "-x",
            (
                "'-x' cannot be the tag of an image: it takes 1 to 128 letters, digits, '_', '.' and '-', "
                "and does not begin with '.' or '-'"
            ),
        ),
        ("app:", None, "'' cannot be the tag of an image: "),
        ("app", "ü", "'ü' cannot be the tag of an image: "),
    ],
)
def test_a_name_that_no_engine_takes_is_refused(image: str, tag: str | None, said: str) -> None:
    """Before anything is built."""
    with pytest.raises(ConfigurationError) as caught:
        image_references(image, tag, None)
    assert str(caught.value).startswith(said)
    assert said.endswith(": ") or str(caught.value) == said


def test_the_tag_of_a_commit_says_whether_the_files_are_those_of_the_commit(project: Project) -> None:
    """Files that git does not track count where they go in."""
    project.track("a.py", "1")
    commit = project.commit()
    assert commit_tag(project.folder, with_untracked=True) == commit
    project.write("new.py")
    assert commit_tag(project.folder, with_untracked=False) == commit
    assert commit_tag(project.folder, with_untracked=True) == f"{commit}-dirty"
    project.write("a.py", "2")
    assert commit_tag(project.folder, with_untracked=False) == f"{commit}-dirty"


def test_without_a_commit_there_is_no_tag_of_one(project: Project) -> None:
    """It is said what to do."""
    with pytest.raises(ConfigurationError) as caught:
        commit_tag(project.folder, with_untracked=False)
    assert str(caught.value) == (
        f"--commit-tag needs a commit, and git knows none in '{project.folder}' "
        "(fatal: Needed a single revision); commit first, or use --tag"
    )
