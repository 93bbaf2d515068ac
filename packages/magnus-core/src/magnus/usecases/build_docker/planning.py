"""Decides everything about the image before any engine is asked."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from magnus.errors import ConfigurationError
from magnus.usecases.build_docker.arguments import declared_arguments, installer_arguments, proxy_arguments
from magnus.usecases.build_docker.context import CA_BUNDLE, WHEELS, Context
from magnus.usecases.build_docker.dependencies import Style, find_dependencies
from magnus.usecases.build_docker.dockerfile import Recipe, dockerfile_text
from magnus.usecases.build_docker.files import choose_files
from magnus.usecases.build_docker.git import commit_tag
from magnus.usecases.build_docker.names import image_references

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from magnus.usecases.build_docker.files import Chosen

_BASE_IMAGE = re.compile(r"[\w./:@-]+", re.ASCII)
_EXTRA = re.compile(r"[A-Za-z0-9][\w.-]*", re.ASCII)
_DOCKERFILE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class ImageOptions:
    """What a person asked for.

    Attributes:
        image: The name, perhaps with a tag.
        tag: Another way to give the tag.
        commit_tag: Whether the commit becomes a tag.
        every_file: Whether files go in that git does not track.
        docker_file: The user's own Dockerfile; what is said below of the generated one is then of no use.
        style: By what the dependencies are kept; None to find it out.
        base_image: What the generated Dockerfile begins with; None for Python's own image of the running version.
        magnus_extras: The extras of magnus-core, joined by commas; None for `container`, `local`, and those of the other
            executors and `notebook` that work here.
        magnus_wheels: A folder with wheels, where packages are looked for before the index.
        ca_bundle: A file with the certificates to be trusted.
    """

    image: str
    tag: str | None = None
    commit_tag: bool = False
    every_file: bool = False
    docker_file: str | None = None
    style: Style | None = None
    base_image: str | None = None
    magnus_extras: str | None = None
    magnus_wheels: str | None = None
    ca_bundle: str | None = None


@dataclass(frozen=True, slots=True)
class ImagePlan:
    """What will be built.

    Attributes:
        references: Everything that the image is to be called.
        chosen: The files of the project.
        context: What the engine is sent.
        build_arguments: What the Dockerfile may use.
    """

    references: Sequence[str]
    chosen: Chosen
    context: Context
    build_arguments: Mapping[str, str]


def plan_image(options: ImageOptions, folder: Path, environ: Mapping[str, str]) -> ImagePlan:
    """Plan the image of the project in *folder*; reads files and asks git, and makes nothing.

    Raises:
        ConfigurationError: Something is not as it has to be.
    """

    def find_commit() -> str:
        return commit_tag(folder, with_untracked=options.every_file)

    references = image_references(options.image, options.tag, find_commit if options.commit_tag else None)
    chosen = choose_files(folder, every=options.every_file)
    arguments = installer_arguments(environ)
    additions = _additions(options)
    if options.docker_file is not None:
        _refuse_useless(options)
        text = _read_dockerfile(Path(options.docker_file))
    else:
        recipe = Recipe(
            base_image=_base_image(options.base_image),
            dependencies=find_dependencies(folder, chosen, options.style),
            magnus=_magnus_requirement(options.magnus_extras),
            arguments=tuple(arguments),
            has_wheels=options.magnus_wheels is not None,
            has_ca_bundle=options.ca_bundle is not None,
        )
        text = dockerfile_text(recipe)
    return ImagePlan(
        references,
        chosen,
        Context(folder, chosen.files, text, additions),
        {**declared_arguments(text, arguments), **proxy_arguments(environ)},
    )


def _refuse_useless(options: ImageOptions) -> None:
    given = {
        "--style": options.style,
        "--base-image": options.base_image,
        "--magnus-extras": options.magnus_extras,
    }
    if useless := [name for name, value in given.items() if value is not None]:
        raise ConfigurationError(
            f"{' and '.join(useless)} would change the generated Dockerfile, and --docker-file names another; give one"
        )


def _read_dockerfile(path: Path) -> str:
    try:
        with path.open(encoding="utf-8") as file:
            return file.read(_DOCKERFILE_BYTES)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not text in UTF-8"
        raise ConfigurationError(f"the Dockerfile '{path}' cannot be read: {reason}; name another") from error


def _base_image(given: str | None) -> str:
    if given is None:
        return f"python:{sys.version_info.major}.{sys.version_info.minor}-slim"
    if not _BASE_IMAGE.fullmatch(given):
        raise ConfigurationError(f"'{given}' cannot be the name of a base image; one is 'python:3.11-slim'")
    return given


def _magnus_requirement(extras: str | None) -> str:
    if extras is None:
        executors = ("argo", "awsbatch", "kubeflow", "stepfunctions")
        optional = {name: f"magnus_executor_{name}" for name in executors} | {"notebook": "nbclient"}
        names = ["container", "local", *(extra for extra, module in optional.items() if find_spec(module))]
    else:
        names = [name.strip() for name in extras.split(",") if name.strip()]
    for name in names:
        if not _EXTRA.fullmatch(name):
            raise ConfigurationError(
                f"'{name}' cannot be an extra of magnus-core; such are 'container,local,notebook'"
            )
    inside = f"[{','.join(names)}]" if names else ""
    return f"magnus-core{inside}=={version('magnus-core')}"


def _additions(options: ImageOptions) -> dict[str, Path]:
    found = {}
    if options.ca_bundle is not None:
        bundle = Path(options.ca_bundle)
        if not bundle.is_file():
            raise ConfigurationError(
                f"--ca-bundle: there is no file '{bundle}'; name one with certificates (PEM)"
            )
        found[CA_BUNDLE] = bundle.resolve()
    if options.magnus_wheels is not None:
        folder = Path(options.magnus_wheels)
        wheels = sorted(folder.glob("*.whl"))
        if not wheels:
            raise ConfigurationError(
                f"--magnus-wheels: there is no wheel in '{folder}'; name a folder with files such as magnus_core-*.whl"
            )
        found |= {f"{WHEELS}/{wheel.name}": wheel.resolve() for wheel in wheels}
    return found
