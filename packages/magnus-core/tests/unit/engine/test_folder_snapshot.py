from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from magnus.domain.nodes import CatalogSettings
from magnus.engine.catalog_sync import find_files
from magnus.engine.folder_snapshot import FolderSnapshot

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = CatalogSettings(get=("in.csv",), optional=("maybe/*",), put=("out/**",))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a compute data folder with an input and an earlier output."""
    path = tmp_path / "data"
    (path / "out").mkdir(parents=True)
    (path / "in.csv").write_text("input")
    (path / "out/old").write_text("output")
    (path / "own").write_text("before")
    return path


def test_every_attempt_starts_from_the_same_files(folder: Path) -> None:
    """What was changed or deleted is back, what was made is gone, as often as it is asked for."""
    with FolderSnapshot(folder, SETTINGS) as snapshot:
        for attempt in range(2):
            (folder / "in.csv").write_text(f"changed in place {attempt}")
            (folder / "out/old").unlink()
            (folder / "out/half").write_text("half")
            (folder / "maybe").mkdir(exist_ok=True)
            (folder / "maybe/x").write_text("made")
            snapshot.restore()
            assert find_files(folder, ["**"]) == ["in.csv", "out/old", "own"]
            assert (folder / "in.csv").read_text() == "input"
            assert (folder / "out/old").read_text() == "output"


def test_files_that_no_pattern_means_stay_as_they_are(folder: Path) -> None:
    """They are the task's own affair."""
    with FolderSnapshot(folder, SETTINGS) as snapshot:
        (folder / "own").write_text("after")
        snapshot.restore()
    assert (folder / "own").read_text() == "after"


def test_a_folder_made_in_the_place_of_a_file_gives_way(folder: Path) -> None:
    """The file is back under its name."""
    with FolderSnapshot(folder, SETTINGS) as snapshot:
        (folder / "in.csv").unlink()
        (folder / "in.csv").mkdir()
        (folder / "in.csv/part").write_text("part")
        snapshot.restore()
    assert (folder / "in.csv").read_text() == "input"


def test_nothing_is_left_behind(folder: Path) -> None:
    """The copies go with the snapshot."""
    before = sorted(folder.iterdir())
    with FolderSnapshot(folder, SETTINGS):
        assert len(list(folder.iterdir())) == len(before) + 1
    assert sorted(folder.iterdir()) == before


def test_a_folder_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """A step whose folder comes into being in the first attempt starts its second without files."""
    folder = tmp_path / "absent"
    with FolderSnapshot(folder, SETTINGS) as snapshot:
        assert not folder.exists()
        (folder / "out").mkdir(parents=True)
        (folder / "out/x").write_text("made")
        snapshot.restore()
    assert find_files(folder, ["**"]) == []


def test_the_working_directory_may_change(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relative folder means the same at the end as at the beginning."""
    monkeypatch.chdir(tmp_path)
    with FolderSnapshot(folder.relative_to(tmp_path), SETTINGS) as snapshot:
        (folder / "in.csv").write_text("changed")
        monkeypatch.chdir(folder)
        snapshot.restore()
    assert (folder / "in.csv").read_text() == "input"
