from __future__ import annotations

import importlib.metadata
from typing import TYPE_CHECKING

import pytest

from magnus.plugins.discovery import PluginSource, find_plugins

if TYPE_CHECKING:
    from pathlib import Path


def install(folder: Path, distribution: str, entry_points: str | bytes | None) -> str:
    """Make as much of an installed distribution as is looked at; return the folder of the search path."""
    metadata = folder / f"{distribution}.dist-info"
    metadata.mkdir(parents=True)
    if isinstance(entry_points, bytes):
        (metadata / "entry_points.txt").write_bytes(entry_points)
    elif entry_points is not None:
        (metadata / "entry_points.txt").write_text(entry_points, encoding="utf-8")
    return str(folder)


def test_the_same_plugins_are_found_as_by_the_standard_library() -> None:
    """In the environment that runs this test, which has some."""
    expected = {
        (item.name, item.value, f"{item.dist.name} {item.dist.version}")
        for item in importlib.metadata.entry_points(group="magnus")
        if item.dist is not None
    }
    found = {(item.name, item.module, item.distribution) for item in find_plugins()}
    assert found == expected
    assert "magnus.builtin.plugin" in {module for _, module, _ in found}


@pytest.mark.parametrize(
    "text",
    [
        "[magnus]\nstore = pkg.plugin\n",
        "[console_scripts]\nrun = pkg:main\n\n[magnus]\nstore=pkg.plugin\n\n[other]\nx = y\n",
        "# remark\n[ magnus ]\n\n  # store = no.thing\nstore   =   pkg.plugin  \n",
        "[magnus]\r\nstore = pkg.plugin\r\n",
        "[magnus]\nstore = pkg.plugin [extra,more]\n",
        "[magnus]\nstore = pkg.plugin",
    ],
)
def test_entry_points_are_read_as_the_packaging_specification_writes_them(tmp_path: Path, text: str) -> None:
    """Other groups, remarks, blanks, line endings and extras are passed over."""
    folder = install(tmp_path, "some_pkg-1.2.3", text)
    assert find_plugins([folder]) == [PluginSource("store", "pkg.plugin", "some-pkg 1.2.3")]


def test_a_group_that_begins_alike_is_another_one(tmp_path: Path) -> None:
    """`magnus.x` belongs to someone else."""
    folder = install(tmp_path, "pkg-1", "[magnus.x]\na = b\n[magnusx]\nc = d\n")
    assert find_plugins([folder]) == []


def test_plugins_of_all_folders_are_found_in_the_order_of_their_names(tmp_path: Path) -> None:
    """So the order of the search path never shows."""
    folders = [
        install(tmp_path / "one", "zzz-1", "[magnus]\nb = z.plugin\n"),
        install(tmp_path / "two", "aaa-1", "[magnus]\nc = a.plugin\na = a.other\n"),
    ]
    assert [item.name for item in find_plugins(folders)] == ["a", "b", "c"]
    assert find_plugins(folders) == find_plugins(reversed(folders))


def test_of_two_versions_the_one_in_the_earlier_folder_counts(tmp_path: Path) -> None:
    """As for imports; also when it offers less, or nothing."""
    newer = install(tmp_path / "one", "some_pkg-2.0", "[magnus]\na = new.plugin\n")
    older = install(tmp_path / "two", "Some.Pkg-1.0", "[magnus]\na = old.plugin\n")
    silent = install(tmp_path / "three", "some_pkg-3.0", None)
    assert [item.module for item in find_plugins([newer, older])] == ["new.plugin"]
    assert find_plugins([silent, older, newer]) == []


def test_a_folder_that_is_given_twice_counts_once(tmp_path: Path) -> None:
    """As `sys.path` often does."""
    folder = install(tmp_path, "pkg-1", "[magnus]\na = b\n")
    assert len(find_plugins([folder, folder])) == 1


def test_what_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    """A folder that is not there, a zip file, a distribution without entry points, and a file in its place."""
    (tmp_path / "library.zip").write_bytes(b"PK")
    folder = install(tmp_path / "site", "quiet-1", None)
    (tmp_path / "site" / "file-1.dist-info").write_text("no folder")
    install(tmp_path / "site", "pkg-1", "[magnus]\na = b\n")
    found = find_plugins([str(tmp_path / "missing"), str(tmp_path / "library.zip"), folder])
    assert [item.distribution for item in found] == ["pkg 1"]


def test_a_file_of_entry_points_that_is_no_text_stops_no_one_else(tmp_path: Path) -> None:
    """One damaged package must not end every command."""
    install(tmp_path, "damaged-1", b"\xff\xfe[magnus]\n")
    folder = install(tmp_path, "pkg-1", "[magnus]\na = b\n")
    assert [item.distribution for item in find_plugins([folder])] == ["pkg 1"]


def test_an_empty_entry_of_the_search_path_is_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As for imports."""
    install(tmp_path, "pkg-1", "[magnus]\na = b\n")
    monkeypatch.chdir(tmp_path)
    assert [item.name for item in find_plugins([""])] == ["a"]
