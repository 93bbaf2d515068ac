"""Has the planned image built."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from magnus.ports.image_builder import ImageRequest
from magnus.usecases.build_docker.context import DOCKERFILE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from magnus.ports.image_builder import ImageBuilder
    from magnus.usecases.build_docker.planning import ImagePlan


class BuiltImage(NamedTuple):
    """An image that is there.

    Attributes:
        references: Everything that it is called.
        id: By which the engine knows it.
    """

    references: Sequence[str]
    id: str


def build_image(plan: ImagePlan, builder: ImageBuilder, report: Callable[[str], None]) -> BuiltImage:
    """Build what was planned.

    Args:
        plan: Decides everything; the files are read now.
        builder: The engine.
        report: Told what the engine says, line by line.

    Raises:
        ConfigurationError: The Dockerfile fails, or a file of the project cannot be read.
        ServiceError: The engine cannot be used.
    """
    request = ImageRequest(plan.context.archive(), DOCKERFILE, plan.references, plan.build_arguments)
    return BuiltImage(plan.references, builder.build(request, report))
