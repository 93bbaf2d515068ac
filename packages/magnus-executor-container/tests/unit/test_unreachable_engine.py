from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from magnus.errors import ServiceError
from magnus.ports.image_builder import ImageRequest
from magnus_executor_container.image_builder import DockerImageBuilder

if TYPE_CHECKING:
    from pathlib import Path

REMEDY = "start it, see that this user may use it, or set DOCKER_HOST to where one listens"


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("unix://{}/no.sock", "No such file or directory"),
        ("tcp://127.0.0.1:1", "Connection refused"),
        ("carrier://pigeon", "Invalid bind address protocol: carrier://pigeon"),
    ],
)
def test_an_engine_that_does_not_answer_is_named_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, reason: str
) -> None:
    """In one line, without the errors of the libraries between."""
    host = host.format(tmp_path)
    monkeypatch.setenv("DOCKER_HOST", host)
    with pytest.raises(ServiceError) as caught:
        DockerImageBuilder().build(ImageRequest(iter(()), "Dockerfile", ["x:1"]), print)
    assert str(caught.value) == f"no container engine answers at {host} ({reason}); {REMEDY}"
    assert caught.value.retriable
