from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3
import pytest

from magnus.testing.secrets import SecretsContract
from magnus_stores.secrets.aws_secrets_manager import AwsSecretsManager, AwsSecretsManagerOptions
from magnus_stores.secrets.dotenv import DotenvSecrets, DotenvSecretsOptions
from magnus_stores.secrets.environment import EnvironmentSecrets, EnvironmentSecretsOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path


class TestDotenvSecrets(SecretsContract):
    """A file keeps the promises."""

    @pytest.fixture
    def make_secrets(self, tmp_path: Path) -> Callable[[Mapping[str, str]], DotenvSecrets]:
        """Write the secrets in single quotes."""

        def make(held: Mapping[str, str]) -> DotenvSecrets:
            quoted = {name: value.replace("\\", "\\\\").replace("'", "\\'") for name, value in held.items()}
            path = tmp_path / "secrets.env"
            path.write_text(
                "".join(f"{name}='{value}'\n" for name, value in quoted.items()), encoding="utf-8"
            )
            return DotenvSecrets(DotenvSecretsOptions(location=str(path)))

        return make


class TestEnvironmentSecrets(SecretsContract):
    """Environment variables keep the promises."""

    @pytest.fixture
    def make_secrets(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> Callable[[Mapping[str, str]], EnvironmentSecrets]:
        """Set variables under a prefix of this test."""
        prefix = f"T{uuid4().hex}_"

        def make(held: Mapping[str, str]) -> EnvironmentSecrets:
            for name, value in held.items():
                monkeypatch.setenv(prefix + name, value)
            return EnvironmentSecrets(EnvironmentSecretsOptions(prefix=prefix))

        return make


@pytest.fixture
def secretsmanager(aws: str) -> Iterator[Any]:
    """Lend boto3's own client of the server that stands in for AWS."""
    client = boto3.client("secretsmanager", region_name="us-east-1")
    yield client
    client.close()


class TestAwsSecretsManagerWithOneSecret(SecretsContract):
    """One secret of AWS that holds all of them as JSON keeps the promises."""

    @pytest.fixture
    def make_secrets(self, secretsmanager: Any) -> Callable[[Mapping[str, str]], AwsSecretsManager]:
        """Store a JSON object."""

        def make(held: Mapping[str, str]) -> AwsSecretsManager:
            name = f"app/{uuid4().hex}"
            secretsmanager.create_secret(Name=name, SecretString=json.dumps(held))
            return AwsSecretsManager(AwsSecretsManagerOptions(secret_name=name))

        return make


class TestAwsSecretsManagerWithManySecrets(SecretsContract):
    """One secret of AWS for each keeps the promises."""

    @pytest.fixture
    def make_secrets(self, secretsmanager: Any) -> Callable[[Mapping[str, str]], AwsSecretsManager]:
        """Store each under a prefix of this test."""
        prefix = f"app/{uuid4().hex}/"

        def make(held: Mapping[str, str]) -> AwsSecretsManager:
            for name, value in held.items():
                secretsmanager.create_secret(Name=prefix + name, SecretString=value)
            return AwsSecretsManager(AwsSecretsManagerOptions(prefix=prefix))

        return make
