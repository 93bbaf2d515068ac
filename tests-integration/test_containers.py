"""What the tests of executors that use containers stand on: the images, and a server that containers reach."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest
from containers.images import has, remove_unused

if TYPE_CHECKING:
    from containers.base_image import BaseImage
    from containers.fixtures import PostgresqlInContainers
    from docker import DockerClient

# The first session on a machine builds the images.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def run(engine: DockerClient, image: str, *command: str, **options: str) -> str:
    """Run *command* in a container that is then removed, and return what it prints."""
    said: bytes = engine.containers.run(image, list(command), remove=True, stderr=True, **options)
    return said.decode()


def test_the_image_holds_magnus(engine: DockerClient, magnus_image: str) -> None:
    """The command is on the path, and no adapter of the workspace is missing."""
    assert run(engine, magnus_image, "magnus", "--version").startswith("magnus 0.")
    adapters = run(engine, magnus_image, "magnus", "adapters").splitlines()
    assert [line for line in adapters[1:] if line.split()[-1] != "ok"] == []


def test_a_user_without_a_name_runs_python_and_a_shell(engine: DockerClient, magnus_image: str) -> None:
    """Nothing in the image is for root only."""
    command = "python -c 'import os; print(os.getuid())' && id -u && bash -c 'touch /tmp/mine && ls /tmp'"
    assert run(engine, magnus_image, "sh", "-c", command, user="1000:1000") == "1000\n1000\nmine\n"


def test_the_image_holds_what_the_example_imports(engine: DockerClient, magnus_image: str) -> None:
    """Extension modules find the libraries that they load."""
    command = "import ipykernel, matplotlib.pyplot, mlflow, psycopg, sklearn.svm, sqlalchemy, threadpoolctl"
    assert run(engine, magnus_image, "python", "-c", command) == ""


def test_postgresql_answers_in_a_container_and_on_this_machine(
    engine: DockerClient, magnus_image: str, postgresql_in_containers: PostgresqlInContainers
) -> None:
    """Both URLs lead to the same server: a table made by a container is seen from outside."""
    server = postgresql_in_containers
    command = f"""\
import sqlalchemy as sql
with sql.create_engine("{server.inside}").begin() as connection:
    connection.execute(sql.text("create table greetings as select 'hello' as greeting"))
"""
    assert run(engine, magnus_image, "python", "-c", command, network=server.network) == ""
    with psycopg.connect(server.outside.replace("+psycopg", "")) as connection:
        assert connection.execute("select greeting from greetings").fetchall() == [("hello",)]
        connection.execute("drop table greetings")


def test_an_image_is_kept_for_a_day_after_its_last_use(engine: DockerClient, base_image: BaseImage) -> None:
    """What another worktree's session uses stays; later only the names that were asked about go."""
    name = f"magnus-tests-trial-{os.getpid()}"
    tag = f"{name}:1"
    engine.images.get(base_image.tag).tag(tag)
    remove_unused(engine, name)
    assert has(engine, tag)
    remove_unused(engine, name, timedelta(0))
    assert not has(engine, tag)
    assert has(engine, base_image.tag)
