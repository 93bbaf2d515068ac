"""A real engine, and what tests leave in it."""

from __future__ import annotations

import gc
import os
import uuid
import warnings
from typing import TYPE_CHECKING

import docker
import pytest
from docker.errors import DockerException, ImageNotFound

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    """Return the engine; skip where none answers, unless CI says that one must."""
    client, reason = _connect()
    if client is None:
        # The docker SDK leaves a socket open where it cannot connect; a later test would be blamed for it.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()
        give_up = pytest.fail if os.environ.get("MAGNUS_CI") == "1" else pytest.skip
        give_up(f"no container engine answers: {reason}")
    yield client
    client.close()


def _connect() -> tuple[docker.DockerClient | None, str]:
    try:
        return docker.from_env(), ""
    except DockerException as error:
        return None, str(error)


@pytest.fixture
def name(engine: docker.DockerClient) -> Iterator[str]:
    """Return the name of an image that nobody else uses; what is called so is removed in the end."""
    name = f"magnus-test-{uuid.uuid4().hex}"
    yield name
    for image in engine.images.list(name):
        for tag in image.tags:
            try:
                engine.images.remove(tag, force=True)
            except ImageNotFound:
                continue
