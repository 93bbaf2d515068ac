"""Images built by a Docker engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnus.ports.image_builder import ImageBuilder

if TYPE_CHECKING:
    from collections.abc import Callable

    from magnus.ports.image_builder import ImageRequest


class DockerImageBuilder(ImageBuilder):
    """Has the engine of this machine, or the one that `DOCKER_HOST` names, build an image."""

    def build(self, request: ImageRequest, report: Callable[[str], None]) -> str:
        """Build an image; BuildKit is not asked for, so every engine will do."""
        # The vendor's library takes as long to import as all of magnus.
        from magnus_executor_container.client import build_image

        return build_image(request, report)
