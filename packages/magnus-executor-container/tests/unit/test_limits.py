from __future__ import annotations

from typing import Any

import pytest

from magnus.domain.limits import Limits, limits_of
from magnus.domain.nodes import Node, Resources
from magnus_executor_container.config import EXECUTOR, LocalContainerOptions

GENERAL = {"cpu": 1.0, "memory": "1GiB", "gpu": 1, "shm": 64}


def limits(
    configured: dict[str, Any] | None = None,
    own: dict[str, Any] | None = None,
    asked: Resources | None = None,
) -> Limits:
    """Return the limits of a step whose `executor_config` is *own*, and whose `resources` are *asked*."""
    in_general = LocalContainerOptions(docker_image="image", **(configured or {}))
    options = LocalContainerOptions(docker_image="image", **{**(configured or {}), **(own or {})})
    return limits_of(Node("fit", "task", {}, resources=asked), EXECUTOR, options, in_general)


def test_nobody_asks_for_anything() -> None:
    """Then there is no limit."""
    assert limits() == Limits(None, None, 0, None)


def test_the_configuration_counts_where_a_step_asks_for_nothing() -> None:
    """Sizes are in MiB then."""
    assert limits(GENERAL) == Limits(1.0, 1024, 1, 64)


def test_what_a_step_asks_for_wins_over_the_configuration() -> None:
    """Each by itself."""
    assert limits(GENERAL, asked=Resources(2.0, 2048, 3, 128)) == Limits(2.0, 2048, 3, 128)
    assert limits(GENERAL, asked=Resources(memory_mib=2048)) == Limits(1.0, 2048, 1, 64)


@pytest.mark.parametrize("asked", [None, Resources(2.0, 2048, 3, 128)])
def test_what_a_node_says_to_this_executor_wins_over_all(asked: Resources | None) -> None:
    """It is meant for this executor."""
    own = {"cpu": 0.5, "memory": "1.5GiB", "gpu": 0, "shm": "32MiB"}
    assert limits(GENERAL, own, asked) == Limits(0.5, 1536, 0, 32)


def test_an_override_counts_also_where_it_repeats_the_configuration() -> None:
    """It is said to this executor, by type or flat; what the step asks of any comes after."""
    options = LocalContainerOptions(docker_image="image", memory=100)
    for written in ({"local-container": {"memory": 100}}, {"memory": 100}):
        node = Node("fit", "task", {}, resources=Resources(memory_mib=500), executor_config=written)
        assert limits_of(node, EXECUTOR, options, options).memory_mib == 100
