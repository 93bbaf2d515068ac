from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from importlib.metadata import version
from typing import TYPE_CHECKING

import pytest

from magnus.errors import ServiceError
from magnus.plugins import AdapterSpec, hookimpl
from magnus.plugins.discovery import PluginSource
from magnus.ports.image_builder import ImageBuilder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import ClassVar

    from tests.unit.cli.conftest import Said

    from magnus.ports.image_builder import ImageRequest

ID = f"sha256:{'a' * 64}"


class FakeImageBuilder(ImageBuilder):
    """Keeps what it was asked for."""

    asked: ClassVar[list[tuple[ImageRequest, list[str]]]] = []

    def build(self, request: ImageRequest, report: Callable[[str], None]) -> str:
        """Read the context, and say so."""
        with tarfile.open(fileobj=io.BytesIO(b"".join(request.context))) as archive:
            names = archive.getnames()
        if "fail" in names:
            raise ServiceError("no container engine answers")
        report("Step 1/1 : FROM fake")
        self.asked.append((request, [name for name in names if not name.startswith(".")]))
        return ID


@hookimpl
def magnus_image_builders() -> list[AdapterSpec]:
    """Offer the fake in the place of the real one."""
    return [AdapterSpec("docker", f"{__name__}:FakeImageBuilder", port_api=1)]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a repository with one file."""
    monkeypatch.chdir(tmp_path)
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "a.py").write_text("print()\n")
    for command in (["init", "--quiet"], ["add", "a.py"]):
        subprocess.run(["git", *command], check=True)
    return tmp_path


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> list[tuple[ImageRequest, list[str]]]:
    """Have the fake be what is installed; return what it is asked for."""
    source = PluginSource("fake", __name__, "fake-builder 1")
    monkeypatch.setattr("magnus.plugins.discovery.find_plugins", lambda: [source])
    FakeImageBuilder.asked.clear()
    return FakeImageBuilder.asked


def test_a_dry_run_prints_the_dockerfile_and_needs_no_engine(
    magnus: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What goes in is said on stderr, so that stdout can become a file."""
    monkeypatch.setattr("magnus.plugins.discovery.find_plugins", list)
    said = magnus("build_docker", "app", "-d", "--magnus-extras", "container")
    assert said.code == 0
    assert f"FROM python:3.{sys.version_info.minor}-slim\n" in said.out
    assert f"'magnus-core[container]=={version('magnus-core')}'" in said.out
    assert said.err == "app:latest would hold 1 files of the project, 8 bytes\n"


def test_without_an_engine_one_line_says_what_to_install(
    magnus: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The core has none of its own."""
    monkeypatch.setattr("magnus.plugins.discovery.find_plugins", list)
    assert magnus("build-docker", "app") == (
        2,
        "",
        (
            "magnus: no image builder 'docker'; installed: none. It comes with magnus-executor-container: "
            "pip install 'magnus-executor-container'\n"
        ),
    )


def test_an_image_is_built_and_its_names_are_printed(
    magnus: Callable[..., Said], engine: list[tuple[ImageRequest, list[str]]]
) -> None:
    """What the engine says goes to stderr."""
    said = magnus("build-docker", "app", "-t", "1")
    assert said == (
        0,
        f"app:1 {ID}\n",
        "app:1: 1 files of the project, 8 bytes\nStep 1/1 : FROM fake\n",
    )
    ((request, names),) = engine
    assert names == ["a.py"]
    assert request.dockerfile == ".magnus-build/Dockerfile"


def test_a_dockerfile_of_ones_own_gets_the_same_files(
    magnus: Callable[..., Said],
    engine: list[tuple[ImageRequest, list[str]]],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whether or not git tracks it; it is given the arguments that it declares."""
    monkeypatch.setenv("PIP_INDEX_URL", "https://index.example")
    monkeypatch.setenv("PIP_TRUSTED_HOST", "index.example")
    (folder / "Own").write_text("FROM x\nARG PIP_INDEX_URL\nCOPY . .\n")
    assert magnus("build-docker", "app", "-f", "Own").code == 0
    ((request, names),) = engine
    assert names == ["a.py"]
    assert request.build_arguments["PIP_INDEX_URL"] == "https://index.example"
    assert "PIP_TRUSTED_HOST" not in request.build_arguments


def test_an_engine_that_fails_is_a_service_that_failed(
    magnus: Callable[..., Said], engine: list[tuple[ImageRequest, list[str]]], folder: Path
) -> None:
    """No image is printed."""
    (folder / "fail").touch()
    said = magnus("build-docker", "app", "--all")
    assert (said.code, said.out) == (3, "")
    assert said.err.endswith("\nmagnus: no container engine answers\n")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["-f", "no"], "the Dockerfile 'no' cannot be read: No such file or directory; name another"),
        (
            ["-f", "a.py", "--style", "pip", "--base-image", "x"],
            "--style and --base-image would change the generated Dockerfile, and --docker-file names another; give one",
        ),
        (
            ["--base-image", "x\nRUN y"],
            "'x\nRUN y' cannot be the name of a base image; one is 'python:3.11-slim'",
        ),
        (
            ["--magnus-extras", "a'b"],
            "'a'b' cannot be an extra of magnus-core; such are 'container,local,notebook'",
        ),
        (
            ["--ca-bundle", "no.pem"],
            "--ca-bundle: there is no file 'no.pem'; name one with certificates (PEM)",
        ),
        (
            ["--magnus-wheels", "no"],
            "--magnus-wheels: there is no wheel in 'no'; name a folder with files such as magnus_core-*.whl",
        ),
    ],
)
def test_what_cannot_be_used_is_refused(magnus: Callable[..., Said], options: list[str], said: str) -> None:
    """Also by a dry run."""
    answer = magnus("build-docker", "app", "--dry-run", *options)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err.removeprefix("magnus:").strip() == said
