"""Tries out an image before the first step: magnus begins in it, opens every service, and ends."""

from __future__ import annotations

from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from magnus_executor_container import diagnosis
from magnus_executor_container.container_spec import run_labels, step_container
from magnus_executor_container.errors import EngineRefusedError, ImageMissingError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from magnus.domain.limits import Limits
    from magnus.ports.executor import ComputeNeeds, StepRunner
    from magnus_executor_container.client import Engine, Image
    from magnus_executor_container.config import LocalContainerOptions


def rehearse(
    engine: Engine,
    options: LocalContainerOptions,
    limits: Limits,
    needs: Sequence[ComputeNeeds],
    run_here: StepRunner,
) -> str:
    """Return why no step could run with *options* and *limits*; empty if one can.

    Raises:
        EngineUnreachableError: The engine does not answer.
    """
    try:
        image = obtain(engine, options.docker_image, options.pull)
    except ImageMissingError as error:
        return diagnosis.missing_image(options.docker_image, error.reason, options.pull).message
    remote = run_here.remote(None, needs, inside_compute=True)
    spec = step_container(options, remote.command, run_labels(remote.run_id), needs, limits)
    try:
        container = engine.create(spec)
        try:
            end = container.run(remote.message, remote.write)
        finally:
            container.remove()
            remote.close()
    except EngineRefusedError as error:
        return diagnosis.not_created(spec, error, options.pull).message
    if remote.refusal:
        return f"in the image '{spec.image}': {remote.refusal}"
    if not remote.has_begun:
        return diagnosis.not_begun(spec, image, engine.architecture, end, remote.last_words).message
    return ""


@contextmanager
def made_for_mounting(needs: Sequence[ComputeNeeds]) -> Iterator[None]:
    """Make the folders that are to be mounted, which the engine would make as root's; gone again if the block fails."""
    made: list[Path] = []
    for need in needs:
        for outside in need.mounts:
            path = Path(outside)
            missing = [each for each in (path, *path.parents) if not each.exists()]
            path.mkdir(parents=True, exist_ok=True)
            made += missing
    try:
        yield
    except BaseException:
        for path in made:  # from the inside out
            with suppress(OSError):
                path.rmdir()
        raise


def obtain(engine: Engine, name: str, pull: str) -> Image:
    """Return the image *name*, fetched if *pull* says so.

    Raises:
        ImageMissingError: It is not there.
    """
    image = engine.find_image(name)
    if pull == "always" or (image is None and pull == "missing"):
        engine.pull(name)
        image = engine.find_image(name)
    if image is None:
        message = f"there is no image '{name}'"
        raise ImageMissingError(message)
    return image
