"""What a call to AWS can come back with, as far as this package tells it apart."""

from __future__ import annotations

from magnus.errors import ServiceError


class ThrottledError(ServiceError):
    """AWS says that there are too many calls; the same call may succeed later."""

    def __init__(self, message: str) -> None:
        """Say which call it was."""
        super().__init__(message, retriable=True)


class UnansweredError(ServiceError):
    """Nobody can tell whether the call was carried out: the answer did not come, or was one of a broken service."""

    def __init__(self, message: str) -> None:
        """Say which call it was."""
        super().__init__(message, retriable=True)


class ExistsError(ServiceError):
    """What was to be written for the first time is there already."""


class MissingError(ServiceError):
    """What was asked for is not there."""
