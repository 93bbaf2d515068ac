from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from magnus.engine.isolation import ProcessState

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ProcessState]:
    """Return what a run found in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("MAGNUS_TEST_KEPT", "before")
    monkeypatch.delenv("MAGNUS_TEST_NEW", raising=False)
    found = ProcessState()
    yield found
    found.close()


def test_the_working_directory_is_restored(state: ProcessState, tmp_path: Path) -> None:
    """Also when the one the task went to is gone."""
    other = tmp_path / "other"
    other.mkdir()
    os.chdir(other)
    shutil.rmtree(other)
    state.restore()
    assert Path.cwd() == tmp_path


def test_the_working_directory_is_the_same_folder_and_not_the_same_name(
    state: ProcessState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run goes on in its folder when somebody renames it meanwhile."""
    monkeypatch.chdir("/")
    renamed = tmp_path.with_name("renamed")
    tmp_path.rename(renamed)
    state.restore()
    try:
        assert Path.cwd() == renamed
    finally:
        renamed.rename(tmp_path)


def test_the_environment_is_restored(state: ProcessState, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was added is gone, what was changed or removed is as before, for child processes too."""
    monkeypatch.setenv("MAGNUS_TEST_NEW", "leak")
    monkeypatch.delenv("MAGNUS_TEST_KEPT")
    state.restore()
    assert "MAGNUS_TEST_NEW" not in os.environ
    assert os.environ["MAGNUS_TEST_KEPT"] == "before"
    seen = subprocess.run(
        ["sh", "-c", "echo $MAGNUS_TEST_NEW$MAGNUS_TEST_KEPT"], capture_output=True, text=True, check=True
    )
    assert seen.stdout == "before\n"


def test_the_search_path_is_restored_in_place(state: ProcessState) -> None:
    """Whoever holds the list sees it too."""
    held, before = sys.path, list(sys.path)
    sys.path.insert(0, "elsewhere")
    state.restore()
    assert sys.path is held
    assert held == before


def test_a_search_path_that_was_replaced_is_as_before(state: ProcessState) -> None:
    """Its entries, at least."""
    before = list(sys.path)
    sys.path = ["elsewhere"]
    state.restore()
    assert sys.path == before
