"""The generated Dockerfile: text from a recipe, for engines with and without BuildKit."""

from __future__ import annotations

import json
import posixpath
import re
from typing import TYPE_CHECKING, NamedTuple

from magnus.usecases.build_docker.context import CA_BUNDLE, WHEELS
from magnus.usecases.build_docker.dependencies import REQUIREMENTS, Style
from magnus.usecases.build_docker.files import OWN_FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from magnus.usecases.build_docker.dependencies import Dependencies

PROJECT = "/magnus/project"
HOME = "/magnus/home"

_CA_BUNDLE = "/magnus/ca-bundle.crt"
_PLAIN = re.compile(r"[\w./-]+", re.ASCII)
_PIP = "python3 -m pip install"
_UV_SYNC = (
    "UV_PROJECT_ENVIRONMENT=\"$(python3 -c 'import sys; print(sys.prefix)')\" UV_PYTHON_DOWNLOADS=never \\\n"
    "    uv sync --frozen --no-dev --no-cache --inexact"
)


class Recipe(NamedTuple):
    """What the image is made of.

    Attributes:
        base_image: What it begins with: an image with Python.
        dependencies: Of the project.
        magnus: What to install of magnus, as a requirement.
        arguments: The names of build arguments that pip and uv are to see.
        has_wheels: Whether the context has wheels, where packages are looked for first.
        has_ca_bundle: Whether the context has certificates, to be trusted while building and later.
    """

    base_image: str
    dependencies: Dependencies
    magnus: str
    arguments: Sequence[str] = ()
    has_wheels: bool = False
    has_ca_bundle: bool = False


def dockerfile_text(recipe: Recipe) -> str:
    """Return the Dockerfile: what changes seldom first, so that its layers are used again."""
    return "\n".join(_lines(recipe)) + "\n"


def _lines(recipe: Recipe) -> Iterator[str]:
    dependencies = recipe.dependencies
    yield "# Written by `magnus build-docker`; change it and give it back by --docker-file."
    yield f"FROM {recipe.base_image}"
    yield f"WORKDIR {PROJECT}"
    yield "# Steps run as the user who started the run, whoever that is: there is a home for anyone."
    yield f"RUN mkdir -p {HOME} && chmod 777 {HOME} {PROJECT}"
    yield "ENV PYTHONDONTWRITEBYTECODE=1"
    if recipe.has_ca_bundle:
        yield f"COPY {CA_BUNDLE} {_CA_BUNDLE}"
        yield f"ENV PIP_CERT={_CA_BUNDLE} REQUESTS_CA_BUNDLE={_CA_BUNDLE} SSL_CERT_FILE={_CA_BUNDLE}"
    yield "# For this build only."
    yield "ARG NO_COLOR=1"
    yield "ARG PIP_BREAK_SYSTEM_PACKAGES=1"
    yield "ARG PIP_DISABLE_PIP_VERSION_CHECK=1"
    yield "ARG PIP_NO_CACHE_DIR=1"
    yield "ARG PIP_ROOT_USER_ACTION=ignore"
    yield from (f"ARG {name}" for name in recipe.arguments)
    if recipe.has_wheels:
        yield f"ARG PIP_FIND_LINKS={PROJECT}/{WHEELS}"
        yield f"ARG UV_FIND_LINKS={PROJECT}/{WHEELS}"
        yield f"COPY {WHEELS} {WHEELS}/"
    if dependencies.needs_project:
        yield "# Some dependencies lie in the project, so its files come first."
        yield "COPY . ."
    yield from _install(dependencies)
    yield from _install_magnus(recipe)
    if not dependencies.needs_project:
        yield "COPY . ."
    yield from _install_project(dependencies)
    yield f"RUN rm -rf {OWN_FOLDER}"
    yield f"ENV HOME={HOME}"


def _install(dependencies: Dependencies) -> Iterator[str]:
    if not dependencies.files:
        return
    if not dependencies.needs_project:
        yield from _copy(dependencies.files)
    if dependencies.style is Style.UV:
        yield f"RUN {_PIP} uv"
        yield f"RUN {_UV_SYNC} --no-install-workspace"
    elif dependencies.style is Style.POETRY:
        yield "# Poetry would bring its own dependencies into the image, so it only translates its lock file."
        yield (
            "RUN python3 -m venv /tmp/poetry \\\n"
            "    && /tmp/poetry/bin/python -m pip install poetry poetry-plugin-export \\\n"
            "    && /tmp/poetry/bin/poetry export --output /tmp/requirements.txt \\\n"
            f"    && {_PIP} --requirement /tmp/requirements.txt \\\n"
            "    && rm -rf /tmp/poetry /tmp/requirements.txt"
        )
    elif REQUIREMENTS in dependencies.files:
        yield f"RUN {_PIP} --requirement {REQUIREMENTS}"
    else:
        yield "# The dependencies alone: the project's own files are not here yet."
        yield (
            "RUN python3 -c \"import tomllib; project = tomllib.load(open('pyproject.toml', 'rb'))['project']; \\\n"
            "print(*project.get('dependencies', []), sep='\\n')\" >/tmp/requirements.txt \\\n"
            f"    && {_PIP} --requirement /tmp/requirements.txt \\\n"
            "    && rm /tmp/requirements.txt"
        )


def _install_magnus(recipe: Recipe) -> Iterator[str]:
    yield "# What the project has asked for stays at its versions; a version that magnus cannot go with ends the build."
    yield (
        "RUN python3 -m pip freeze --exclude-editable >/tmp/constraints.txt \\\n"
        f"    && {_PIP} --constraint /tmp/constraints.txt '{recipe.magnus}' \\\n"
        "    && rm /tmp/constraints.txt"
    )


def _install_project(dependencies: Dependencies) -> Iterator[str]:
    if not dependencies.is_package:
        return
    yield "# The project is a package, found where it lies."
    if dependencies.style is Style.UV:
        yield f"RUN {_UV_SYNC}"
    else:
        without = "--no-deps " if dependencies.style is Style.POETRY else ""
        yield f"RUN {_PIP} {without}--editable ."


def _copy(files: Sequence[str]) -> Iterator[str]:
    """Yield one instruction for each folder."""
    for folder in dict.fromkeys(posixpath.dirname(file) for file in files):
        names = [file for file in files if posixpath.dirname(file) == folder]
        words = [*names, f"./{folder}/" if folder else "./"]
        yield "COPY " + (" ".join(words) if all(map(_PLAIN.fullmatch, words)) else json.dumps(words))
