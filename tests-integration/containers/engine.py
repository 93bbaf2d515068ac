"""The Docker engine of this machine, and what happens to a test where there is none."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NoReturn

import pytest

if TYPE_CHECKING:
    from docker import DockerClient

BUILD_SECONDS = 600
"""How long the engine may stay silent while it builds."""
PULL_SECONDS = 10
"""How long a registry may stay silent, so that a network without one costs no more than this."""


def connect(timeout_seconds: int = BUILD_SECONDS) -> DockerClient:
    """Return a client of the engine that `DOCKER_HOST` names, or of this machine's.

    Raises:
        DockerException: No engine answers.
    """
    import docker

    return docker.from_env(timeout=timeout_seconds)


def unavailable(reason: str) -> NoReturn:
    """Skip the test, or fail it where `MAGNUS_CI=1` says that nothing may be missing."""
    if os.environ.get("MAGNUS_CI") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
