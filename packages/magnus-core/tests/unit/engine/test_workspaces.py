from __future__ import annotations

from pathlib import Path

import pytest

from magnus.domain.capabilities import Isolation
from magnus.domain.jobs import Job
from magnus.domain.nodes import Node
from magnus.engine.workspaces import Workspaces, shared_base
from magnus.errors import ExecutionError


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project with code, a configuration and data; the temporary folder is one of the test's own."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    folder = tmp_path / "project"
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "code.py").write_text("")
    (folder / "data").mkdir()
    (folder / "data" / "old.txt").write_text("old")
    (folder / "config.yaml").write_text("")
    (folder / "dangling").symlink_to("/no/such/file")
    return folder


def job(name: str, *scopes: str, attempt: int = 1) -> Job:
    """Return a job in branches."""
    return Job("run", name, Node("step", "task", {}), attempt, scopes=scopes)


def test_a_branch_finds_the_project_and_an_empty_data_folder_of_its_own(project: Path) -> None:
    """The outermost graph works in the project itself."""
    spaces = Workspaces(Isolation.BRANCH, str(project))
    outer = spaces.of(job("step"), "data")
    assert (outer.folder, outer.data_folder) == (str(project), f"{project}/data")
    inner = spaces.of(job("m.1.step", "m.1"), "data")
    assert inner == spaces.of(job("m.1.other", "m.1"), "data")
    assert sorted(path.name for path in Path(inner.folder).iterdir()) == [
        "config.yaml",
        "dangling",
        "data",
        "src",
    ]
    assert (Path(inner.folder) / "src" / "code.py").exists()
    assert list(Path(inner.data_folder).iterdir()) == []
    assert spaces.of(job("m.2.step", "m.2"), "data").folder != inner.folder


def test_a_folder_serves_the_next_branch_as_if_it_were_new(project: Path) -> None:
    """Files are gone, links are there again, new entries of the project too."""
    spaces = Workspaces(Isolation.BRANCH, str(project))
    first = Path(spaces.of(job("m.1.step", "m.1"), "data").folder)
    (first / "data" / "sub").mkdir()
    (first / "data" / "sub" / "left.txt").write_text("left")
    (first / "own.txt").write_text("own")
    (first / "config.yaml").unlink()
    assert spaces.branch_ended("m.1") == ""
    (project / "new.txt").write_text("new")
    second = Path(spaces.of(job("m.2.step", "m.2"), "data").folder)
    assert second == first
    assert sorted(path.name for path in second.iterdir()) == [
        "config.yaml",
        "dangling",
        "data",
        "new.txt",
        "src",
    ]
    assert list((second / "data").iterdir()) == []
    assert (project / "config.yaml").exists()
    spaces.close()
    assert not second.exists()


def test_files_that_were_not_put_are_named_once_for_a_node(project: Path) -> None:
    """With the way to keep them; what is in the catalog is not left behind."""
    spaces = Workspaces(Isolation.BRANCH, str(project))
    for item in ("1", "2"):
        place = job(f"m.{item}.step", f"m.{item}")
        folder = Path(spaces.of(place, "data").data_folder)
        (folder / "kept.txt").write_text("kept")
        (folder / "lost.txt").write_text("lost")
        spaces.note_stored(place, ["kept.txt"])
        spaces.branch_ended(f"m.{item}")
    assert spaces.take_leftovers() == [
        "2 branches of 'm' left files that are not in the catalog: lost.txt; list them under `put:` to keep them"
    ]
    assert spaces.take_leftovers() == []


def test_the_folder_of_a_branch_with_a_failed_step_is_kept(project: Path) -> None:
    """It is the one place where its files can be looked at."""
    spaces = Workspaces(Isolation.BRANCH, str(project))
    place = job("m.1.step", "m.1")
    folder = Path(spaces.of(place, "data").folder)
    spaces.attempt_ended(place, failed=True)
    assert spaces.branch_ended("m.1") == str(folder)
    spaces.close()
    assert folder.exists()


def test_nested_and_several_data_folders_are_private(project: Path) -> None:
    """The rest of the folder around them is the project's."""
    spaces = Workspaces(Isolation.BRANCH, str(project))
    nested = spaces.of(job("m.1.step", "m.1"), "src/out/data")
    assert list(Path(nested.data_folder).iterdir()) == []
    assert (Path(nested.folder) / "src" / "code.py").exists()
    (Path(nested.data_folder) / "x").write_text("x")
    assert not (project / "src" / "out").exists()
    assert (Path(nested.folder) / "data" / "old.txt").exists()
    assert not list(Path(spaces.of(job("m.1.step", "m.1"), "data").data_folder).iterdir())
    assert (project / "data" / "old.txt").exists()


@pytest.mark.parametrize("data_folder", ["/tmp/x", "../x", "a/../../x"])  # noqa: S108 - it is refused
def test_a_data_folder_outside_of_the_project_cannot_be_private(project: Path, data_folder: str) -> None:
    """A branch is told so."""
    spaces = Workspaces(Isolation.BRANCH, str(project))
    with pytest.raises(ExecutionError, match="outside of the project"):
        spaces.of(job("m.1.step", "m.1"), data_folder)


def test_isolation_of_steps_gives_every_attempt_a_fresh_folder(project: Path) -> None:
    """As on AWS Batch; of runs, the outermost graph one of its own."""
    spaces = Workspaces(Isolation.STEP, str(project))
    first = spaces.of(job("step"), "data")
    (Path(first.data_folder) / "x").write_text("x")
    spaces.attempt_ended(job("step"), failed=False)
    assert list(Path(spaces.of(job("step", attempt=2), "data").data_folder).iterdir()) == []
    run = Workspaces(Isolation.RUN, str(project))
    assert run.of(job("step"), "data").folder != str(project)
    assert run.of(job("step"), "data") == run.of(job("other"), "data")
    for each in (spaces, run):
        each.close()


