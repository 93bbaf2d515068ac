from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.cli.conftest import Said

pytestmark = pytest.mark.usefixtures("in_runs")


def test_runs_with_files_and_their_files_are_listed(magnus: Callable[..., Said]) -> None:
    """Without a run id the runs, with one its files."""
    assert magnus("catalog", "list").out.split() == ["at-once", "completed", "failed", "killed"]
    entries = magnus("catalog", "list", "at-once", "*.csv", "--json").json()
    assert [(entry["name"], entry["size"]) for entry in entries] == [("x.csv", 6)]


def test_files_are_brought_to_a_folder(magnus: Callable[..., Said], tmp_path: Path) -> None:
    """The folder is made where it is missing."""
    assert magnus("catalog", "get", "at-once", "*.csv", "-o", str(tmp_path / "new")).code == 0
    assert (tmp_path / "new" / "x.csv").read_text() == "hello\n"
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["x.csv"]


def test_a_pattern_without_a_match_is_refused(magnus: Callable[..., Said], tmp_path: Path) -> None:
    """Nothing is brought."""
    said = magnus("catalog", "get", "at-once", "*.csv", "*.nope", "-o", str(tmp_path / "new"))
    assert said.code == 2
    assert "'*.nope'" in said.err
    assert not (tmp_path / "new").exists()


def test_damage_is_found_and_told(magnus: Callable[..., Said], in_copy: Path) -> None:
    """The exit code is that of a failed service."""
    assert magnus("catalog", "verify").code == 0
    (entry,) = magnus("catalog", "list", "at-once", "*.csv", "--json").json()
    stored = in_copy / ".catalog" / entry["location"]
    stored.chmod(0o644)
    stored.write_text("jello\n")
    said = magnus("catalog", "verify", "at-once", "--json")
    assert said.code == 3
    assert "x.csv" in "".join(said.json()["at-once"])


def test_garbage_is_counted_before_it_is_removed(magnus: Callable[..., Said], in_copy: Path) -> None:
    """A dry run changes nothing."""
    magnus("runs", "delete", "killed", "--yes")
    counted = magnus("catalog", "gc", "--dry-run", "--json").json()
    assert counted["objects"] == 1
    assert magnus("catalog", "gc", "--json").json() == {**counted, "dry_run": False}
    assert magnus("catalog", "gc", "--dry-run", "--json").json()["objects"] == 0
