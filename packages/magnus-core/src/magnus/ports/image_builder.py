"""The port for what builds container images."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple

from magnus.domain.nothing import NOTHING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence


class ImageRequest(NamedTuple):
    """What an image is built from.

    Attributes:
        context: An uncompressed tar archive in pieces of any size, made while it is read: it can be read once, and reading
            it may raise a `MagnusError`, which must come through as it is.
        dockerfile: Where in the archive the Dockerfile is; it needs no feature that only BuildKit has.
        references: What the image is to be called: at least one `name:tag`.
        build_arguments: The values of the `ARG` instructions, and of the proxy variables that Docker knows by itself.
    """

    context: Iterator[bytes]
    dockerfile: str
    references: Sequence[str]
    build_arguments: Mapping[str, str] = NOTHING


class ImageBuilder(ABC):
    """Builds an image from files and a Dockerfile. Built without arguments, for one image; touches no engine before that."""

    @abstractmethod
    def build(self, request: ImageRequest, report: Callable[[str], None]) -> str:
        """Build an image and give it its names; one that could not be built has none.

        Args:
            request: What to build it from.
            report: Told what the engine says while it builds, one line at a time and without the line's end.

        Returns:
            The image's id, such as `sha256:` and 64 digits.

        Raises:
            ConfigurationError: The Dockerfile fails by itself; the message has the instruction and the last lines of output.
            ServiceError: The engine cannot be reached, or gave up for reasons of its own.
        """
