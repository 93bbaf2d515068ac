"""Fixtures that give an engine, images and services; `conftest.py` takes them over."""

from __future__ import annotations

import subprocess
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from containers import base_image as base
from containers.engine import NoEngineError, connect, unavailable
from containers.images import one_at_a_time
from containers.magnus_image import build_wheels, dependencies_image
from containers.magnus_image import magnus_image as build_magnus_image
from containers.postgresql_image import postgresql_image as build_postgresql_image
from containers.reader import ReaderOfContainers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from docker import DockerClient
    from pytest_docker.plugin import Services

_USED_BASE = pytest.StashKey[str]()
_WORKERS_BASE = "magnus-tests-base"


def pytest_report_header() -> str:
    """Say which engine there is, and what its images will stand on as far as that is known without a pull."""
    try:
        client = connect()
    except NoEngineError:
        return "containers: no Docker engine answers"
    try:
        version = client.version()["Version"]
        this = f"this machine's Python {sys.version.split()[0]}"
        stands_on = (
            base.USUAL if base.usual_is_here(client) else f"{base.USUAL} if it can be pulled, else {this}"
        )
    finally:
        client.close()
    return f"containers: Docker engine {version}; images stand on {stands_on}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say which base image was used, once that is known."""
    used = terminalreporter.config.stash.get(_USED_BASE, "")
    if used:
        terminalreporter.write_line(f"containers: images stood on {used}")


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Learn it from a process of `pytest -n`, which ends."""
    used = getattr(node, "workeroutput", {}).get(_WORKERS_BASE)
    if used:
        node.config.stash[_USED_BASE] = used


@pytest.fixture(scope="session")
def engine() -> Iterator[DockerClient]:
    """Return a client of the Docker engine."""
    try:
        client = connect()
    except NoEngineError as error:
        unavailable(f"needs a Docker engine; {error}")
    yield client
    client.close()


@pytest.fixture(scope="session")
def base_image(engine: DockerClient, pytestconfig: pytest.Config) -> base.BaseImage:
    """Return the image that all others stand on: Python, pip and a shell."""
    with one_at_a_time():
        image = base.base_image(engine)
    used = f"{image.tag}, {image.origin}"
    pytestconfig.stash[_USED_BASE] = used
    getattr(pytestconfig, "workeroutput", {})[_WORKERS_BASE] = used
    return image


@pytest.fixture(scope="session")
def magnus_image(engine: DockerClient, base_image: base.BaseImage) -> str:
    """Return the tag of an image with every package of the workspace, its extras, and what examples/digits imports."""
    with one_at_a_time():
        return build_magnus_image(engine, base_image.tag)


@pytest.fixture
def reader_of_containers(
    engine: DockerClient, base_image: base.BaseImage, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ReaderOfContainers]:
    """Return what makes the images that documents speak of; those that are built are removed."""
    wheels = tmp_path_factory.mktemp("wheels")
    build_wheels(wheels)
    built = f"magnus-tests-reader-{uuid.uuid4().hex}"
    names = {"my-project": built, "magnus-digits": built, base.USUAL: base_image.tag}
    with one_at_a_time():
        dependencies = dependencies_image(engine, base_image.tag)
    yield ReaderOfContainers(names, dependencies, wheels)
    for image in engine.images.list(built):
        for tag in image.tags:
            engine.images.remove(tag)


@dataclass(frozen=True)
class PostgresqlInContainers:
    """A PostgreSQL server that containers reach; the URLs are SQLAlchemy's, and name the same empty database."""

    inside: str
    """The URL in a container on *network*."""
    outside: str
    """The URL on this machine."""
    network: str
    """The name of the network that a container joins."""


@pytest.fixture(scope="session")
def postgresql_in_containers(
    engine: DockerClient, docker_services: Services, docker_ip: str, docker_compose_project_name: str
) -> Iterator[PostgresqlInContainers]:
    """Return a running PostgreSQL server; containers that are left on its network at the end are removed."""
    network = f"{docker_compose_project_name}_steps"
    outside = f"postgresql+psycopg://magnus@{docker_ip}:{docker_services.port_for('postgresql', 5432)}/magnus"
    docker_services.wait_until_responsive(timeout=60, pause=0.05, check=lambda: _answers(outside))
    yield PostgresqlInContainers("postgresql+psycopg://magnus@postgresql:5432/magnus", outside, network)
    for container in engine.networks.get(network).containers:
        # A network with a container in it cannot be taken down.
        if "com.docker.compose.project" not in container.labels:
            container.remove(force=True)


def _answers(url: str) -> bool:
    import psycopg

    try:
        psycopg.connect(url.replace("+psycopg", ""), connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True


def _succeeds(command: str) -> bool:
    try:
        return subprocess.run(command.split(), capture_output=True, check=False).returncode == 0
    except OSError:
        return False


# Below: what pytest-docker asks for.


@pytest.fixture(scope="session")
def docker_compose_command() -> str:
    """Return the command of compose, version 2 or else version 1."""
    commands = (
        command for command in ("docker compose", "docker-compose") if _succeeds(f"{command} version")
    )
    return next(commands, None) or unavailable("needs docker compose, or docker-compose")


@pytest.fixture(scope="session")
def docker_compose_file() -> str:
    """Return the path of the file with the services."""
    return str(Path(__file__).parents[1] / "compose.yaml")


@pytest.fixture(scope="session")
def docker_setup(engine: DockerClient, base_image: base.BaseImage) -> Iterator[list[str]]:
    """Return how services are started, now that their images are there.

    Version 1 of compose cannot wait until they answer, so their fixtures do.
    """
    with one_at_a_time():
        image = build_postgresql_image(engine, base_image.tag)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MAGNUS_TESTS_POSTGRESQL_IMAGE", image)
        yield ["up -d"]


@pytest.fixture(scope="session")
def docker_cleanup() -> list[str]:
    """Return how services are ended: their containers, networks and volumes are removed."""
    return ["down -v --timeout 1"]
