"""Fixtures that give an account of AWS; `conftest.py` takes them over."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker import DockerClient

    from aws.emulator import Emulator


@pytest.fixture(scope="session")
def aws(engine: DockerClient) -> Iterator[Emulator]:
    """Return an emulated account of AWS, whose jobs are real containers; `reset()` empties it."""
    from aws.emulator import Emulator

    emulator = Emulator(engine)
    yield emulator
    emulator.close()
