from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from magnus.errors import ConfigurationError
from magnus.usecases.build_docker.dependencies import Dependencies, Style, find_dependencies
from magnus.usecases.build_docker.files import choose_files

if TYPE_CHECKING:
    from tests.unit.usecases.build_docker.conftest import Project

TABLE = "[project]\nname = 'a'\nversion = '1'\n"
BUILD = "[build-system]\nrequires = []\n"
MISSING = "which is not among the files that go into the image; "


def found(project: Project, files: dict[str, str], style: Style | None = None) -> Dependencies:
    """Return what is found in a project of *files*."""
    for path, text in {"a.py": "", **files}.items():
        project.track(path, text)
    return find_dependencies(project.folder, choose_files(project.folder, every=False), style)


@pytest.mark.parametrize(
    ("files", "style", "expected"),
    [
        ({}, None, Dependencies(Style.PIP)),
        ({"pyproject.toml": "[tool.ruff]"}, None, Dependencies(Style.PIP)),
        ({"pyproject.toml": TABLE}, None, Dependencies(Style.PIP, ("pyproject.toml",))),
        (
            {"pyproject.toml": TABLE + BUILD, "requirements.txt": "x"},
            None,
            Dependencies(Style.PIP, ("requirements.txt",), is_package=True),
        ),
        (
            {"pyproject.toml": TABLE, "uv.lock": "", "poetry.lock": ""},
            None,
            Dependencies(Style.UV, ("pyproject.toml", "uv.lock")),
        ),
        (
            {"pyproject.toml": TABLE + BUILD, "poetry.lock": "", "requirements.txt": "x"},
            None,
            Dependencies(Style.POETRY, ("pyproject.toml", "poetry.lock"), is_package=True),
        ),
        (
            {"pyproject.toml": TABLE, "uv.lock": "", "requirements.txt": "x"},
            Style.PIP,
            Dependencies(Style.PIP, ("requirements.txt",)),
        ),
        (
            {
                "requirements.txt": "-r deps/more.txt\n--constraint=limits.txt\n-r https://x.example/y.txt\n",
                "deps/more.txt": "-r ../limits.txt\n  -r again.txt # twice",
                "deps/again.txt": "-r more.txt",
                "limits.txt": "",
            },
            None,
            Dependencies(Style.PIP, ("requirements.txt", "deps/more.txt", "limits.txt", "deps/again.txt")),
        ),
    ],
)
def test_the_files_say_how_dependencies_are_kept(
    project: Project, files: dict[str, str], style: Style | None, expected: Dependencies
) -> None:
    """A lock file wins, and what the user says wins over that."""
    assert found(project, files, style) == expected


@pytest.mark.parametrize(
    ("line", "needed"),
    [
        ("-e .", True),
        ("--editable lib", True),
        (".", True),
        (".[extra]", True),
        ("./lib", True),
        ("../lib", True),
        ("lib @ file:///x", True),
        ("numpy>=1.2  # ./x", False),
        (".hidden", False),
        ("lib @ https://x.example/lib.whl", False),
        ("--extra-index-url https://x.example", False),
    ],
)
def test_requirements_that_lie_in_the_project_need_its_files(
    project: Project, line: str, *, needed: bool
) -> None:
    """Others are installed before, and not again when a file of the project changes."""
    assert found(project, {"requirements.txt": f"x\n{line}\n"}).needs_project is needed


@pytest.mark.parametrize(
    ("files", "style", "said"),
    [
        (
            {"pyproject.toml": TABLE},
            Style.UV,
            f"the style 'uv' needs 'uv.lock', {MISSING}make it and let git track it, or name another by --style",
        ),
        (
            {"poetry.lock": ""},
            None,
            f"the style 'poetry' needs 'pyproject.toml', {MISSING}make it and let git track it, or name another by --style",
        ),
        (
            {"requirements.txt": "-c ../limits.txt"},
            None,
            f"requirements.txt names '../limits.txt', {MISSING}let git track it, or take that line out",
        ),
        (
            {"pyproject.toml": "[project"},
            None,
            "pyproject.toml: Expected ']' at the end of a table declaration (at end of document); mend it and build again",
        ),
    ],
)
def test_what_cannot_be_installed_from_is_refused(
    project: Project, files: dict[str, str], style: Style | None, said: str
) -> None:
    """Before an engine is asked."""
    with pytest.raises(ConfigurationError) as caught:
        found(project, files, style)
    assert str(caught.value) == said
