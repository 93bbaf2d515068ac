"""Fixtures of the tests of whole runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

# In importlib's mode of importing, tests could not share a module otherwise.
sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "packages/magnus-executor-awsbatch/tests/support"))

from aws.fixtures import account, aws, aws_emulator, s3_server, stores  # noqa: F401 - pytest finds fixtures by their names in this module
from containers.fixtures import (  # noqa: F401 - pytest finds fixtures and hooks by their names in this module
    base_image,
    docker_cleanup,
    docker_compose_command,
    docker_compose_file,
    docker_setup,
    engine,
    magnus_image,
    postgresql_in_containers,
    pytest_report_header,
    pytest_terminal_summary,
    pytest_testnodedown,
    reader_of_containers,
)
from harness import Project
from quick_magnus import quick_magnus

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """Give every test a folder of its own, and leave none of its processes behind."""
    project = Project(tmp_path / "project")
    yield project
    project.kill_what_is_left()


@pytest.fixture(scope="session")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a folder for the PATH whose `magnus` starts quickly."""
    with quick_magnus(tmp_path_factory.mktemp("quick")) as folder:
        yield folder


@pytest.fixture
def quick_project(project: Project, quick: Path) -> Project:
    """Return the project, whose calls of magnus start quickly; `project.start` is still that of the real one."""
    project.quick = quick
    return project
