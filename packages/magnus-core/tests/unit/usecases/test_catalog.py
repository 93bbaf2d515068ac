from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from magnus.builtin.buffered import BufferedRunLogStore
from magnus.builtin.do_nothing import DoNothingCatalog
from magnus.domain.run_log import RunLog, Status
from magnus.engine.masking import Masker
from magnus.engine.recorder import RunRecorder
from magnus.engine.step_files import StepFiles
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


def test_garbage_collection_removes_what_killed_attempts_left_staged(tmp_path: Path) -> None:
    """Of runs that have ended; an attempt of another run may still publish it."""
    catalog, store = FakeCatalog(), BufferedRunLogStore()
    for run_id, status in (("ended", Status.FAIL), ("going", Status.PROCESSING)):
        RunRecorder(store, run_id, Masker()).create_run_log(RunLog(run_id, status=status), {})
        for name in ("kept", "staged"):
            (tmp_path / name).write_text(f"{run_id} {name}")
        catalog.put(run_id, tmp_path, ["kept"])
        StepFiles(catalog, run_id, "step", 1).put_names(tmp_path, ["staged"], staged=True)
    catalog.put("unknown", tmp_path, ["kept"])
    assert usecases.collect_garbage(catalog, dry_run=True, store=store).objects == 0
    assert usecases.collect_garbage(catalog, dry_run=False, store=store).objects == 1
    assert [len(catalog.list_entries(run_id)) for run_id in ("ended", "going")] == [1, 2]


def test_files_of_branches_have_the_names_of_people(tmp_path: Path) -> None:
    """Listed, got and verified; plain names follow the rule of steps; notes of the core are left out."""
    catalog = FakeCatalog()
    for item in ("a", "b"):
        (tmp_path / "x").write_text(item)
        (tmp_path / "y").write_text("same")
        StepFiles(catalog, "run", f"m.{item}.s", 1, [f"m.{item}"]).put(tmp_path, ["x", "y"])
    StepFiles(catalog, "run", "m.a.s", 1, ["m.a"]).put_names(tmp_path, ["x"], staged=True)
    names = ["m/a/x", "m/a/y", "m/b/x", "m/b/y"]
    assert [entry.name for entry in usecases.list_files(catalog, "run")] == names
    assert [entry.name for entry in usecases.list_files(catalog, "run", ["x"])] == ["m/a/x", "m/b/x"]
    assert [entry.name for entry in usecases.list_files(catalog, "run", ["m/a/*"])] == names[:2]
    target = tmp_path / "target"
    assert [entry.name for entry in usecases.get(catalog, "run", (), target)] == names
    assert [entry.name for entry in usecases.get(catalog, "run", ["y", "m/b/x"], target)] == ["m/b/x", "y"]
    with pytest.raises(
        ConfigurationError, match="'x' was put with different contents by 2 branches: m/a/x, m/b/x"
    ):
        usecases.get(catalog, "run", ["x"], target)
    damaged = next(entry for entry in catalog.list_entries("run") if entry.name.endswith("b/x"))
    del catalog.contents[damaged.data_hash]
    assert [message.partition(":")[0] for message in usecases.verify(catalog)["run"]] == ["m/b/x"]
