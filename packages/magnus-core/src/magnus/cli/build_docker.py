"""`magnus build-docker`."""

from __future__ import annotations

import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)


class _Style(StrEnum):
    """By what a project's dependencies are kept."""

    UV = "uv"
    POETRY = "poetry"
    PIP = "pip"


@app.command()
def build_docker(
    image: Annotated[str, typer.Argument(help="The image's name, perhaps with a tag.")],
    docker_file: Annotated[
        str | None, typer.Option("--docker-file", "-f", help="Your own Dockerfile, with the same files.")
    ] = None,
    style: Annotated[
        _Style | None,
        typer.Option("--style", "-s", help="By what dependencies are kept; found by the lock file."),
    ] = None,
    tag: Annotated[
        str | None, typer.Option("--tag", "-t", help="The image's tag; 'latest' by default.")
    ] = None,
    commit_tag: Annotated[
        bool,
        typer.Option(
            "--commit-tag", "-c", help="Make the commit a tag, in place of 'latest' or beside --tag."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-d", help="Print the Dockerfile, and build nothing.")
    ] = False,
    every_file: Annotated[
        bool,
        typer.Option(
            "--all/--git-tracked", help="Take every file that .dockerignore does not exclude, or git's."
        ),
    ] = False,
    base_image: Annotated[
        str | None,
        typer.Option("--base-image", help="An image with Python; by default that of this Python's version."),
    ] = None,
    magnus_extras: Annotated[
        str | None,
        typer.Option(
            "--magnus-extras",
            help="Extras of magnus-core; 'container,local', and 'notebook' if it works here.",
        ),
    ] = None,
    magnus_wheels: Annotated[
        str | None,
        typer.Option("--magnus-wheels", metavar="FOLDER", help="Where to look for packages first."),
    ] = None,
    ca_bundle: Annotated[
        str | None, typer.Option("--ca-bundle", metavar="FILE", help="Certificates that the image trusts.")
    ] = None,
) -> None:
    """Build an image with the project in the current folder and magnus, for `local-container` and its kind.

    Prints the image's names and its id; what the engine says goes to stderr.
    """
    from magnus.cli.tables import remark
    from magnus.plugins.discovery import find_plugins
    from magnus.plugins.manager import AdapterManager
    from magnus.usecases.build_docker import ImageOptions, build_image, plan_image
    from magnus.usecases.build_docker.dependencies import Style

    builder = None if dry_run else AdapterManager(find_plugins()).load("image builder", "docker")
    options = ImageOptions(
        image=image,
        tag=tag,
        commit_tag=commit_tag,
        every_file=every_file,
        docker_file=docker_file,
        style=Style(style.value) if style else None,
        base_image=base_image,
        magnus_extras=magnus_extras,
        magnus_wheels=magnus_wheels,
        ca_bundle=ca_bundle,
    )
    plan = plan_image(options, Path.cwd(), os.environ)
    for each in plan.chosen.remarks:
        remark(each)
    count, size = len(plan.chosen.files), plan.chosen.size
    if builder is None:
        remark(f"{' and '.join(plan.references)} would hold {count} files of the project, {size} bytes")
        sys.stdout.write(plan.context.dockerfile)
        return
    remark(f"{' and '.join(plan.references)}: {count} files of the project, {size} bytes")
    built = build_image(plan, builder(), remark)
    for reference in built.references:
        sys.stdout.write(f"{reference} {built.id}\n")
