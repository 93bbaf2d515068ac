from __future__ import annotations

from dataclasses import dataclass

import pytest

from magnus.definition.options import build_options
from magnus.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Options:
    """Options that need one of two."""

    image: str = ""
    here: bool = False

    def __post_init__(self) -> None:
        """Ask for more than the fields say."""
        if not (self.image or self.here):
            message = "image is missing"
            raise ValueError(message)


def test_what_no_default_satisfies_is_a_mistake_of_the_user_where_nothing_is_written() -> None:
    """As it is where something else is written."""
    for raw in ({}, {"here": False}):
        with pytest.raises(ConfigurationError, match=r"^'config' .*: image is missing$"):
            build_options(Options, raw, "'config'")
