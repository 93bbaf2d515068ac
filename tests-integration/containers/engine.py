"""The Docker engine of this machine, and what happens to a test where there is none."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, NoReturn

import pytest

if TYPE_CHECKING:
    from docker import DockerClient

BUILD_SECONDS = 600
"""How long the engine may stay silent while it builds."""
PULL_SECONDS = 10
"""How long a registry may stay silent, so that a network without one costs no more than this."""


class NoEngineError(Exception):
    """No Docker engine answers."""


def connect(timeout_seconds: int = BUILD_SECONDS) -> DockerClient:
    """Return a client of the engine that `DOCKER_HOST` names, or of this machine's.

    Raises:
        NoEngineError: No engine answers.
    """
    import docker
    from docker.errors import DockerException

    host = os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"
    try:
        if host.startswith("unix://"):
            # The library leaves its socket open where nobody listens, and a warning about that fails the tests.
            with socket.socket(socket.AF_UNIX) as probe:
                probe.connect(host.removeprefix("unix://"))
        return docker.from_env(timeout=timeout_seconds)
    except (DockerException, OSError) as error:
        raise NoEngineError(f"{host}: {error}") from error


def unavailable(reason: str) -> NoReturn:
    """Skip the test, or fail it where `MAGNUS_CI=1` says that nothing may be missing."""
    if os.environ.get("MAGNUS_CI") == "1":
        pytest.fail(reason)
    pytest.skip(reason)
