"""What the file-system catalog does beyond the port: layout, links, refusals and half-written journals."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from magnus.errors import CatalogError
from magnus.ports.catalog import CatalogEntry
from magnus_stores.catalog.file_system import FileSystemCatalog, FileSystemCatalogOptions

LARGE_BYTES = 3 << 20


@pytest.fixture
def location(tmp_path: Path) -> Path:
    """Return where the catalog is."""
    return tmp_path / "catalog"


@pytest.fixture
def catalog(location: Path) -> FileSystemCatalog:
    """Return a catalog without files."""
    return FileSystemCatalog(FileSystemCatalogOptions(str(location)))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a compute data folder with a small and a large file."""
    folder = tmp_path / "data"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub/small").write_bytes(b"small")
    (folder / "large").write_bytes(b"l" * LARGE_BYTES)
    return folder


def test_a_run_can_be_browsed_as_read_only_links(
    catalog: FileSystemCatalog, location: Path, data: Path
) -> None:
    """The file of a run is the stored content itself, under its name, and cannot be written to."""
    for entry in catalog.put("run", data, ["sub/small", "large"]):
        shown = location / "run" / entry.name
        assert shown.samefile(location / entry.location)
        assert stat.S_IMODE(shown.stat().st_mode) == 0o444
        assert shown.read_bytes() == (data / entry.name).read_bytes()


def test_the_tree_shows_what_was_put_last(catalog: FileSystemCatalog, location: Path, data: Path) -> None:
    """A name that is put again leads to its new content."""
    catalog.put("run", data, ["sub/small"])
    (data / "sub/small").write_bytes(b"changed")
    catalog.put("run", data, ["sub/small"])
    assert (location / "run/sub/small").read_bytes() == b"changed"


def test_names_that_exclude_each_other_are_both_kept(
    catalog: FileSystemCatalog, data: Path, tmp_path: Path
) -> None:
    """A file `a` and a file `a/b` of one run can both be got, though one tree cannot show both."""
    other = tmp_path / "other"
    other.mkdir()
    (other / "sub").write_bytes(b"a file")
    catalog.put("run", data, ["sub/small"])
    catalog.put("run", other, ["sub"])
    catalog.put("second", other, ["sub"])
    catalog.put("second", data, ["sub/small"])
    for run_id in ("run", "second"):
        assert [entry.name for entry in catalog.list_entries(run_id)] == ["sub", "sub/small"]


@pytest.mark.parametrize("reason", [errno.EPERM, errno.EMLINK, errno.EXDEV])
def test_copies_stand_in_for_links_that_cannot_be_made(
    catalog: FileSystemCatalog, location: Path, data: Path, monkeypatch: pytest.MonkeyPatch, reason: int
) -> None:
    """On a file system without links the tree holds read-only copies, and nothing else changes."""

    def refuse(_source: str, target: str) -> None:
        # A link checks for its target first, as the kernel does.
        if not Path(target).parent.exists():
            raise FileNotFoundError(errno.ENOENT, "no folder", target)
        if Path(target).exists():
            raise FileExistsError(errno.EEXIST, "exists", target)
        raise OSError(reason, "no links", target)

    monkeypatch.setattr(os, "link", refuse)
    catalog.put("run", data, ["sub/small"])
    (data / "sub/small").write_bytes(b"changed")
    entry = catalog.put("run", data, ["sub/small"])[0]
    shown = location / "run/sub/small"
    assert shown.read_bytes() == b"changed"
    assert not shown.samefile(location / entry.location)
    assert stat.S_IMODE(shown.stat().st_mode) == 0o444


