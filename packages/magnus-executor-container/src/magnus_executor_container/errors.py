"""What can go wrong between magnus and the engine, by name: `client.py` turns the vendor's errors into these."""

from __future__ import annotations

from magnus.errors import JobSubmissionError, ServiceError


class EngineUnreachableError(ServiceError):
    """Nothing answers where the engine should be."""


class EngineRefusedError(JobSubmissionError):
    """The engine answered, and would not do it.

    Attributes:
        reason: What the engine said.
        blames_request: Whether it says that what was asked is wrong, rather than that it could not.
    """

    def __init__(self, message: str, reason: str = "", *, blames_request: bool = False) -> None:
        """Say what was asked, and keep what came back."""
        super().__init__(message)
        self.reason = reason or message
        self.blames_request = blames_request


class ImageMissingError(EngineRefusedError):
    """There is no such image here, and none could be fetched."""
