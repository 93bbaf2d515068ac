from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from magnus.errors import ConfigurationError
from magnus.usecases.build_docker.files import choose_files

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.usecases.build_docker.conftest import Project


def paths(folder: Path, *, every: bool = False) -> list[str]:
    """Return the paths of what is chosen."""
    return [file.path for file in choose_files(folder, every=every).files]


def test_what_git_tracks_goes_in_as_it_is_in_the_working_tree(project: Project) -> None:
    """With changes, without what was deleted, and without what nobody added."""
    project.track("src/a b.py", "old")
    project.track("ümläut.txt")
    project.track("gone.py")
    project.commit()
    project.write("src/a b.py", "much newer")
    project.write("new.py")
    (project.folder / "gone.py").unlink()
    chosen = choose_files(project.folder, every=False)
    assert [(file.path, file.size) for file in chosen.files] == [("src/a b.py", 10), ("ümläut.txt", 5)]
    assert chosen.size == 15
    assert chosen.remarks == []


def test_a_folder_of_a_repository_is_a_project_of_its_own(project: Project) -> None:
    """Files beside it stay out, and the paths are relative to it."""
    project.track("beside.py")
    project.track("inner/a.py")
    assert paths(project.folder / "inner") == ["a.py"]


def test_files_of_submodules_go_in_and_one_that_is_not_there_is_told(
    project: Project, tmp_path: Path
) -> None:
    """What is not checked out cannot be copied."""
    (tmp_path / "other").mkdir()
    other = type(project)(tmp_path / "other")
    other.track("lib.py")
    other.commit()
    project.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(other.folder), "sub")
    assert paths(project.folder) == [".gitmodules", "sub/lib.py"]
    project.git("submodule", "--quiet", "deinit", "--force", "sub")
    chosen = choose_files(project.folder, every=False)
    assert [file.path for file in chosen.files] == [".gitmodules"]
    assert chosen.remarks == [
        "left out: 'sub' is a submodule that is not checked out; 'git submodule update --init' brings its files"
    ]


def test_every_file_but_those_that_no_image_needs(project: Project) -> None:
    """Whether git tracks them or not."""
    for path in ("a.py", "data/x.csv", ".hidden", ".git/x", ".venv/x", "p/__pycache__/x", ".catalog/x"):
        project.write(path)
    project.write("deep/.run_log_store/x")
    project.write(".magnus-build/x")
    assert paths(project.folder, every=True) == [".hidden", "a.py", "data/x.csv"]


def test_dockerignore_counts_where_every_file_is_taken(project: Project) -> None:
    """What git tracks was chosen with more care already."""
    for path in ("a.py", "big/x", "big/keep", "logs/x"):
        project.track(path)
    project.track(".dockerignore", "# data\nbig\n!big/keep\nlogs/\n")
    assert paths(project.folder, every=True) == [".dockerignore", "a.py", "big/keep"]
    assert "big/x" in paths(project.folder)


@pytest.mark.parametrize("every", [False, True])
def test_what_may_hold_secrets_stays_out_with_a_remark(project: Project, *, every: bool) -> None:
    """Also where git tracks it: an image travels further than a repository."""
    for path in (".env", "conf/.env.prod", ".env.example", "a.env.py"):
        project.track(path)
    chosen = choose_files(project.folder, every=every)
    assert [file.path for file in chosen.files] == [".env.example", "a.env.py"]
    ending = (
        "may hold secrets, which whoever has an image can read; give them to the steps by a secrets manager"
    )
    assert chosen.remarks == [f"left out: '.env' {ending}", f"left out: 'conf/.env.prod' {ending}"]


@pytest.mark.parametrize("every", [False, True])
def test_links_stay_links_and_those_that_lead_out_stay_out(project: Project, *, every: bool) -> None:
    """What they lead to is not there in the image."""
    project.track("data/x")
    for name, target in {
        "file": "data/x",
        "folder": "data",
        "dangling": "no/such",
        "up": "../beside",
        "absolute": str(project.folder / "data"),
        "by-way": "folder/../../outside",
    }.items():
        (project.folder / name).symlink_to(target)
        project.git("add", name)
    chosen = choose_files(project.folder, every=every)
    assert {file.path: file.link for file in chosen.files if file.link} == {
        "file": "data/x",
        "folder": "data",
        "dangling": "no/such",
    }
    assert chosen.remarks == [
        f"left out: 'absolute' is a link to '{project.folder}/data', which is another place in an image; make it relative",
        "left out: 'by-way' is a link to 'folder/../../outside', outside the project; copy what it leads to",
        "left out: 'up' is a link to '../beside', outside the project; copy what it leads to",
    ]


def test_a_tracked_folder_that_became_a_link_brings_nothing_from_outside(
    project: Project, tmp_path: Path
) -> None:
    """Git would call its files deleted."""
    project.track("a.py")
    project.track("data/x").unlink()
    (project.folder / "data").rmdir()
    (tmp_path / "x").write_text("not ours")
    (project.folder / "data").symlink_to(tmp_path)
    chosen = choose_files(project.folder, every=False)
    assert [file.path for file in chosen.files] == ["a.py"]
    assert chosen.remarks == ["left out: 'data/x' is behind a link that leads out of its folder"]


def test_what_is_neither_file_nor_link_stays_out(project: Project) -> None:
    """Reading a pipe would wait for ever."""
    project.write("a.py")
    os.mkfifo(project.folder / "pipe")
    chosen = choose_files(project.folder, every=True)
    assert [file.path for file in chosen.files] == ["a.py"]
    assert chosen.remarks == ["left out: 'pipe' is neither a file nor a link"]


def test_without_git_one_message_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And `--all` works there."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    (tmp_path / "a.py").touch()
    with pytest.raises(ConfigurationError) as caught:
        choose_files(tmp_path, every=False)
    assert str(caught.value) == (
        f"git cannot tell which files belong to the project in '{tmp_path}' "
        "(fatal: not a git repository (or any of the parent directories): .git); "
        "add --all to take every file of the folder"
    )
    assert paths(tmp_path, every=True) == ["a.py"]
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigurationError, match=r"\(there is no git on PATH\); add --all"):
        choose_files(tmp_path, every=False)


def test_where_there_is_nothing_to_take_nothing_is_built(project: Project) -> None:
    """An image without the project helps nobody."""
    project.write("untracked.py")
    with pytest.raises(ConfigurationError) as caught:
        choose_files(project.folder, every=False)
    assert str(caught.value) == (
        f"git tracks no file in '{project.folder}': 'git add' what the image is to hold, "
        "or add --all to take every file of the folder"
    )
    (project.folder / "untracked.py").rename(project.folder / ".env")
    with pytest.raises(ConfigurationError, match=r"no file of '.*' goes into the image"):
        choose_files(project.folder, every=True)