@pytest.mark.parametrize("name", ["sub/small", "large"])
def test_putting_an_unchanged_file_moves_no_bytes(
    catalog: FileSystemCatalog, location: Path, data: Path, name: str
) -> None:
    """Neither the content nor the journal is written again, in the same run or for the content in another."""
    entry = catalog.put("run", data, [name])[0]
    before = (location / entry.location).stat()
    journal = (location / ".runs/run.jsonl").read_bytes()
    (location / ".objects/partial").rmdir()
    assert FileSystemCatalog(catalog.options).put("run", data, [name]) == [entry]
    assert FileSystemCatalog(catalog.options).put("another", data, [name]) == [entry]
    after = (location / entry.location).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert (location / ".runs/run.jsonl").read_bytes() == journal
    assert not (location / ".objects/partial").exists()


@pytest.mark.parametrize("name", ["sub/small", "large"])
def test_getting_a_file_that_is_there_writes_nothing(
    catalog: FileSystemCatalog, data: Path, name: str
) -> None:
    """A target with the same bytes is left as it is."""
    entries = catalog.put("run", data, [name])
    before = (data / name).stat()
    catalog.get("run", data, entries)
    after = (data / name).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


@pytest.mark.parametrize("name", ["sub/small", "large"])
def test_a_damaged_content_is_noticed_beside_a_good_target(
    catalog: FileSystemCatalog, location: Path, data: Path, name: str
) -> None:
    """That the target has the right bytes does not save a get from verifying the stored ones."""
    entries = catalog.put("run", data, [name])
    stored = location / entries[0].location
    stored.chmod(0o644)
    stored.write_bytes(b"X" + stored.read_bytes()[1:])
    with pytest.raises(CatalogError, match="does not match its hash"):
        catalog.get("run", data, entries)


@pytest.mark.parametrize("name", ["sub/small", "large"])
def test_a_target_that_is_a_link_to_the_content_becomes_a_copy(
    catalog: FileSystemCatalog, location: Path, data: Path, tmp_path: Path, name: str
) -> None:
    """A person may link from the tree into a data folder; a step that writes there must not reach the catalog."""
    entries = catalog.put("run", data, [name])
    target = tmp_path / "linked" / name
    target.parent.mkdir(parents=True)
    target.hardlink_to(location / entries[0].location)
    catalog.get("run", tmp_path / "linked", entries)
    assert not target.samefile(location / entries[0].location)
    assert target.stat().st_mode & stat.S_IWUSR


def test_a_content_that_was_cut_off_is_stored_anew(
    catalog: FileSystemCatalog, location: Path, data: Path
) -> None:
    """What a power failure cut off is mended by the next put of the same content."""
    entry = catalog.put("run", data, ["large"])[0]
    stored = location / entry.location
    stored.chmod(0o644)
    os.truncate(stored, 10)
    catalog.put("run", data, ["large"])
    assert catalog.verify("run") == []


def test_a_half_written_line_hides_no_other(catalog: FileSystemCatalog, location: Path, data: Path) -> None:
    """The line that a killed process left is skipped, by who had read before it and by who had not."""
    catalog.put("run", data, ["large"])
    with (location / ".runs/run.jsonl").open("ab") as journal:
        journal.write(b'\n["half", "0123')
    assert [entry.name for entry in catalog.list_entries("run")] == ["large"]
    catalog.put("run", data, ["sub/small"])
    for reader in (catalog, FileSystemCatalog(catalog.options)):
        assert [entry.name for entry in reader.list_entries("run")] == ["large", "sub/small"]


def test_garbage_collection_removes_what_killed_processes_left(
    catalog: FileSystemCatalog, location: Path, data: Path
) -> None:
    """Partial files and marks of sizes go; a dry run leaves them."""
    catalog.put("run", data, ["large"])
    partial = location / ".objects/partial/left"
    partial.write_bytes(b"half")
    mark = location / ".objects/sizes" / str(LARGE_BYTES)
    catalog.collect_garbage(dry_run=True)
    assert partial.exists()
    catalog.collect_garbage(dry_run=False)
    assert not partial.exists()
    assert mark.exists()
    catalog.delete_run("run")
    catalog.collect_garbage(dry_run=False)
    assert not mark.exists()


