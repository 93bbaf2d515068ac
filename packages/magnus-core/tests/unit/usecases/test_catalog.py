from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from magnus.builtin.do_nothing import DoNothingCatalog
from magnus.errors import ConfigurationError
from magnus.testing.fake_catalog import FakeCatalog
from magnus.usecases import catalog as usecases

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def catalog(tmp_path: Path) -> FakeCatalog:
    """Return a catalog with files of two runs."""
    names = ["a.csv", "out/b.csv", "_logs/step.1.log"]
    for name in names:
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    catalog = FakeCatalog()
    catalog.put("second", tmp_path / "data", names[:1])
    catalog.put("first", tmp_path / "data", names)
    return catalog


def test_runs_and_their_files_are_listed_in_order(catalog: FakeCatalog) -> None:
    """Logs are files of the run too."""
    assert usecases.list_runs(catalog) == ["first", "second"]
    names = [entry.name for entry in usecases.list_files(catalog, "first")]
    assert names == ["_logs/step.1.log", "a.csv", "out/b.csv"]
    assert [entry.name for entry in usecases.list_files(catalog, "first", ["**/b*"])] == ["out/b.csv"]


def test_get_brings_what_the_patterns_mean_or_everything(catalog: FakeCatalog, tmp_path: Path) -> None:
    """The files keep their names below the destination."""
    usecases.get(catalog, "first", ["out"], tmp_path / "some")
    assert (tmp_path / "some/out/b.csv").read_text() == "out/b.csv"
    assert not (tmp_path / "some/a.csv").exists()
    assert len(usecases.get(catalog, "first", [], tmp_path / "all")) == 3
    assert (tmp_path / "all/_logs/step.1.log").exists()


def test_every_pattern_that_matches_nothing_is_named(catalog: FakeCatalog, tmp_path: Path) -> None:
    """All at once, and nothing is brought."""
    with pytest.raises(ConfigurationError) as caught:
        usecases.get(catalog, "first", ["x", "a.csv", "y"], tmp_path / "target")
    assert len(caught.value.problems) == 2
    assert not (tmp_path / "target").exists()


def test_a_bad_pattern_is_an_error_of_input(catalog: FakeCatalog, tmp_path: Path) -> None:
    """It came from the command line, not from a step."""
    with pytest.raises(ConfigurationError, match=r"leads out"):
        usecases.get(catalog, "first", ["../x"], tmp_path)


def test_a_run_without_files_is_an_error_of_input(catalog: FakeCatalog, tmp_path: Path) -> None:
    """For listing, getting and verifying alike; the message says where to look."""
    for ask in (
        lambda: usecases.list_files(catalog, "absent"),
        lambda: usecases.get(catalog, "absent", [], tmp_path),
        lambda: usecases.verify(catalog, ["absent"]),
    ):
        with pytest.raises(ConfigurationError, match="magnus catalog list"):
            ask()
    with pytest.raises(ConfigurationError, match="keeps no files"):
        usecases.list_files(DoNothingCatalog(), "first")


def test_verify_says_what_is_wrong_by_run(catalog: FakeCatalog) -> None:
    """Of all runs, or of those that were named."""
    damaged = next(entry for entry in catalog.list_entries("first") if entry.name == "out/b.csv")
    catalog.contents[damaged.data_hash] = b"changed"
    assert usecases.verify(catalog, ["second"]) == {"second": []}
    found = usecases.verify(catalog)
    assert found["second"] == []
    assert len(found["first"]) == 1
    assert "out/b.csv" in found["first"][0]


def test_garbage_is_collected_on_demand(catalog: FakeCatalog) -> None:
    """A dry run only counts."""
    catalog.delete_run("first")
    assert usecases.collect_garbage(catalog, dry_run=True).objects == 2
    assert usecases.collect_garbage(catalog, dry_run=False).objects == 2
    assert usecases.collect_garbage(catalog, dry_run=True).objects == 0
