from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from magnus.builtin.do_nothing import DoNothingCatalog
from magnus.domain.nodes import CatalogSettings
from magnus.engine.catalog_sync import find_files, select_entries
from magnus.engine.step_files import StepFiles
from magnus.errors import ExecutionError
from magnus.ports.catalog import TEMPORARY_PREFIX, CatalogEntry
from magnus.testing.fake_catalog import FakeCatalog

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from magnus.domain.run_log import DataCatalog
    from magnus.ports.catalog import Catalog

RUN = "run"


def get_files(catalog: Catalog, run_id: str, folder: Path, settings: CatalogSettings) -> list[DataCatalog]:
    """Get files as a step of the outermost graph."""
    return StepFiles(catalog, run_id, "step", 1).get(folder, settings)


def put_files(catalog: Catalog, run_id: str, folder: Path, patterns: Iterable[str]) -> list[DataCatalog]:
    """Put files as a step of the outermost graph."""
    return StepFiles(catalog, run_id, "step", 1).put(folder, patterns)


def put_names(catalog: Catalog, run_id: str, folder: Path, names: Sequence[str]) -> list[DataCatalog]:
    """Put named files as a step of the outermost graph."""
    return StepFiles(catalog, run_id, "step", 1).put_names(folder, names)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a compute data folder with some files."""
    path = tmp_path / "data"
    for name in ("b.csv", "a.csv", "out/x", "out/sub/y", "é/数据", ".hidden"):
        _write(path, name)
    return path


@pytest.fixture
def catalog(folder: Path) -> FakeCatalog:
    """Return a catalog that holds them in one run, with the log of a step."""
    _write(folder, "_logs/step.1.log")
    catalog = FakeCatalog()
    catalog.put(RUN, folder, ["b.csv", "a.csv", "out/x", "out/sub/y", "_logs/step.1.log"])
    return catalog


def test_files_are_found_once_and_in_order(folder: Path) -> None:
    """Whatever the order of the patterns, and however many of them mean a file."""
    assert find_files(folder, ["out", "*.csv", "a.csv", "é/*", "out/x"]) == [
        "a.csv",
        "b.csv",
        "out/sub/y",
        "out/x",
        "é/数据",
    ]


@pytest.mark.parametrize(
    "pattern", ["**", "*", "out/**", "**/y", "out", "é", ".hidden", "*/*", "nothing", "[ab].csv"]
)
def test_a_pattern_means_the_same_on_disk_and_in_the_catalog(folder: Path, pattern: str) -> None:
    """What a step puts by a pattern is what another gets by it."""
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    entries = [CatalogEntry(name, "", 0, "") for name in sorted(names)]
    assert find_files(folder, [pattern]) == [entry.name for entry in select_entries(entries, [pattern])]


def test_a_folder_that_is_not_there_holds_no_files(tmp_path: Path) -> None:
    """A glob in a folder that no one made matches nothing."""
    assert find_files(tmp_path / "absent", ["**", "a", "a/*"]) == []


@pytest.mark.parametrize("pattern", ["", "/etc/*", "../x", "a/../../x", "[a"])
def test_a_bad_pattern_fails_the_step(folder: Path, pattern: str) -> None:
    """One that reaches a running step, from the Python interface for instance."""
    with pytest.raises(ExecutionError, match="pattern"):
        find_files(folder, [pattern])
    with pytest.raises(ExecutionError, match="pattern"):
        select_entries([], [pattern])


def test_a_wildcard_passes_over_links_that_lead_out(folder: Path, tmp_path: Path) -> None:
    """Neither files nor folders outside are found."""
    _write(tmp_path, "outside/secret")
    (folder / "leak").symlink_to(tmp_path / "outside/secret")
    (folder / "leaks").symlink_to(tmp_path / "outside")
    assert find_files(folder, ["leak*", "leak*/*", "**/secret"]) == []


@pytest.mark.parametrize("pattern", ["leak", "leaks", "leaks/secret"])
def test_naming_a_link_that_leads_out_is_an_error(folder: Path, tmp_path: Path, pattern: str) -> None:
    """What someone names and does not get would be missed too late."""
    _write(tmp_path, "outside/secret")
    (folder / "leak").symlink_to(tmp_path / "outside/secret")
    (folder / "leaks").symlink_to(tmp_path / "outside")
    with pytest.raises(ExecutionError, match="leads out"):
        find_files(folder, [pattern])


def test_links_within_the_folder_are_followed_without_going_round(folder: Path) -> None:
    """A link to a file is that file; one to a folder is followed where a part of the pattern stands for it."""
    (folder / "latest").symlink_to("out")
    (folder / "copy.csv").symlink_to("a.csv")
    (folder / "out/loop").symlink_to("..")
    assert find_files(folder, ["copy.csv", "latest/x", "la*/x"]) == ["copy.csv", "latest/x"]
    assert find_files(folder, ["**/x"]) == ["out/x"]
    assert find_files(folder, ["out"]) == ["out/sub/y", "out/x"]


def test_a_folder_that_is_itself_a_link_is_an_ordinary_folder(folder: Path, tmp_path: Path) -> None:
    """The compute data folder may lie on another disk."""
    (tmp_path / "linked").symlink_to(folder)
    assert find_files(tmp_path / "linked", ["a.csv", "out/*"]) == ["a.csv", "out/x"]


def test_files_that_are_being_brought_are_not_found(folder: Path) -> None:
    """What a killed get left is no one's data."""
    _write(folder, f"out/{TEMPORARY_PREFIX}1")
    assert find_files(folder, ["out", "**"]) == ["a.csv", "b.csv", "out/sub/y", "out/x", "é/数据"]


