"""Secrets that are environment variables of the process that asks for them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from magnus.domain.capabilities import Reach, ServiceCapabilities
from magnus.errors import SecretNotFoundError
from magnus.ports.secrets import Secrets


@dataclass(frozen=True, slots=True)
class EnvironmentSecretsOptions:
    """How variables are called.

    Attributes:
        prefix: What stands before a secret's name in the name of its variable.
    """

    prefix: str = ""


class EnvironmentSecrets(Secrets):
    """Hands out environment variables.

    They can be used wherever someone sets them, so the reach is the network; what must be present is declared as
    credentials: on this machine they are inherited, elsewhere only the compute can tell.
    """

    Options = EnvironmentSecretsOptions

    @classmethod
    def capabilities(cls, options: Any) -> ServiceCapabilities:
        """Reach as far as someone sets the variables."""
        called = f" (called {options.prefix}<name>)" if options.prefix else ""
        return ServiceCapabilities(
            reach=Reach.NETWORK, credentials=(f"every secret as an environment variable{called}",)
        )

    def get(self, name: str) -> str:
        """Return the variable of the secret *name*; an empty one is a value."""
        variable = f"{self.options.prefix}{name}"
        value = os.environ.get(variable)
        if value is None:
            raise SecretNotFoundError(
                f"no secret {name!r}: the environment variable {variable!r} is not set; set it where the step runs"
            )
        return value
