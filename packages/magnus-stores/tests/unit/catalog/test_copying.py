from __future__ import annotations

import errno
import hashlib
import os
from typing import TYPE_CHECKING

import pytest

from magnus_stores.catalog.copying import BLOCK_BYTES, copy_descriptor

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SIZES = [0, 1, BLOCK_BYTES, BLOCK_BYTES + 1, 3 * BLOCK_BYTES - 1]


def copy(source: Path, target: Path) -> tuple[str, int]:
    """Copy a file by way of descriptors."""
    reading, writing = os.open(source, os.O_RDONLY), os.open(target, os.O_RDWR | os.O_CREAT)
    try:
        return copy_descriptor(reading, writing)
    finally:
        os.close(reading)
        os.close(writing)


def failing(number: int, after: int = 0) -> Callable[[int, int, int], int]:
    """Return a `copy_file_range` that fails with *number* once *after* blocks have been copied."""
    calls = 0

    def copy_file_range(source: int, target: int, count: int) -> int:
        nonlocal calls
        calls += 1
        if calls > after:
            raise OSError(number, os.strerror(number))
        return os.write(target, os.read(source, count))

    return copy_file_range


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("in_kernel", [True, False])
def test_a_copy_has_the_bytes_the_hash_and_the_size(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, *, in_kernel: bool
) -> None:
    """Whatever the size, and whether or not the system can copy by itself."""
    if not in_kernel:
        monkeypatch.delattr(os, "copy_file_range", raising=False)
    data = os.urandom(size)
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(data)
    assert copy(source, target) == (hashlib.sha256(data).hexdigest(), size)
    assert target.read_bytes() == data


@pytest.mark.parametrize("number", [errno.EXDEV, errno.ENOSYS, errno.EOPNOTSUPP])
def test_what_the_kernel_cannot_copy_is_read_and_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Two file systems, an old kernel or an odd file system cost time, and nothing else."""
    monkeypatch.setattr(os, "copy_file_range", failing(number), raising=False)
    data = os.urandom(BLOCK_BYTES + 7)
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(data)
    assert copy(source, target) == (hashlib.sha256(data).hexdigest(), len(data))
    assert target.read_bytes() == data


def test_a_copy_that_fails_half_way_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails after the first block is not taken for something the kernel cannot do."""
    monkeypatch.setattr(os, "copy_file_range", failing(errno.EINVAL, after=1), raising=False)
    source = tmp_path / "source"
    source.write_bytes(bytes(2 * BLOCK_BYTES))
    with pytest.raises(OSError, match="Invalid argument"):
        copy(source, tmp_path / "target")


def test_the_hash_is_that_of_the_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A source that changes while it is copied cannot make content be stored under a false hash."""
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(b"a" * 2 * BLOCK_BYTES)

    def copy_and_change(reading: int, writing: int, count: int) -> int:
        written = os.write(writing, os.read(reading, count))
        source.write_bytes(b"b" * 2 * BLOCK_BYTES)
        return written

    monkeypatch.setattr(os, "copy_file_range", copy_and_change, raising=False)
    digest, size = copy(source, target)
    copied = target.read_bytes()
    assert copied == b"a" * BLOCK_BYTES + b"b" * BLOCK_BYTES
    assert (digest, size) == (hashlib.sha256(copied).hexdigest(), len(copied))
