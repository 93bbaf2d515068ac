"""Secrets in AWS Secrets Manager: all in one of its secrets, or each in one of its own."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from threading import Lock
from typing import Any

from magnus.domain.capabilities import Reach, ServiceCapabilities
from magnus.errors import SecretNotFoundError, ServiceError
from magnus.ports.secrets import Secrets
from magnus_stores.aws.failures import code_of
from magnus_stores.aws.options import check_endpoint, require_boto3

require_boto3()

_ABSENT = frozenset({"ResourceNotFoundException"})
_NO_NAME = frozenset({"InvalidParameterException", "ValidationException"})
"""What AWS says to a name that none of its secrets can have."""


@dataclass(frozen=True, slots=True)
class AwsSecretsManagerOptions:
    """Where the secrets are. Credentials are found by boto3 itself, and never here.

    Attributes:
        secret_name: The name or the ARN of one secret of AWS, which holds a JSON object: secrets by name.
        version_id: The version of that one; by default the current one.
        prefix: Without *secret_name*: what stands before a secret's name in the name of its own secret of AWS.
        region: The region; by default what the environment or the profile says.
        endpoint_url: Another address than that of AWS, for what speaks the same protocol.
    """

    secret_name: str | None = None
    version_id: str | None = None
    prefix: str = ""
    region: str | None = None
    endpoint_url: str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        check_endpoint(self.endpoint_url)
        if self.secret_name == "":
            message = "secret_name is the name or the ARN of a secret; leave it out where each has a secret of its own"
            raise ValueError(message)
        if self.secret_name is not None and self.prefix:
            message = "prefix is for secrets that are each their own; with secret_name all are in one: leave one out"
            raise ValueError(message)
        if self.secret_name is None and self.version_id is not None:
            message = "version_id is the version of the secret that secret_name names; set that as well, or leave it out"
            raise ValueError(message)


class AwsSecretsManager(Secrets):
    """Fetches a secret when it is first asked for, and keeps it as long as the instance lives."""

    Options = AwsSecretsManagerOptions

    def __init__(self, options: AwsSecretsManagerOptions | None = None) -> None:
        """Remember where; boto3 is imported when the first secret is asked for."""
        super().__init__(options)
        self._lock = Lock()
        self._client: Any = None
        self._process_id = 0
        self._values: dict[str, str] = {}
        self._is_complete = False

    @classmethod
    def capabilities(cls, options: Any) -> ServiceCapabilities:
        """Reach as far as the network."""
        what = options.secret_name or f"{options.prefix}*"
        return ServiceCapabilities(
            reach=Reach.NETWORK,
            credentials=(f"credentials of AWS that allow secretsmanager:GetSecretValue on {what}",),
        )

    def get(self, name: str) -> str:
        """Return the secret *name*.

        In the JSON object of *secret_name*, what is no text is handed out as JSON.

        Raises:
            SecretNotFoundError: There is none.
            ServiceError: AWS cannot be reached or refuses, or what is stored is no text.
        """
        with self._lock:
            if self.options.secret_name is not None:
                self._fetch_all()
            elif name not in self._values and (value := self._fetch(self.options.prefix + name)) is not None:
                self._values[name] = value
        if name not in self._values:
            raise SecretNotFoundError(f"no secret {name!r} {self._where(name)}")
        return self._values[name]

    def get_all(self) -> dict[str, str]:
        """Return all secrets in the one that *secret_name* names.

        Raises:
            ServiceError: There is no *secret_name*, or it cannot be read.
        """
        if self.options.secret_name is None:
            return super().get_all()
        with self._lock:
            self._fetch_all()
        return dict(self._values)

    def close(self) -> None:
        """Close the connections."""
        with self._lock:
            client, self._client = self._client, None
            if client is not None:
                client.close()

    def _where(self, name: str) -> str:
        if self.options.secret_name is not None:
            return f"in the JSON of the AWS secret {self.options.secret_name!r}; add it there"
        return f"in AWS Secrets Manager; create a secret called {self.options.prefix + name!r}"

    def _fetch_all(self) -> None:
        if self._is_complete:
            return
        secret_name = self.options.secret_name
        text = self._fetch(secret_name)
        if text is None:
            raise ServiceError(
                f"there is no AWS secret {secret_name!r}; create it, or look at the options 'secret_name', "
                "'version_id' and 'region'"
            )
        try:
            held = json.loads(text)
        except ValueError:
            held = None
        # Not chained, and without what was found: that is the secret.
        if not isinstance(held, dict):
            raise ServiceError(
                f'the AWS secret {secret_name!r} holds no JSON object; store one such as {{"NAME": "value"}}, or leave '
                "'secret_name' out"
            )
        self._values = {
            name: value if isinstance(value, str) else json.dumps(value) for name, value in held.items()
        }
        self._is_complete = True

    def _fetch(self, secret_name: str) -> str | None:
        """Return the text of a secret of AWS; None if there is none."""
        from magnus_stores.aws.client import talking

        version = {"VersionId": self.options.version_id} if self.options.version_id else {}
        what = f"the AWS secret {secret_name!r} could not be read"
        with talking(what, secret_name, self._address, ServiceError):
            client = self._connected()
            try:
                answer = client.get_secret_value(SecretId=secret_name, **version)
            except client.exceptions.ClientError as error:
                if code_of(error) in _ABSENT | _NO_NAME:
                    return None
                raise
        text = answer.get("SecretString")
        if text is None:
            raise ServiceError(f"the AWS secret {secret_name!r} is binary; store it as text")
        return str(text)

    def _address(self) -> str:
        return self._client.meta.endpoint_url if self._client else self.options.endpoint_url or "AWS"

    def _connected(self) -> Any:
        # A forked process must not talk on its parent's connections.
        if self._client is None or self._process_id != os.getpid():
            from magnus_stores.aws.client import connect

            self._client = connect("secretsmanager", self.options.region, self.options.endpoint_url)
            self._process_id = os.getpid()
        return self._client
