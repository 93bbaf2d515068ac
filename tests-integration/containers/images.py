"""Builds images, finds those of earlier sessions, and removes what no session uses any more."""

from __future__ import annotations

import fcntl
import hashlib
import os
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import gettempdir
from typing import TYPE_CHECKING

from containers.engine import PULL_SECONDS, connect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker import DockerClient

UNUSED_FOR = timedelta(days=1)
"""After this time without use an image is removed; sooner, it may be that of another worktree's session."""

_LOOKED_THROUGH: set[str] = set()
"""The names of images of which this process has removed those that nobody uses."""


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Look for an image and build it here, while no other process of this user's tests does."""
    with Path(gettempdir(), f"magnus-tests-images-{os.getuid()}.lock").open("w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def named_by(name: str, *inputs: str | bytes) -> str:
    """Return a tag of the image *name* that changes with everything it is made of."""
    digest = hashlib.sha256()
    for value in inputs:
        content = value.encode() if isinstance(value, str) else value
        digest.update(b"%d:" % len(content) + content)
    return f"{name}:{digest.hexdigest()[:16]}"


def has(engine: DockerClient, tag: str) -> bool:
    """Tell whether the engine has an image; it counts as used from now on."""
    from docker.errors import ImageNotFound

    try:
        image = engine.images.get(tag)
    except ImageNotFound:
        return False
    image.tag(tag)  # the engine writes down when
    return True


def can_be_had(engine: DockerClient, tag: str) -> bool:
    """Tell whether the engine has an image of a registry, now that it has tried to pull it."""
    from docker.errors import DockerException
    from requests import RequestException

    if has(engine, tag):
        return True
    client = connect(PULL_SECONDS)
    try:
        client.images.pull(*tag.split(":"))
    except (DockerException, RequestException):
        return False
    finally:
        client.close()
    return True


def build(engine: DockerClient, tag: str, folder: Path) -> None:
    """Build *folder*, which has a `Dockerfile`; the first time, remove the images of that name that nobody uses.

    The engine's old builder does it, as no other is there everywhere: no `RUN --mount`, no `COPY --chmod`.
    """
    from docker.errors import BuildError

    try:
        engine.images.build(path=str(folder), tag=tag, rm=True, forcerm=True)
    except BuildError as error:
        log = "".join(line.get("stream", "") for line in error.build_log)
        raise AssertionError(f"{tag} cannot be built: {error.msg}\n{log}") from error
    name = tag.partition(":")[0]
    if name not in _LOOKED_THROUGH:
        _LOOKED_THROUGH.add(name)
        remove_unused(engine, name)


def remove_unused(engine: DockerClient, name: str, unused_for: timedelta = UNUSED_FOR) -> None:
    """Remove the images *name* that no session has used for some time, except those that a container needs."""
    from docker.errors import APIError, ImageNotFound

    for listed in engine.api.images(name):
        try:
            image = engine.images.get(listed["Id"])
        except ImageNotFound:  # another session was quicker
            continue
        used = datetime.fromisoformat(image.attrs["Metadata"]["LastTagTime"])
        if datetime.now(UTC) - used > unused_for:
            # The same image may be known by other names, which are not ours to take away.
            for tag in (tag for tag in image.tags if tag.startswith(f"{name}:")):
                try:
                    engine.images.remove(tag)
                except APIError:  # in use, or another session was quicker
                    continue
