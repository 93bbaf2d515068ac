from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from magnus.builtin.do_nothing import DoNothingSecrets
from magnus.testing.secrets import SecretsContract

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class TestDoNothingSecrets(SecretsContract):
    """It holds nothing, and says so like any other."""

    @pytest.fixture
    def make_secrets(self) -> Callable[[Mapping[str, str]], DoNothingSecrets | None]:
        """Make one for no secrets."""
        return lambda held: None if held else DoNothingSecrets()