def test_deleting_a_run_removes_its_tree(catalog: FileSystemCatalog, location: Path, data: Path) -> None:
    """Of the run, only the contents stay until garbage is collected."""
    catalog.put("run", data, ["sub/small"])
    catalog.delete_run("run")
    assert not (location / "run").exists()
    assert list(catalog.list_runs()) == []


@pytest.mark.parametrize(
    "name", ["", "/etc/passwd", "../out", "sub/../../out", "sub//small", "./small", "sub/", "nul\0"]
)
def test_a_name_that_leads_out_is_refused(catalog: FileSystemCatalog, data: Path, name: str) -> None:
    """Both ways, before a file is touched: an entry may come from a run log that someone wrote."""
    with pytest.raises(CatalogError, match="cannot hold"):
        catalog.put("run", data, [name])
    with pytest.raises(CatalogError, match="cannot hold"):
        catalog.get("run", data, [CatalogEntry(name, "0" * 64, 0, "")])


def test_a_hash_that_is_a_path_is_refused(catalog: FileSystemCatalog, data: Path) -> None:
    """An entry cannot make the catalog read a file of its own choice."""
    with pytest.raises(CatalogError, match="SHA-256"):
        catalog.get("run", data, [CatalogEntry("name", "../../../etc/passwd", 1, "")])


@pytest.mark.parametrize("run_id", ["", "..", "a/b", ".objects"])
def test_a_run_id_that_leads_out_is_refused(catalog: FileSystemCatalog, data: Path, run_id: str) -> None:
    """A run id becomes a folder."""
    with pytest.raises(CatalogError, match="run id"):
        catalog.put(run_id, data, ["large"])


def test_a_get_does_not_follow_a_link_out_of_the_folder(
    catalog: FileSystemCatalog, data: Path, tmp_path: Path
) -> None:
    """A folder of the compute data folder that is a link to elsewhere receives nothing."""
    entries = catalog.put("run", data, ["sub/small"])
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "fresh").mkdir()
    (tmp_path / "fresh/sub").symlink_to(elsewhere)
    with pytest.raises(CatalogError, match="outside the compute data folder"):
        catalog.get("run", tmp_path / "fresh", entries)
    assert list(elsewhere.iterdir()) == []


def test_a_get_replaces_a_link_and_not_what_it_leads_to(
    catalog: FileSystemCatalog, data: Path, tmp_path: Path
) -> None:
    """A link in the place of the file gives way; its target keeps its bytes."""
    entries = catalog.put("run", data, ["large"])
    precious = tmp_path / "precious"
    precious.write_bytes(b"keep")
    (data / "large").unlink()
    (data / "large").symlink_to(precious)
    catalog.get("run", data, entries)
    assert precious.read_bytes() == b"keep"
    assert (data / "large").stat().st_size == LARGE_BYTES


def test_a_named_pipe_is_refused_at_once(catalog: FileSystemCatalog, data: Path) -> None:
    """What is no regular file is an error, not a wait without end."""
    os.mkfifo(data / "pipe")
    with pytest.raises(CatalogError, match="not a regular file"):
        catalog.put("run", data, ["pipe"])


def test_the_location_does_not_follow_the_working_directory(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A task that changes directory does not move a catalog with a relative location."""
    monkeypatch.chdir(tmp_path)
    catalog = FileSystemCatalog()
    monkeypatch.chdir(data)
    catalog.put("run", data, ["sub/small"])
    assert (tmp_path / ".catalog/run/sub/small").exists()
    assert catalog.compute_data_folder == "data"


def test_a_full_disk_is_worth_another_try(
    catalog: FileSystemCatalog, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error says so, and the half-written content is removed."""

    def full(*_arguments: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", full)
        patched.setattr(os, "copy_file_range", full, raising=False)
        with pytest.raises(CatalogError, match="No space left") as caught:
            catalog.put("run", data, ["large"])
    assert caught.value.retriable
    assert catalog.collect_garbage(dry_run=True).objects == 0
    assert catalog.list_entries("run") == []
