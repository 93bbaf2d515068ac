from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from magnus.domain.records import Record, RecordKind
from magnus.errors import RunLogNotFoundError, ServiceError
from magnus_stores.run_log.chunked_fs import ChunkedFileSystemOptions, ChunkedFileSystemRunLogStore

if TYPE_CHECKING:
    from pathlib import Path

STEP = Record(RecordKind.STEP, "train", "1")


@pytest.fixture
def store(tmp_path: Path) -> ChunkedFileSystemRunLogStore:
    """A store with one run."""
    store = ChunkedFileSystemRunLogStore(ChunkedFileSystemOptions(log_folder=str(tmp_path)))
    store.create_run("run-1", [STEP])
    return store


def test_nothing_but_the_records_is_left_behind(store: ChunkedFileSystemRunLogStore, tmp_path: Path) -> None:
    """Each has a file that says which it is, then its body."""
    store.put("run-1", [STEP, Record(RecordKind.VALUE, "ab", "2")])
    assert sorted(path.name for path in tmp_path.rglob("*")) == sorted(
        ["run-1", "format.json", "step-train.json", "value-ab.json"]
    )
    head, body = (tmp_path / "run-1" / "step-train.json").read_text(encoding="utf-8").split("\n")
    assert head.startswith('["step","train",')
    assert body == "1"


def test_a_value_is_written_once(store: ChunkedFileSystemRunLogStore, tmp_path: Path) -> None:
    """Its file stays the same file."""
    value = Record(RecordKind.VALUE, "digest", "3")
    store.put("run-1", [value])
    path = tmp_path / "run-1" / "value-digest.json"
    before = path.stat()
    store.put("run-1", [value], durable=False)
    store.put("run-1", [value])
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_damaged_record_is_named(store: ChunkedFileSystemRunLogStore, tmp_path: Path) -> None:
    """The error says which file to restore."""
    (tmp_path / "run-1" / "step-train.json").write_text("{", encoding="utf-8")
    with pytest.raises(ServiceError, match=r"step-train\.json is damaged"):
        store.get("run-1", STEP.kind, STEP.name)


def test_what_a_killed_process_left_is_no_run(store: ChunkedFileSystemRunLogStore, tmp_path: Path) -> None:
    """Neither a folder that was being filled or removed, nor one without a format."""
    for name in (".0123456789abcdef.tmp", "empty"):
        (tmp_path / name).mkdir()
    (tmp_path / "file").write_bytes(b"")
    assert list(store.list_runs()) == ["run-1"]
    for run_id in ("empty", "file"):
        with pytest.raises(RunLogNotFoundError):
            store.get(run_id, RecordKind.RUN, "")


def test_the_folder_of_another_run_is_not_taken_for_this_one(
    store: ChunkedFileSystemRunLogStore, tmp_path: Path
) -> None:
    """As where file names are the same in capitals: the folder says which run it is of."""
    (tmp_path / "RUN-1").symlink_to(tmp_path / "run-1")
    with pytest.raises(RunLogNotFoundError):
        store.get("RUN-1", STEP.kind, STEP.name)


def test_a_newer_format_asks_for_an_upgrade(store: ChunkedFileSystemRunLogStore, tmp_path: Path) -> None:
    """It is not guessed at."""
    (tmp_path / "run-1" / "format.json").write_text('{"version": 2, "run_id": "run-1"}', encoding="utf-8")
    other = ChunkedFileSystemRunLogStore(ChunkedFileSystemOptions(log_folder=str(tmp_path)))
    with pytest.raises(ServiceError, match="upgrade magnus-stores"):
        other.get("run-1", STEP.kind, STEP.name)
