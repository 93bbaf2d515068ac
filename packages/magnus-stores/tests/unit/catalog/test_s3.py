"""What the catalog `s3` does beyond the port: layout, requests, large files, and who collects garbage."""

from __future__ import annotations

import hashlib
from contextlib import closing
from datetime import timedelta
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from magnus.errors import CatalogError
from magnus.ports.catalog import CatalogEntry
from magnus_stores.catalog import s3_guard
from magnus_stores.catalog.s3 import S3Catalog, S3CatalogOptions
from magnus_stores.catalog.s3_index import MERGED_AT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LARGE_BYTES = 20 << 20


@pytest.fixture
def catalog(bucket: str, requests: Any) -> Iterator[S3Catalog]:
    """Lend a catalog without files, whose requests are taken down."""
    with closing(S3Catalog(S3CatalogOptions(bucket=bucket))) as made:
        yield made


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a compute data folder with a small and a large file."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "small").write_bytes(b"small")
    with (folder / "large").open("wb") as file:
        for number in range(LARGE_BYTES >> 20):
            file.write(bytes([number]) * (1 << 20))
    return folder


def keys_of(s3: Any, bucket: str, prefix: str = "") -> list[str]:
    """Return what is in the bucket."""
    return [item["Key"] for item in s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", ())]


def test_contents_lie_as_in_the_catalog_file_system(
    catalog: S3Catalog, data: Path, s3: Any, bucket: str
) -> None:
    """Under their hash; beside them is what the run holds, and nothing else."""
    (entry,) = catalog.put("run", data, ["small"])
    digest = hashlib.sha256(b"small").hexdigest()
    assert entry.location == f".objects/{digest[:2]}/{digest}"
    index, content = sorted(keys_of(s3, bucket), reverse=True)
    assert content == entry.location
    assert index.startswith(".runs/run/")
    line = s3.get_object(Bucket=bucket, Key=index)["Body"].read().splitlines()[1].decode()
    assert line.startswith(f'["small", "{digest}", 5, ')


def test_a_large_file_goes_up_and_down_in_parts(
    catalog: S3Catalog, data: Path, tmp_path: Path, s3: Any, bucket: str, requests: Any
) -> None:
    """Of 5 MiB up, of 8 MiB down, several at the same time."""
    (entry,) = catalog.put("run", data, ["large"])
    assert s3.head_object(Bucket=bucket, Key=entry.location)["ETag"].strip('"').endswith("-4")
    assert max(size for _, _, size in requests.sent) <= 5 << 20
    requests.sent.clear()
    catalog.get("run", tmp_path / "other", [entry])
    assert requests.operations.count("GetObject") == 3
    assert (tmp_path / "other/large").read_bytes() == (data / "large").read_bytes()


@pytest.mark.parametrize("name", ["small", "large"])
def test_putting_an_unchanged_file_moves_no_bytes(
    catalog: S3Catalog, data: Path, requests: Any, name: str
) -> None:
    """In the same run or in another: S3 is asked for the content, and only the entry is written."""
    catalog.put("run", data, [name])
    for run_id in ("run", "another"):
        requests.sent.clear()
        catalog.put(run_id, data, [name])
        to_contents = [(operation, size) for operation, url, size in requests.sent if "/.objects/" in url]
        assert to_contents == [("HeadObject", 0)]
        assert sum(size for _, _, size in requests.sent) < 1000


@pytest.mark.parametrize("name", ["small", "large"])
def test_getting_what_is_there_already_moves_no_bytes(
    catalog: S3Catalog, data: Path, requests: Any, name: str
) -> None:
    """As it is when the step that made the file ran in the same folder."""
    entries = catalog.put("run", data, [name])
    requests.sent.clear()
    catalog.get("run", data, entries)
    assert requests.sent == []


def test_a_content_of_another_size_is_stored_anew(
    catalog: S3Catalog, data: Path, s3: Any, bucket: str
) -> None:
    """Someone may have cut it off."""
    (entry,) = catalog.put("run", data, ["small"])
    s3.put_object(Bucket=bucket, Key=entry.location, Body=b"sm")
    catalog.put("run", data, ["small"])
    assert catalog.verify("run") == []


@pytest.mark.parametrize("name", ["small", "large"])
@pytest.mark.parametrize("change", [b"other", b"longer than before", b"x"])
def test_a_file_that_changes_while_it_is_put_is_stored_under_its_own_hash(
    catalog: S3Catalog,
    data: Path,
    s3: Any,
    bucket: str,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    change: bytes,
) -> None:
    """It is read again, and what is stored is what its entry says."""
    size = catalog._bucket.size  # noqa: SLF001 - asked for between the hashing and the storing

    def size_of(key: str) -> int | None:
        content = (data / name).read_bytes()
        (data / name).write_bytes(content[:-5] + change)
        monkeypatch.setattr(catalog._bucket, "size", size)  # noqa: SLF001
        return size(key)

    monkeypatch.setattr(catalog._bucket, "size", size_of)  # noqa: SLF001
    (entry,) = catalog.put("run", data, [name])
    assert entry.data_hash == hashlib.sha256((data / name).read_bytes()).hexdigest()
    assert keys_of(s3, bucket, ".objects/") == [entry.location]
    assert catalog.verify("run") == []
    assert s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []


def test_a_file_that_goes_on_changing_is_refused(
    catalog: S3Catalog, data: Path, monkeypatch: pytest.MonkeyPatch, s3: Any, bucket: str
) -> None:
    """It names the file, and leaves nothing."""
    contents = iter(range(100))

    def size_of(_key: str) -> None:
        (data / "small").write_bytes(b"%d" % next(contents))

    monkeypatch.setattr(catalog._bucket, "size", size_of)  # noqa: SLF001 - see above
    with pytest.raises(CatalogError, match="small changed each of the 5 times"):
        catalog.put("run", data, ["small"])
    assert keys_of(s3, bucket) == []


def test_a_failure_ends_the_transfers_beside_it(
    catalog: S3Catalog, data: Path, monkeypatch: pytest.MonkeyPatch, s3: Any, bucket: str
) -> None:
    """What is left of them is nothing."""
    (data / "other").write_bytes((data / "large").read_bytes()[::-1])
    size = catalog._bucket.size  # noqa: SLF001 - asked for before each
    small = hashlib.sha256(b"small").hexdigest()

    def size_of(key: str) -> int | None:
        if small in key:
            message = "no more"
            raise CatalogError(message)
        return size(key)

    with monkeypatch.context() as patched:
        patched.setattr(catalog._bucket, "size", size_of)  # noqa: SLF001
        with pytest.raises(CatalogError, match="no more"):
            catalog.put("run", data, ["small", "large", "other"])
    assert keys_of(s3, bucket) == []
    assert s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []
    assert len(catalog.put("run", data, ["small", "large", "other"])) == 3


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../out", "sub//small", "nul\0"])
def test_a_name_that_leads_out_is_refused(catalog: S3Catalog, data: Path, requests: Any, name: str) -> None:
    """Both ways, before anything is asked of S3; so is a hash that is none, and an id that is none."""
    with pytest.raises(CatalogError, match="cannot hold"):
        catalog.put("run", data, [name])
    with pytest.raises(CatalogError, match="cannot hold"):
        catalog.get("run", data, [CatalogEntry(name, "0" * 64, 0, "")])
    with pytest.raises(CatalogError, match="SHA-256"):
        catalog.get("run", data, [CatalogEntry("name", "../../secret", 1, "")])
    with pytest.raises(CatalogError, match="run id"):
        catalog.put("../run", data, ["small"])
    assert requests.sent == []


def test_entries_of_many_puts_are_found_with_few_requests(
    catalog: S3Catalog, data: Path, requests: Any, s3: Any, bucket: str
) -> None:
    """They are merged from time to time; the last put of a name counts before and after."""
    for number in range(2 * MERGED_AT + 5):
        (data / f"{number}").write_bytes(b"x" * (number % 2))
        (data / "small").write_bytes(b"%d" % number)
        catalog.put("run", data, [f"{number}", "small"])
    assert len(keys_of(s3, bucket, ".runs/")) == 6
    requests.sent.clear()
    with closing(S3Catalog(catalog.options)) as fresh:
        entries = fresh.list_entries("run")
    assert len(requests.sent) == 7
    assert len(entries) == 2 * MERGED_AT + 6
    last = hashlib.sha256(b"%d" % (2 * MERGED_AT + 4)).hexdigest()
    assert [entry.data_hash for entry in entries if entry.name == "small"] == [last]
    assert fresh.verify("run") == []


def test_a_put_costs_the_same_however_many_there_were(catalog: S3Catalog, data: Path, requests: Any) -> None:
    """Where nothing is merged; nothing that grows is read."""
    costs = []
    for number in range(MERGED_AT - 1):
        requests.sent.clear()
        catalog.put(f"run-{number % 2}", data, ["small"])
        costs.append(requests.operations)
    assert costs[10] == costs[-1]
    assert len(costs[-1]) == 6


def test_a_put_waits_for_who_collects_and_is_spared_by_who_comes_later(
    catalog: S3Catalog, data: Path, s3: Any, bucket: str
) -> None:
    """Only for the collector that it has met; another one finds what is being put, and leaves it."""
    mark = f"{s3_guard.COLLECTING}met"
    s3.put_object(Bucket=bucket, Key=mark, Body=b"")
    putting = Thread(target=catalog.put, args=("run", data, ["small"]))
    putting.start()
    try:
        putting.join(0.3)
        assert putting.is_alive()
        assert keys_of(s3, bucket, ".objects/") == []
        (entry,) = [CatalogEntry("small", hashlib.sha256(b"small").hexdigest(), 5, "")]
        key = f".objects/{entry.data_hash[:2]}/{entry.data_hash}"
        s3.put_object(Bucket=bucket, Key=key, Body=b"small")
        with closing(S3Catalog(catalog.options)) as other:
            assert other.collect_garbage(dry_run=False).objects == 0
        s3.put_object(Bucket=bucket, Key=f"{s3_guard.COLLECTING}later", Body=b"")
    finally:
        s3.delete_object(Bucket=bucket, Key=mark)
        putting.join()
    assert catalog.verify("run") == []


def test_what_killed_puts_and_collectors_leave_is_passed_over_when_it_is_old(
    catalog: S3Catalog, data: Path, s3: Any, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the clock of S3; until then contents are spared. Unfinished uploads go, too."""
    catalog.put("run", data, ["small"])
    catalog.delete_run("run")
    digest = hashlib.sha256(b"small").hexdigest()
    s3.put_object(Bucket=bucket, Key=f"{s3_guard.PUTTING}killed", Body=digest.encode())
    s3.put_object(Bucket=bucket, Key=f"{s3_guard.COLLECTING}killed", Body=b"")
    s3.create_multipart_upload(Bucket=bucket, Key=f".objects/{digest[:2]}/{digest}")
    assert catalog.collect_garbage(dry_run=False).objects == 0
    monkeypatch.setattr(s3_guard, "ABANDONED", timedelta(-1))
    monkeypatch.setattr("magnus_stores.catalog.s3.ABANDONED", timedelta(-1))
    monkeypatch.setattr(s3_guard, "_COLLECTOR_LIVES", timedelta(-1))
    assert catalog.collect_garbage(dry_run=True).objects == 1
    assert catalog.collect_garbage(dry_run=False).objects == 1
    assert keys_of(s3, bucket) == []
    assert s3.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []


def test_a_collector_that_was_held_up_stops(catalog: S3Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Puts may have stopped waiting for it. One that is quicker says anew that it is at work."""
    now = 0.0
    monkeypatch.setattr("magnus_stores.catalog.s3_guard.time.monotonic", lambda: now)
    guard = s3_guard.Guard(catalog._bucket)  # noqa: SLF001 - it takes a minute otherwise
    with guard.collecting() as go_on:
        now = 30.0
        go_on()
        now = 80.0
        go_on()
        now = 150.0
        with pytest.raises(CatalogError, match="start it again"):
            go_on()


def test_entries_of_another_version_ask_for_an_upgrade(catalog: S3Catalog, s3: Any, bucket: str) -> None:
    """They are not guessed at."""
    s3.put_object(Bucket=bucket, Key=".runs/run/9999999998-0.jsonl", Body=b'{"version": 2}\n')
    with pytest.raises(CatalogError, match=r"format 2.*upgrade"):
        catalog.list_entries("run")


def test_sync_gives_nothing_that_was_deleted_meanwhile(
    catalog: S3Catalog, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the reading of the entries and the saying that they are needed."""
    catalog.put("previous", data, ["small"])
    wait = s3_guard.Guard._wait_for_collectors  # noqa: SLF001 - called at that very moment

    def delete_and_wait(guard: s3_guard.Guard) -> None:
        with closing(S3Catalog(catalog.options)) as other:
            other.delete_run("previous")
        wait(guard)

    monkeypatch.setattr(s3_guard.Guard, "_wait_for_collectors", delete_and_wait)
    assert catalog.sync_between_runs("previous", "run") == 0
    assert catalog.list_entries("run") == []
