"""Images built by a Docker engine."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from magnus.errors import ConfigurationError, ServiceError
from magnus.ports.image_builder import ImageBuilder
from magnus_executor_container.build_log import BuildLog
from magnus_executor_container.errors import EngineRefusedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from magnus.ports.image_builder import ImageRequest


class DockerImageBuilder(ImageBuilder):
    """Has the engine of this machine, or the one that `DOCKER_HOST` names, build an image."""

    def build(self, request: ImageRequest, report: Callable[[str], None]) -> str:
        """Build an image; BuildKit is not asked for, so every engine will do."""
        # The vendor's library takes as long to import as all of magnus.
        from magnus_executor_container.client import Engine

        log = BuildLog(report)
        with closing(Engine()) as engine:
            try:
                for message in engine.build(request.context, request.dockerfile, request.build_arguments):
                    log.add(message)
            except EngineRefusedError as error:
                if error.blames_request:  # the Dockerfile cannot be parsed
                    raise ConfigurationError(log.failure(error.reason)) from error
                raise ServiceError(f"the engine could not build the image: {error.reason}") from error
            if log.error:
                raise ConfigurationError(log.failure(log.error))
            if not log.image_id:
                raise ServiceError(
                    "the engine ended the build without saying which image it made; build again"
                )
            for reference in request.references:
                engine.tag(log.image_id, reference)
        return log.image_id
