from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from magnus.testing.secrets import SecretsContract
from magnus_stores.secrets.dotenv import DotenvSecrets, DotenvSecretsOptions
from magnus_stores.secrets.environment import EnvironmentSecrets, EnvironmentSecretsOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
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
