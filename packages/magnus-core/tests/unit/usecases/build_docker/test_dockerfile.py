from __future__ import annotations

from typing import Any

import pytest

from magnus.usecases.build_docker.dependencies import Dependencies, Style
from magnus.usecases.build_docker.dockerfile import Recipe, dockerfile_text

UV = Dependencies(Style.UV, ("pyproject.toml", "uv.lock"), is_package=True)
POETRY = Dependencies(Style.POETRY, ("pyproject.toml", "poetry.lock"), is_package=True)
REQUIREMENTS = Dependencies(Style.PIP, ("requirements.txt", "deps/a b.txt"))
TABLE = Dependencies(Style.PIP, ("pyproject.toml",), is_package=True)
LOCAL = Dependencies(Style.PIP, ("requirements.txt",), needs_project=True)
NOTHING = Dependencies(Style.PIP)

WHOLE = """\
# Written by `magnus build-docker`; change it and give it back by --docker-file.
FROM python:3.11-slim
WORKDIR /magnus/project
# Steps run as the user who started the run, whoever that is: there is a home for anyone.
RUN mkdir -p /magnus/home && chmod 777 /magnus/home /magnus/project
ENV PYTHONDONTWRITEBYTECODE=1
# For this build only.
ARG NO_COLOR=1
ARG PIP_BREAK_SYSTEM_PACKAGES=1
ARG PIP_DISABLE_PIP_VERSION_CHECK=1
ARG PIP_NO_CACHE_DIR=1
ARG PIP_ROOT_USER_ACTION=ignore
# What the project has asked for stays at its versions; a version that magnus cannot go with ends the build.
RUN python3 -m pip freeze --exclude-editable >/tmp/constraints.txt \\
    && python3 -m pip install --constraint /tmp/constraints.txt 'magnus-core[container]==1.0' \\
    && rm /tmp/constraints.txt
COPY . .
RUN rm -rf .magnus-build
ENV HOME=/magnus/home
"""


def recipe(dependencies: Dependencies, **more: Any) -> Recipe:
    """Return a recipe with these dependencies."""
    return Recipe("python:3.11-slim", dependencies, "magnus-core[container]==1.0")._replace(**more)


def instructions(dependencies: Dependencies, **more: Any) -> list[str]:
    """Return the instructions behind the arguments, each in one line, without those that are always there."""
    text = dockerfile_text(recipe(dependencies, **more)).replace(" \\\n   ", "")
    lines = [line for line in text.splitlines() if not line.startswith(("#", "ARG", "ENV"))]
    return [line.replace("magnus-core[container]==1.0", "MAGNUS") for line in lines[3:]]


MAGNUS = (
    "RUN python3 -m pip freeze --exclude-editable >/tmp/constraints.txt "
    "&& python3 -m pip install --constraint /tmp/constraints.txt 'MAGNUS' && rm /tmp/constraints.txt"
)
CLEAN = "RUN rm -rf .magnus-build"
SYNC = (
    "RUN UV_PROJECT_ENVIRONMENT=\"$(python3 -c 'import sys; print(sys.prefix)')\" UV_PYTHON_DOWNLOADS=never "
    "uv sync --frozen --no-dev --no-cache --inexact"
)


def test_the_whole_of_it_for_a_project_without_dependencies() -> None:
    """Anyone may write where steps run, and nothing is started on its own."""
    assert dockerfile_text(recipe(NOTHING)) == WHOLE


@pytest.mark.parametrize(
    ("dependencies", "expected"),
    [
        (
            UV,
            [
                "COPY pyproject.toml uv.lock ./",
                "RUN python3 -m pip install uv",
                f"{SYNC} --no-install-workspace",
                MAGNUS,
                "COPY . .",
                SYNC,
                CLEAN,
            ],
        ),
        (
            POETRY,
            [
                "COPY pyproject.toml poetry.lock ./",
                (
                    "RUN python3 -m venv /tmp/poetry && /tmp/poetry/bin/python -m pip install poetry poetry-plugin-export "
                    "&& /tmp/poetry/bin/poetry export --output /tmp/requirements.txt "
                    "&& python3 -m pip install --requirement /tmp/requirements.txt "
                    "&& rm -rf /tmp/poetry /tmp/requirements.txt"
                ),
                MAGNUS,
                "COPY . .",
                "RUN python3 -m pip install --no-deps --editable .",
                CLEAN,
            ],
        ),
        (
            REQUIREMENTS,
            [
                "COPY requirements.txt ./",
                'COPY ["deps/a b.txt", "./deps/"]',
                "RUN python3 -m pip install --requirement requirements.txt",
                MAGNUS,
                "COPY . .",
                CLEAN,
            ],
        ),
        (
            TABLE,
            [
                "COPY pyproject.toml ./",
                "RUN python3 -c \"import tomllib; project = tomllib.load(open('pyproject.toml', 'rb'))['project']; \\",
                (
                    "print(*project.get('dependencies', []), sep='\\n')\" >/tmp/requirements.txt "
                    "&& python3 -m pip install --requirement /tmp/requirements.txt && rm /tmp/requirements.txt"
                ),
                MAGNUS,
                "COPY . .",
                "RUN python3 -m pip install --editable .",
                CLEAN,
            ],
        ),
        (
            LOCAL,
            ["COPY . .", "RUN python3 -m pip install --requirement requirements.txt", MAGNUS, CLEAN],
        ),
    ],
)
def test_dependencies_come_before_the_project(dependencies: Dependencies, expected: list[str]) -> None:
    """So a change of the project's own files does not install them again."""
    assert instructions(dependencies) == expected


def test_indexes_wheels_and_certificates_are_there_before_anything_is_installed() -> None:
    """The certificates stay, the rest is for the build."""
    text = dockerfile_text(recipe(NOTHING, arguments=("PIP_INDEX_URL",), has_wheels=True, has_ca_bundle=True))
    before, _, _ = text.partition("RUN python3")
    assert "COPY .magnus-build/wheels .magnus-build/wheels/\n" in before
    assert "ARG PIP_INDEX_URL\n" in before
    assert "ARG PIP_FIND_LINKS=/magnus/project/.magnus-build/wheels\n" in before
    assert (
        "COPY .magnus-build/ca-bundle.crt /magnus/ca-bundle.crt\nENV PIP_CERT=/magnus/ca-bundle.crt "
        in before
    )


@pytest.mark.parametrize("dependencies", [UV, POETRY, REQUIREMENTS, TABLE, LOCAL, NOTHING])
def test_engines_without_buildkit_understand_it(dependencies: Dependencies) -> None:
    """And nothing is started unless someone says what."""
    text = dockerfile_text(recipe(dependencies, has_wheels=True, has_ca_bundle=True))
    for word in ("--mount", "<<", "--chmod", "--link", "\nENTRYPOINT", "\nCMD", "\nUSER"):
        assert word not in text
