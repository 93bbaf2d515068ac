"""What every catalog promises, as tests: subclass `CatalogContract` and give it `make_catalog`."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import random
import resource
import signal
import sys
import time
from typing import TYPE_CHECKING

import pytest

from magnus.errors import CatalogError
from magnus.ports.catalog import Catalog

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.process import BaseProcess
    from pathlib import Path

    from magnus.ports.catalog import CatalogEntry

RUN = "run-1"
OTHER_RUN = "run-2"
LARGE_BYTES = 3 << 20
HUGE_BYTES = 256 << 20
MEMORY_BYTES = 64 << 20
UNICODE_NAMES = ("é/ü ñ/数据.csv", "a b/#[1]%.txt", ".hidden/.x", "deep/" + "d/" * 30 + "end", "new\nline")


class CatalogContract:
    """The promises of `magnus.ports.catalog.Catalog`.

    A subclass overrides `make_catalog` and, if it can reach what is stored, `corrupt`.
    """

    @pytest.fixture
    def make_catalog(self, tmp_path: Path) -> Callable[[], Catalog]:
        """Return a function of which every call makes another client of the same data."""
        raise NotImplementedError

    @pytest.fixture
    def corrupt(self) -> Callable[[CatalogEntry], None] | None:
        """Return a function that changes the stored content of an entry behind the catalog's back, or None."""
        return None

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """Return an empty compute data folder."""
        path = tmp_path / "data"
        path.mkdir()
        return path

    @pytest.fixture
    def elsewhere(self, tmp_path: Path) -> Path:
        """Return a compute data folder that does not exist yet."""
        return tmp_path / "elsewhere"

    def test_put_describes_each_file_in_the_order_given(
        self, make_catalog: Callable[[], Catalog], folder: Path
    ) -> None:
        """An entry holds the name, the SHA-256, the size in bytes and a place."""
        _write(folder, "b", b"two")
        _write(folder, "a", b"one!")
        entries = make_catalog().put(RUN, folder, ["b", "a"])
        assert [(entry.name, entry.data_hash, entry.size) for entry in entries] == [
            ("b", hashlib.sha256(b"two").hexdigest(), 3),
            ("a", hashlib.sha256(b"one!").hexdigest(), 4),
        ]
        assert all(entry.location and not os.path.isabs(entry.location) for entry in entries)  # noqa: PTH117 - text

    def test_another_client_lists_what_was_put_ordered_by_name(
        self, make_catalog: Callable[[], Catalog], folder: Path
    ) -> None:
        """What was put is there for everyone at once, whichever client put it, and in whatever order."""
        reader = make_catalog()
        assert reader.list_entries(RUN) == []
        for name in ("c", "a", "b"):
            _write(folder, name, name.encode())
            make_catalog().put(RUN, folder, [name])
        assert [entry.name for entry in reader.list_entries(RUN)] == ["a", "b", "c"]
        assert reader.list_entries(OTHER_RUN) == []

    @pytest.mark.parametrize("name", UNICODE_NAMES)
    def test_a_name_may_hold_whatever_a_file_name_may(
        self, make_catalog: Callable[[], Catalog], folder: Path, elsewhere: Path, name: str
    ) -> None:
        """Unicode, blanks, glob characters, dots and many folders come back as they were."""
        _write(folder, name, b"content")
        make_catalog().put(RUN, folder, [name])
        entries = make_catalog().list_entries(RUN)
        assert [entry.name for entry in entries] == [name]
        make_catalog().get(RUN, elsewhere, entries)
        assert (elsewhere / name).read_bytes() == b"content"

    @pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, LARGE_BYTES + 7])
    def test_get_brings_what_was_put(
        self, make_catalog: Callable[[], Catalog], folder: Path, elsewhere: Path, size: int
    ) -> None:
        """A file of any size comes back byte by byte, with no other file beside it."""
        content = random.Random(size).randbytes(size)  # noqa: S311 - test data
        _write(folder, "sub/file", content)
        make_catalog().put(RUN, folder, ["sub/file"])
        make_catalog().get(RUN, elsewhere, make_catalog().list_entries(RUN))
        assert (elsewhere / "sub/file").read_bytes() == content
        assert os.listdir(elsewhere / "sub") == ["file"]  # noqa: PTH208 - names are what is compared

    @pytest.mark.parametrize("size", [10, LARGE_BYTES])
    def test_get_replaces_a_file_that_differs(
        self, make_catalog: Callable[[], Catalog], folder: Path, size: int
    ) -> None:
        """What is in the compute data folder gives way, even if it has the same size."""
        _write(folder, "file", b"a" * size)
        entries = make_catalog().put(RUN, folder, ["file"])
        _write(folder, "file", b"a" * (size - 1) + b"b")
        make_catalog().get(RUN, folder, entries)
        assert (folder / "file").read_bytes() == b"a" * size

    def test_the_last_put_of_a_name_counts(
        self, make_catalog: Callable[[], Catalog], folder: Path, elsewhere: Path
    ) -> None:
        """A name stands for one content in a run."""
        for content in (b"first", b"second", b"first", b"third"):
            _write(folder, "file", content)
            make_catalog().put(RUN, folder, ["file"])
        entries = make_catalog().list_entries(RUN)
        assert [entry.size for entry in entries] == [5]
        make_catalog().get(RUN, elsewhere, entries)
        assert (elsewhere / "file").read_bytes() == b"third"

    def test_a_file_that_is_not_there_cannot_be_put(
        self, make_catalog: Callable[[], Catalog], folder: Path
    ) -> None:
        """The failure names the file, and the run has no entry of it."""
        with pytest.raises(CatalogError, match="absent"):
            make_catalog().put(RUN, folder, ["absent"])
        assert make_catalog().list_entries(RUN) == []

    @pytest.mark.parametrize("size", [10, LARGE_BYTES])
    def test_changing_a_brought_file_does_not_reach_the_catalog(
        self, make_catalog: Callable[[], Catalog], folder: Path, elsewhere: Path, size: int
    ) -> None:
        """A brought file is ordinary: it can be written to in place, and the next one to get it finds the original."""
        _write(folder, "file", b"a" * size)
        entries = make_catalog().put(RUN, folder, ["file"])
        _write(folder, "file", b"b" * size)
        for _ in range(2):
            make_catalog().get(RUN, elsewhere, entries)
            assert (elsewhere / "file").read_bytes() == b"a" * size
            with (elsewhere / "file").open("r+b") as file:
                file.write(b"changed")
        assert make_catalog().verify(RUN) == []

    @pytest.mark.parametrize("size", [10, LARGE_BYTES])
    def test_equal_content_is_stored_once(
        self, make_catalog: Callable[[], Catalog], folder: Path, size: int
    ) -> None:
        """Under two names, in two puts and in two runs; it is garbage only when no run is left."""
        for name in ("one", "two"):
            _write(folder, name, b"x" * size)
        make_catalog().put(RUN, folder, ["one", "two"])
        make_catalog().put(RUN, folder, ["one"])
        make_catalog().put(OTHER_RUN, folder, ["two"])
        make_catalog().delete_run(RUN)
        assert make_catalog().collect_garbage(dry_run=False).objects == 0
        assert make_catalog().verify(OTHER_RUN) == []
        make_catalog().delete_run(OTHER_RUN)
        report = make_catalog().collect_garbage(dry_run=False)
        assert (report.objects, report.size) == (1, size)

    @pytest.mark.parametrize("size", [10, LARGE_BYTES])
    def test_a_damaged_content_is_never_brought(
        self,
        make_catalog: Callable[[], Catalog],
        folder: Path,
        elsewhere: Path,
        corrupt: Callable[[CatalogEntry], None] | None,
        size: int,
    ) -> None:
        """The get fails naming the file and leaves nothing; `verify` names it too, and no other."""
        if corrupt is None:
            pytest.skip("the suite cannot reach what this catalog stores: override `corrupt`")
        _write(folder, "good", b"good")
        _write(folder, "bad", b"x" * size)
        entries = make_catalog().put(RUN, folder, ["good", "bad"])
        corrupt(entries[1])
        with pytest.raises(CatalogError, match="bad"):
            make_catalog().get(RUN, elsewhere, [entries[1]])
        assert list(elsewhere.rglob("*")) == []
        messages = make_catalog().verify(RUN)
        assert len(messages) == 1
        assert "bad" in messages[0]
        make_catalog().get(RUN, elsewhere, [entries[0]])

    def test_a_removed_content_is_reported(
        self, make_catalog: Callable[[], Catalog], folder: Path, elsewhere: Path
    ) -> None:
        """An entry whose content is gone fails the get as a `CatalogError`."""
        _write(folder, "file", b"content")
        entries = make_catalog().put(RUN, folder, ["file"])
        make_catalog().delete_run(RUN)
        make_catalog().collect_garbage(dry_run=False)
        with pytest.raises(CatalogError, match="file"):
            make_catalog().get(RUN, elsewhere, entries)

    def test_a_file_can_be_put_under_another_name(
        self, make_catalog: Callable[[], Catalog], folder: Path, elsewhere: Path
    ) -> None:
        """Two of them may have the same file; the file stays where it is."""
        _write(folder, "sub/file", b"content")
        entries = make_catalog().put_as(RUN, folder, {"b/x": "sub/file", "a [1]": "sub/file"})
        assert [(entry.name, entry.size) for entry in entries] == [("b/x", 7), ("a [1]", 7)]
        assert make_catalog().list_entries(RUN) == sorted(entries)
        make_catalog().get(RUN, elsewhere, entries)
        assert (elsewhere / "b/x").read_bytes() == (elsewhere / "a [1]").read_bytes() == b"content"
        assert (folder / "sub/file").read_bytes() == b"content"

    def test_a_file_that_is_not_there_cannot_be_put_under_another_name(
        self, make_catalog: Callable[[], Catalog], folder: Path
    ) -> None:
        """The failure is one of the catalog, and the run has no entry of it."""
        with pytest.raises(CatalogError, match=r"absent|x"):
            make_catalog().put_as(RUN, folder, {"x": "absent"})
        assert make_catalog().list_entries(RUN) == []

    def test_a_file_can_be_brought_under_another_name(
        self, make_catalog: Callable[[], Catalog], folder: Path, elsewhere: Path
    ) -> None:
        """The hash of the entry says which content it is."""
        _write(folder, "file", b"content")
        entry = make_catalog().put(RUN, folder, ["file"])[0]
        make_catalog().get(RUN, elsewhere, [entry._replace(name="each/north/file")])
        assert (elsewhere / "each/north/file").read_bytes() == b"content"

    @pytest.mark.parametrize("size", [10, LARGE_BYTES])
    def test_the_executable_bit_is_kept(
        self, make_catalog: Callable[[], Catalog], folder: Path, elsewhere: Path, size: int
    ) -> None:
        """For each name by itself, though the content is stored once; also where the file is there already."""
        for name, mode in (("tool", 0o755), ("text", 0o644)):
            _write(folder, name, b"x" * size)
            (folder / name).chmod(mode)
        entries = make_catalog().put(RUN, folder, ["tool", "text"])
        assert [entry.is_executable for entry in entries] == [True, False]
        assert make_catalog().list_entries(RUN) == sorted(entries)
        for _ in range(2):
            make_catalog().get(RUN, elsewhere, entries)
            modes = {name: (elsewhere / name).stat().st_mode & 0o111 for name in ("tool", "text")}
            assert modes["text"] == 0
            assert modes["tool"] & 0o100
            (elsewhere / "tool").chmod(0o644)
            (elsewhere / "text").chmod(0o755)

    def test_entries_are_given_other_names(
        self, make_catalog: Callable[[], Catalog], folder: Path, elsewhere: Path
    ) -> None:
        """Without the file; names that are removed are gone where the catalog can do so, and the content stays."""
        _write(folder, "file", b"content")
        entry = make_catalog().put(RUN, folder, ["file"])[0]
        (folder / "file").unlink()
        renamed = entry._replace(name="other/name")
        catalog = make_catalog()
        catalog.change_entries(RUN, [renamed], ["file", "absent"])
        catalog.change_entries(RUN, [], [])
        assert renamed in make_catalog().list_entries(RUN)
        if type(catalog).change_entries is not Catalog.change_entries:
            assert make_catalog().list_entries(RUN) == [renamed]
        make_catalog().collect_garbage(dry_run=False)
        make_catalog().get(RUN, elsewhere, [renamed])
        assert (elsewhere / "other/name").read_bytes() == b"content"
        _write(folder, "file", b"new")
        make_catalog().put(RUN, folder, ["file"])
        assert [entry.name for entry in make_catalog().list_entries(RUN)] == ["file", "other/name"]

    def test_a_reader_learns_what_has_changed(
        self, make_catalog: Callable[[], Catalog], folder: Path
    ) -> None:
        """Since it last read, whichever client made the change; a run that begins anew is read anew."""
        reader, writer = make_catalog(), make_catalog()
        known: dict[str, CatalogEntry] = {}
        mark: object | None = None

        def read() -> None:
            nonlocal mark
            changes = reader.read_changes(RUN, mark)
            mark = changes.mark
            if changes.is_complete:
                known.clear()
            for name in changes.removed:
                known.pop(name, None)
            known.update((entry.name, entry) for entry in changes.changed)
            assert sorted(known.values()) == make_catalog().list_entries(RUN)

        read()
        for name in ("a", "b", "c"):
            _write(folder, name, name.encode())
            writer.put(RUN, folder, [name])
            read()
        _write(folder, "a", b"changed")
        reader.put(RUN, folder, ["a"])
        read()
        read()
        make_catalog().change_entries(RUN, [known["a"]._replace(name="d")], ["a", "b"])
        read()
        for number in range(70):
            writer.put_as(RUN, folder, {f"{number}": "a"})
        read()
        writer.delete_run(RUN)
        read()
        writer.put(RUN, folder, ["c"])
        read()

    def test_sync_gives_a_run_the_entries_of_another(
        self, make_catalog: Callable[[], Catalog], folder: Path, elsewhere: Path
    ) -> None:
        """All of them, once; what the run has already is kept, and the other run may be deleted."""
        _write(folder, "a", b"previous a")
        _write(folder, "b", b"previous b")
        make_catalog().put(RUN, folder, ["a", "b"])
        _write(folder, "b", b"own b")
        make_catalog().put(OTHER_RUN, folder, ["b"])
        assert make_catalog().sync_between_runs(RUN, OTHER_RUN) == 1
        assert make_catalog().sync_between_runs(RUN, OTHER_RUN) == 0
        make_catalog().delete_run(RUN)
        make_catalog().collect_garbage(dry_run=False)
        make_catalog().get(OTHER_RUN, elsewhere, make_catalog().list_entries(OTHER_RUN))
        assert (elsewhere / "a").read_bytes() == b"previous a"
        assert (elsewhere / "b").read_bytes() == b"own b"

    def test_runs_are_listed_until_they_are_deleted(
        self, make_catalog: Callable[[], Catalog], folder: Path
    ) -> None:
        """A run is known from its first put; deleting one that is unknown is no error."""
        _write(folder, "file", b"content")
        assert list(make_catalog().list_runs()) == []
        for run_id in (RUN, OTHER_RUN):
            make_catalog().put(run_id, folder, ["file"])
        assert set(make_catalog().list_runs()) == {RUN, OTHER_RUN}
        make_catalog().delete_run(RUN)
        make_catalog().delete_run("unknown")
        assert list(make_catalog().list_runs()) == [OTHER_RUN]

    def test_a_deleted_run_begins_anew(self, make_catalog: Callable[[], Catalog], folder: Path) -> None:
        """A client that knew the old entries does not see them again."""
        _write(folder, "old", b"old")
        _write(folder, "new", b"new")
        reader = make_catalog()
        make_catalog().put(RUN, folder, ["old"])
        assert len(reader.list_entries(RUN)) == 1
        make_catalog().delete_run(RUN)
        make_catalog().put(RUN, folder, ["new"])
        assert [entry.name for entry in reader.list_entries(RUN)] == ["new"]

    def test_garbage_is_counted_before_it_is_removed(
        self, make_catalog: Callable[[], Catalog], folder: Path
    ) -> None:
        """A dry run removes nothing; what a run refers to is no garbage."""
        _write(folder, "kept", b"kept")
        _write(folder, "file", b"first")
        make_catalog().put(RUN, folder, ["kept", "file"])
        _write(folder, "file", b"second, and longer")
        make_catalog().put(RUN, folder, ["file"])
        for dry_run in (True, True, False):
            report = make_catalog().collect_garbage(dry_run=dry_run)
            assert (report.objects, report.size) == (1, 5)
        assert make_catalog().collect_garbage(dry_run=True).objects == 0
        assert make_catalog().verify(RUN) == []

    def test_processes_may_put_into_one_run_at_the_same_time(
        self, make_catalog: Callable[[], Catalog], folder: Path
    ) -> None:
        """Four processes put 50 files each, one by one: 200 entries, none lost, all whole."""
        for worker in range(4):
            for number in range(50):
                _write(folder, f"{worker}/{number}", f"{number % 10}".encode())

        def put(worker: int) -> None:
            catalog = make_catalog()
            for number in range(50):
                catalog.put(RUN, folder, [f"{worker}/{number}"])

        _join([_start(put, worker) for worker in range(4)])
        names = sorted(f"{worker}/{number}" for worker in range(4) for number in range(50))
        assert [entry.name for entry in make_catalog().list_entries(RUN)] == names
        assert make_catalog().verify(RUN) == []

    def test_garbage_collection_spares_what_is_being_put(
        self, make_catalog: Callable[[], Catalog], folder: Path
    ) -> None:
        """Collecting without pause while another process puts: every entry that was put has its content."""
        names = [f"{number}" for number in range(20)]
        for name in names:
            _write(folder, name, name.encode() * 1000)

        def put() -> None:
            catalog = make_catalog()
            for attempt in range(10):
                catalog.put(f"run-{attempt}", folder, names)
                catalog.delete_run(f"run-{attempt - 1}")

        putting = _start(put)
        while putting.is_alive():
            make_catalog().collect_garbage(dry_run=False)
        _join([putting])
        assert len(make_catalog().list_entries("run-9")) == 20
        assert make_catalog().verify("run-9") == []

    def test_a_killed_put_leaves_no_half_file(
        self, make_catalog: Callable[[], Catalog], folder: Path
    ) -> None:
        """After SIGKILL at any moment every entry has its whole content, and the next put goes through."""
        names = ["small", "large"]
        content = random.Random(0)  # noqa: S311 - test data

        def put(seed: int) -> None:
            own = random.Random(seed)  # noqa: S311 - test data
            catalog = make_catalog()
            while True:
                _write(folder, "small", own.randbytes(100))
                _write(folder, "large", own.randbytes(LARGE_BYTES))
                catalog.put(RUN, folder, names)

        for seed in range(15):
            process = _start(put, seed)
            time.sleep(0.02 + content.random() * 0.08)
            _kill(process)
            assert make_catalog().verify(RUN) == []
        make_catalog().put(RUN, folder, names)
        assert [entry.name for entry in make_catalog().list_entries(RUN)] == sorted(names)
        make_catalog().collect_garbage(dry_run=False)
        assert make_catalog().verify(RUN) == []

    def test_a_killed_get_leaves_a_whole_file_or_none(
        self, make_catalog: Callable[[], Catalog], folder: Path, elsewhere: Path
    ) -> None:
        """After SIGKILL at any moment the file in the compute data folder is the old or the new one."""
        contents = [bytes([value]) * LARGE_BYTES for value in (1, 2)]
        entries = []
        for content in contents:
            _write(folder, "file", content)
            entries.append(make_catalog().put(RUN, folder, ["file"])[0])

        def get() -> None:
            catalog = make_catalog()
            while True:
                for entry in entries:
                    catalog.get(RUN, elsewhere, [entry])

        chance = random.Random(0)  # noqa: S311 - test data
        for _ in range(15):
            process = _start(get)
            time.sleep(0.02 + chance.random() * 0.08)
            _kill(process)
            if (elsewhere / "file").exists():
                assert (elsewhere / "file").read_bytes() in contents

    def test_ten_thousand_names_keep_their_order(
        self, make_catalog: Callable[[], Catalog], folder: Path, elsewhere: Path
    ) -> None:
        """They are put in one call, listed by name, and brought in one call."""
        names = [f"{number:05d}" for number in range(10_000)]
        for name in names:
            _write(folder, name, name[-2:].encode())
        shuffled = random.Random(0).sample(names, len(names))  # noqa: S311 - test data
        assert [entry.name for entry in make_catalog().put(RUN, folder, shuffled)] == shuffled
        entries = make_catalog().list_entries(RUN)
        assert [entry.name for entry in entries] == names
        make_catalog().get(RUN, elsewhere, entries)
        assert (elsewhere / "01234").read_bytes() == b"34"
        assert len(list(elsewhere.iterdir())) == 10_000

    def test_memory_does_not_grow_with_the_file(
        self, make_catalog: Callable[[], Catalog], folder: Path, elsewhere: Path
    ) -> None:
        """A process that puts and gets 256 MiB takes at most 64 MiB more than for 1 KiB."""
        _write(folder, "small", b"x" * 1024)
        with (folder / "huge").open("wb") as file:
            file.truncate(HUGE_BYTES)

        def put_and_get() -> None:
            peaks = []
            for name in ("small", "huge"):
                entries = make_catalog().put(RUN, folder, [name])
                make_catalog().get(RUN, elsewhere, entries)
                peaks.append(_peak_memory_bytes())
            assert peaks[1] - peaks[0] <= MEMORY_BYTES

        _join([_start(put_and_get)])
        assert (elsewhere / "huge").stat().st_size == HUGE_BYTES


def _write(folder: Path, name: str, content: bytes) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _start(work: Callable[..., None], *arguments: object) -> BaseProcess:
    # Forked, because what makes a catalog is a function within a fixture, which cannot be sent to another process.
    process = multiprocessing.get_context("fork").Process(target=work, args=arguments)
    process.start()
    return process


def _join(processes: list[BaseProcess]) -> None:
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * len(processes)


def _kill(process: BaseProcess) -> None:
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def _peak_memory_bytes() -> int:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts kibibytes, macOS bytes.
    return peak if sys.platform == "darwin" else peak * 1024
