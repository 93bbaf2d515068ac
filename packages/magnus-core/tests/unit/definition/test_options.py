from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from magnus.definition.options import build_options, option_values
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


@dataclass(frozen=True, slots=True)
class Inner:
    """Options inside options."""

    cpu: float = 1.0


@dataclass(frozen=True, slots=True)
class Written:
    """Options of every shape."""

    name: str
    words: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)
    inner: Inner = Inner()
    nothing: int | None = None


class Model(BaseModel):
    """The same, as pydantic has it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(alias="called")
    words: tuple[str, ...] = ()


@pytest.mark.parametrize(
    ("options_class", "raw"),
    [
        (Written, {"name": "ü", "words": ["a", "b"], "variables": {"A": "1"}, "inner": {"cpu": 0.5}}),
        (Written, {"name": ""}),
        (Model, {"called": "x", "words": ["a"]}),
    ],
)
def test_equal_options_are_made_from_the_values_of_options(
    options_class: type[Any], raw: dict[str, Any]
) -> None:
    """Wherever the values are sent as JSON."""
    options = build_options(options_class, raw, "'config'")
    values = json.loads(json.dumps(option_values(options)))
    assert build_options(options_class, values, "'config'") == options