def test_every_pattern_of_a_list_is_recorded(folder: Path) -> None:
    """Not only those of the last one; a file that two of them mean is there once."""
    logged = put_files(FakeCatalog(), RUN, folder, ["out/x", "*.csv", "a.csv"])
    assert [(entry.name, entry.stage) for entry in logged] == [
        ("a.csv", "put"),
        ("b.csv", "put"),
        ("out/x", "put"),
    ]
    assert all(len(entry.data_hash) == 64 and entry.size and entry.catalog_relative_path for entry in logged)


def test_a_file_that_should_have_been_left_is_missed(folder: Path) -> None:
    """A name that is not there fails the step, and nothing is put; an empty folder and a glob do not."""
    catalog = FakeCatalog()
    with pytest.raises(ExecutionError, match=r"'model.bin'"):
        put_files(catalog, RUN, folder, ["a.csv", "model.bin"])
    assert catalog.list_entries(RUN) == []
    (folder / "empty").mkdir()
    assert put_files(catalog, RUN, folder, ["empty", "*.parquet"]) == []


def test_files_can_be_put_by_name(folder: Path) -> None:
    """A name that looks like a glob is a name."""
    _write(folder, "a[1]*.csv")
    assert [entry.name for entry in put_names(FakeCatalog(), RUN, folder, ["a[1]*.csv"])] == ["a[1]*.csv"]


def test_get_brings_and_records_what_the_patterns_mean(catalog: FakeCatalog, tmp_path: Path) -> None:
    """Ordered by name, each file once, with stage `get`; logs only if they are asked for."""
    target = tmp_path / "target"
    logged = get_files(catalog, RUN, target, CatalogSettings(get=("out", "**"), optional=("a.csv", "absent")))
    names = ["a.csv", "b.csv", "out/sub/y", "out/x"]
    assert [(entry.name, entry.stage) for entry in logged] == [(name, "get") for name in names]
    assert (
        sorted(path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()) == names
    )


def test_logs_can_be_got_by_their_own_pattern(catalog: FakeCatalog, tmp_path: Path) -> None:
    """A step may read what another printed."""
    logged = get_files(catalog, RUN, tmp_path, CatalogSettings(get=("_logs/*",)))
    assert [entry.name for entry in logged] == ["_logs/step.1.log"]


def test_a_get_that_matches_nothing_fails_before_anything_is_brought(
    catalog: FakeCatalog, tmp_path: Path
) -> None:
    """The message names the pattern and what there is."""
    target = tmp_path / "target"
    with pytest.raises(ExecutionError, match=r"'\*\.parquet'.*a\.csv.*optional"):
        get_files(catalog, RUN, target, CatalogSettings(get=("a.csv", "*.parquet")))
    assert not target.exists()


def test_a_get_that_is_optional_too_may_match_nothing(catalog: FakeCatalog, tmp_path: Path) -> None:
    """`optional` lifts the duty from a pattern of `get`."""
    settings = CatalogSettings(get=("*.parquet",), optional=("*.parquet",))
    assert get_files(catalog, RUN, tmp_path, settings) == []


def test_nothing_need_match_in_a_catalog_that_stores_nothing(tmp_path: Path) -> None:
    """With `do-nothing` the files are where the step before left them."""
    assert get_files(DoNothingCatalog(), RUN, tmp_path, CatalogSettings(get=("a.csv",))) == []


def _write(folder: Path, name: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(name, encoding="utf-8")
