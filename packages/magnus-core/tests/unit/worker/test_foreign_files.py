from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from magnus.worker.foreign_files import ForeignFiles, OpenedFile, observe, stop_observing

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a data folder with a file of an earlier step; observing ends with the test."""
    folder = tmp_path / "project" / "data"
    folder.mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "project")
    (folder / "old.txt").write_text("old")
    yield folder
    stop_observing()


def opened_by(data: Path, task: str, got: tuple[str, ...] = ()) -> list[str]:
    """Return the foreign files that the statements of *task* open."""
    files = observe(str(data), str(data.parent), got)
    try:
        run(task)
    finally:
        stop_observing()
    return files.names


def run(task: str) -> None:
    """Run the statements of a task."""
    names = {"os": os, "shutil": shutil, "subprocess": subprocess, "sys": sys, "time": time, "Path": Path}
    exec(task, names)  # noqa: S102 - of this file


READERS = {
    "open": "open('data/old.txt').close()",
    "bytes": "open(b'data/old.txt').close()",
    "path": "Path('data/old.txt').read_text()",
    "absolute": "Path('data/old.txt').absolute().read_text()",
    "roundabout": "open('./data/../data//old.txt').close()",
    "descriptor": "os.close(os.open('data/old.txt', os.O_RDONLY))",
    "append": "open('data/old.txt', 'a').close()",
    "copy": "shutil.copy('data/old.txt', 'data/copy.txt')",
    "renamed": "open('data/old.txt').close(); os.rename('data/old.txt', 'data/new.txt'); open('data/new.txt').close()",
}


@pytest.mark.parametrize("way", READERS)
def test_a_file_of_an_earlier_step_is_noticed_however_it_is_opened(data: Path, way: str) -> None:
    """In Python; a library that opens files by itself is not seen."""
    assert opened_by(data, READERS[way])[0] == "old.txt"


OWN = {
    "overwritten": "Path('data/old.txt').write_text('x'); Path('data/old.txt').read_text()",
    "made": "Path('data/x').write_text('x'); Path('data/x').read_text()",
    "made by append": "open('data/x', 'a').close(); Path('data/x').read_text()",
    "moved": "Path('data/y').write_text('x'); os.replace('data/y', 'data/x'); Path('data/x').read_text()",
    "moved in": "Path('y').write_text('x'); shutil.move('y', 'data/x'); Path('data/x').read_text()",
    "missing": "Path('data/x').exists(); os.stat('data/old.txt')",
    "folder": "os.close(os.open('data', os.O_RDONLY))",
    "elsewhere": "Path('data.txt').write_text('x'); Path('data.txt').read_text()",
    "by a child": (
        "time.sleep(0.05); subprocess.run([sys.executable, '-c', \"open('data/x', 'w')\"], check=True); open('data/x').close()"
    ),
}


@pytest.mark.parametrize("way", OWN)
def test_files_that_the_task_has_made_are_its_own(data: Path, way: str) -> None:
    """By itself, or by a child process."""
    assert opened_by(data, OWN[way]) == []


def test_files_that_were_got_are_its_own(data: Path) -> None:
    """By the step's patterns, or by a call of the task."""
    assert opened_by(data, READERS["open"], got=("old.txt",)) == []
    files = observe(str(data), str(data.parent), ())
    files.add_own("old.txt")
    run(READERS["open"])
    assert files.names == []


def test_a_data_folder_that_holds_the_project_is_not_observed(data: Path) -> None:
    """Its files are not told from those of the project."""
    files = observe(str(data.parent), str(data.parent), ())
    run(READERS["open"])
    assert files.names == []


def test_a_file_is_named_once_and_nothing_is_noticed_after_the_task(data: Path) -> None:
    """However often it is opened."""
    files = observe(str(data), str(data.parent), ())
    for _ in range(3):
        run(READERS["open"])
    stop_observing()
    (data / "other.txt").write_text("")
    (data / "other.txt").read_text()
    assert files.names == ["old.txt"]


def test_the_number_of_names_is_limited() -> None:
    """A task may open any number of files."""
    files = ForeignFiles((), 10)
    for number in range(5000):
        files.opened(OpenedFile(str(number), os.O_RDONLY, exists=True, changed_ns=1))
    assert len(files.names) == 1000
