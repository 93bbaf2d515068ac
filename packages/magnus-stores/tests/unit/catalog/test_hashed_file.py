from __future__ import annotations

import hashlib
import os
import random
from typing import TYPE_CHECKING

import pytest

from magnus_stores.catalog.hashed_file import HashedFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PIECE = 300_000
CONTENT = random.Random(0).randbytes(20 * PIECE + 7)  # noqa: S311 - test data
STARTS = range(0, len(CONTENT), PIECE)


@pytest.fixture
def descriptor(tmp_path: Path) -> Iterator[int]:
    """Lend an empty file."""
    opened = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
    yield opened
    os.close(opened)


def write(file: HashedFile, start: int, content: bytes = CONTENT) -> None:
    """Write the piece that begins at *start*."""
    file.seek(start)
    assert file.write(content[start : start + PIECE]) == len(content[start : start + PIECE])


@pytest.mark.parametrize("seed", range(5))
def test_pieces_in_any_order_make_the_file_and_its_hash(descriptor: int, seed: int) -> None:
    """As if it had been written from its beginning to its end."""
    with HashedFile(descriptor) as file:
        for start in random.Random(seed).sample(STARTS, len(STARTS)):  # noqa: S311 - test data
            write(file, start)
        assert file.finish() == hashlib.sha256(CONTENT).hexdigest()
    assert os.pread(descriptor, len(CONTENT) + 1, 0) == CONTENT


def test_a_piece_that_comes_once_more_counts_as_it_came_last(descriptor: int) -> None:
    """Although what came first has been hashed by then; also where it overlaps others."""
    with HashedFile(descriptor) as file:
        for start in STARTS:
            write(file, start, b"x" * len(CONTENT))
        for start in STARTS:
            write(file, start)
        file.seek(PIECE // 2)
        file.write(CONTENT[PIECE // 2 : 2 * PIECE])
        assert file.finish() == hashlib.sha256(CONTENT).hexdigest()


def test_an_empty_file_has_the_hash_of_nothing(descriptor: int) -> None:
    """No piece need come."""
    with HashedFile(descriptor) as file:
        assert file.finish() == hashlib.sha256(b"").hexdigest()


def test_a_file_that_is_given_up_leaves_no_thread(descriptor: int) -> None:
    """Whether or not it was finished."""
    with HashedFile(descriptor) as file:
        write(file, PIECE)
    assert not file._digest._thread.is_alive()  # noqa: SLF001 - it shows nowhere else
