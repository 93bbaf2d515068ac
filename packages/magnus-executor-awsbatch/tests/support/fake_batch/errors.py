"""How the fake says no."""

from __future__ import annotations


class ServiceRefusal(Exception):  # noqa: N818 - it is an answer
    """An error that the service answers with.

    Attributes:
        code: What the client knows it by, such as `TooManyRequestsException`.
        message: For people.
        status: Of HTTP.
    """

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        """Refuse."""
        super().__init__(code, message, status)
        self.code = code
        self.message = message
        self.status = status


def throttled(service: str = "batch") -> ServiceRefusal:
    """Return what a service says to too many requests."""
    if service == "batch":
        return ServiceRefusal("TooManyRequestsException", "Too Many Requests", 429)
    return ServiceRefusal("ThrottlingException", "Rate exceeded")
