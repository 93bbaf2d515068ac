from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import pytest

from magnus.errors import ConfigurationError
from magnus.ports.image_builder import ImageRequest
from magnus_executor_container.image_builder import DockerImageBuilder

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker


def context(dockerfile: str) -> Iterator[bytes]:
    """Yield, in small pieces, an archive with a Dockerfile and one file."""
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as archive:
        for path, text in {"build/Dockerfile": dockerfile, "data.txt": "hello"}.items():
            member = tarfile.TarInfo(path)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    whole.seek(0)
    while piece := whole.read(1000):
        yield piece


def build(dockerfile: str, *references: str, **arguments: str) -> tuple[str, list[str]]:
    """Build an image; return its id and what was reported."""
    lines: list[str] = []
    request = ImageRequest(context(dockerfile), "build/Dockerfile", references, arguments)
    return DockerImageBuilder().build(request, lines.append), lines


def test_an_image_is_built_from_a_stream_under_all_its_names(engine: docker.DockerClient, name: str) -> None:
    """The lines come as they were said, whole and without empty ones."""
    built, lines = build("FROM scratch\nCOPY data.txt /\n", f"{name}:1", f"{name}:two")
    image = engine.images.get(built)
    assert sorted(image.tags) == [f"{name}:1", f"{name}:two"]
    assert "Step 2/2 : COPY data.txt /" in lines
    assert not [line for line in lines if not line.strip() or "\n" in line]


def test_arguments_reach_the_instructions(engine: docker.DockerClient, name: str) -> None:
    """Those that the Dockerfile declares."""
    built, _ = build("FROM scratch\nARG WHO\nLABEL who=$WHO\n", f"{name}:1", WHO="me")
    assert engine.images.get(built).labels == {"who": "me"}


def test_the_proxies_password_stays_out_of_the_history(engine: docker.DockerClient, name: str) -> None:
    """Docker promises it; the core passes them on for that."""
    built, _ = build(
        "FROM scratch\nCOPY data.txt /\n", f"{name}:1", HTTPS_PROXY="http://user:canary@proxy.example"
    )
    image = engine.images.get(built)
    assert "canary" not in str(image.history()) + str(image.attrs)


@pytest.mark.parametrize(
    ("dockerfile", "said"),
    [
        (
            "FROM scratch\nCOPY data.txt /\nCOPY no.txt /\n",
            r"the Dockerfile fails at 'Step 3/3 : COPY no\.txt /': .*no\.txt.*; mend it and build again",
        ),
        (
            "FROM scratch\nFLY away\n",
            r"the Dockerfile fails: dockerfile parse error line 2: unknown instruction: FLY; mend it and build again",
        ),
        (
            "FROM scratch\nCOPY data.txt /\nRUN /data.txt\n",
            r"the Dockerfile fails at 'Step 3/3 : RUN /data\.txt': .*; mend it and build again",
        ),
    ],
)
def test_a_dockerfile_that_fails_is_told_with_its_instruction(
    engine: docker.DockerClient, name: str, dockerfile: str, said: str
) -> None:
    """And nothing has the name afterwards."""
    with pytest.raises(ConfigurationError, match=said):
        build(dockerfile, f"{name}:1")
    assert engine.images.list(name) == []


def test_an_error_of_the_context_comes_through_and_ends_the_build(
    engine: docker.DockerClient, name: str
) -> None:
    """A file may have gone while the archive was made of it."""

    def broken() -> Iterator[bytes]:
        yield bytes(512)
        raise ConfigurationError("'a' cannot be read")

    with pytest.raises(ConfigurationError, match=r"^'a' cannot be read$"):
        DockerImageBuilder().build(ImageRequest(broken(), "Dockerfile", [f"{name}:1"]), print)
    assert engine.images.list(name) == []
