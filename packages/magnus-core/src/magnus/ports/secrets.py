"""The port for secrets managers."""

from __future__ import annotations

from abc import abstractmethod

from magnus.ports.service import Service


class Secrets(Service):
    """Hands out secrets by name, in the compute environment of a step.

    Nothing is cached beyond the instance. A value never appears in a message that an adapter raises.
    Failures are raised as `ServiceError`. May be called from several threads.
    """

    @abstractmethod
    def get(self, name: str) -> str:
        """Return the secret called *name*, exactly as it was stored.

        Raises:
            SecretNotFoundError: There is none; the message names the secret and where it was looked for.
        """

    def get_all(self) -> dict[str, str]:
        """Return every secret, where the manager can list them.

        Raises:
            ServiceError: It cannot; the default.
        """
        from magnus.errors import ServiceError

        message = f"{type(self).__name__} cannot list its secrets; ask for one by name"
        raise ServiceError(message)