def test_processes_of_a_run_that_nobody_traverses_find_the_same_folder(project: Path) -> None:
    """By the run and the branch; it is removed when the branches are joined."""
    spaces = [Workspaces(Isolation.BRANCH, str(project), shared_base=shared_base("run")) for _ in range(2)]
    one, two = (each.of(job("m.1.step", "m.1"), "data") for each in spaces)
    assert one == two
    for each in spaces:
        each.close()
    assert Path(one.folder).exists()
    spaces[0].remove("m.1")
    assert not Path(one.folder).exists()


def test_a_shared_folder_of_somebody_else_is_not_used(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They could put anything in it."""
    base = Path(shared_base("run"))
    base.symlink_to(project)
    spaces = Workspaces(Isolation.BRANCH, str(project), shared_base=str(base))
    with pytest.raises(ExecutionError, match="remove it"):
        spaces.of(job("m.1.step", "m.1"), "data")


def test_nothing_outside_is_removed_where_a_task_has_put_a_link_in_place_of_the_data_folder(
    project: Path, tmp_path: Path
) -> None:
    """The link goes, its target stays."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "precious.txt").write_text("precious")
    spaces = Workspaces(Isolation.BRANCH, str(project))
    data = Path(spaces.of(job("m.1.step", "m.1"), "data").data_folder)
    data.rmdir()
    data.symlink_to(elsewhere)
    spaces.branch_ended("m.1")
    assert (elsewhere / "precious.txt").exists()
    again = Path(spaces.of(job("m.2.step", "m.2"), "data").data_folder)
    assert not again.is_symlink()
    assert list(again.iterdir()) == []


def test_links_are_as_the_project_is_when_a_branch_begins(project: Path) -> None:
    """A replaced link is restored, and the link to a removed entry goes: to write there would write into the project."""
    spaces = Workspaces(Isolation.BRANCH, str(project), data_folders=["src/out"])
    folder = Path(spaces.of(job("m.1.step", "m.1"), "src/out").folder)
    (folder / "config.yaml").unlink()
    (folder / "config.yaml").symlink_to("/etc/hostname")
    spaces.branch_ended("m.1")
    (project / "dangling").unlink()
    (project / "src" / "code.py").unlink()
    (project / "src" / "new.py").write_text("")
    again = Path(spaces.of(job("m.2.step", "m.2"), "src/out").folder)
    assert again == folder
    assert (folder / "config.yaml").readlink() == project / "config.yaml"
    assert not (folder / "dangling").is_symlink()
    assert sorted(path.name for path in (folder / "src").iterdir()) == ["new.py", "out"]


def test_every_data_folder_of_the_run_is_private_to_every_branch(project: Path) -> None:
    """Also where another step has named it: a step that writes there does not reach the project."""
    spaces = Workspaces(Isolation.BRANCH, str(project), data_folders=["data", "other", "/elsewhere"])
    folder = Path(spaces.of(job("m.1.step", "m.1"), "other").folder)
    (folder / "data" / "x.txt").write_text("x")
    assert not (project / "data" / "x.txt").exists()


def test_the_project_folder_as_data_folder_is_private_but_for_its_entries(project: Path) -> None:
    """These are links, and are never left behind."""
    spaces = Workspaces(Isolation.BRANCH, str(project), data_folders=["."])
    place = spaces.of(job("m.1.step", "m.1"), ".")
    assert place.folder == place.data_folder
    (Path(place.folder) / "own.txt").write_text("own")
    spaces.branch_ended("m.1")
    assert spaces.take_leftovers() == [
        "1 branch of 'm' left files that are not in the catalog: own.txt; list them under `put:` to keep them"
    ]
    again = Path(spaces.of(job("m.2.step", "m.2"), ".").folder)
    assert sorted(path.name for path in again.iterdir()) == ["config.yaml", "dangling", "data", "src"]


def test_a_branch_whose_step_succeeds_at_another_attempt_is_not_kept(project: Path) -> None:
    """Nothing in it is to be looked at."""
    spaces = Workspaces(Isolation.BRANCH, str(project))
    place = job("m.1.step", "m.1")
    spaces.of(place, "data")
    spaces.attempt_ended(place, failed=True)
    spaces.attempt_ended(place, failed=False)
    assert spaces.branch_ended("m.1") == ""


def test_folders_without_permissions_are_removed(project: Path) -> None:
    """A task may take them away; the next branch begins empty all the same."""
    spaces = Workspaces(Isolation.BRANCH, str(project))
    data = Path(spaces.of(job("m.1.step", "m.1"), "data").data_folder)
    (data / "closed" / "inner").mkdir(parents=True)
    (data / "closed" / "inner" / "x").write_text("x")
    (data / "closed").chmod(0o500)
    data.chmod(0o500)
    spaces.branch_ended("m.1")
    assert list(Path(spaces.of(job("m.2.step", "m.2"), "data").data_folder).iterdir()) == []


def test_names_of_left_files_are_told_once_for_nested_maps(project: Path) -> None:
    """By the nodes, whatever the items."""
    spaces = Workspaces(Isolation.BRANCH, str(project))
    for item in ("1", "2"):
        name = f"outer.{item}.inner.x"
        folder = Path(spaces.of(job(f"{name}.step", f"outer.{item}", name), "data").folder)
        (folder / "left.txt").write_text("left")
        (folder / "__pycache__").mkdir()
        (folder / "__pycache__" / "x.pyc").write_text("")
        spaces.branch_ended(name)
    assert spaces.take_leftovers() == [
        "2 branches of 'outer.inner' left files that are not in the catalog: left.txt; list them under `put:` to keep them"
    ]
