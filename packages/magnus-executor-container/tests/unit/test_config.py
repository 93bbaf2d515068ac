from __future__ import annotations

import re
from typing import Any

import pytest

from magnus.definition.config import config_from_mapping
from magnus.definition.placeholders import NodeOptions
from magnus.domain.nodes import Node
from magnus.errors import ConfigurationError
from magnus.plugins.discovery import find_plugins
from magnus.plugins.manager import AdapterManager
from magnus_executor_container.config import LocalContainerOptions

UNITS = "B, Ki, KiB, Mi, MiB, Gi, GiB, Ti, TiB, KB, MB, GB, TB, kB"


def test_by_default_a_step_has_the_project_and_no_limits() -> None:
    """Only the image has to be named."""
    options = LocalContainerOptions(docker_image="image")
    assert (options.mount_project, options.pull, options.run_in_local) == (True, "missing", False)
    assert (options.cpu, options.memory, options.gpu, options.shm) == (None, None, 0, None)
    assert (options.network, options.entrypoint, options.max_workers) == (None, None, None)


def test_nothing_has_to_be_named_where_steps_run_on_this_machine() -> None:
    """There is no image in that."""
    assert LocalContainerOptions(run_in_local=True).docker_image == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"docker_image": ""},
            "docker_image is missing: name the image that steps run in, for instance one made by `magnus build_docker`",
        ),
        ({"max_workers": 0}, "max_workers is at least 1, not 0"),
        ({"cpu": 0}, "cpu is a number above 0, not 0"),
        ({"cpu": -0.5}, "cpu is a number above 0, not -0.5"),
        ({"gpu": -1}, "gpu is a whole number, at least 0, not -1"),
        ({"memory": 0}, f"memory is 0; expected a number above 0 with one of the units {UNITS}"),
        ({"memory": "2"}, f"memory is '2'; expected a number above 0 with one of the units {UNITS}"),
        ({"shm": "2 Mb"}, f"shm is '2 Mb'; expected a number above 0 with one of the units {UNITS}"),
    ],
)
def test_what_cannot_be_meant_is_refused(options: dict[str, Any], message: str) -> None:
    """With what would do."""
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        LocalContainerOptions(**{"docker_image": "image", **options})


def options_of(written: dict[str, Any], executor_config: dict[str, Any]) -> LocalContainerOptions:
    """Return what a node with *executor_config* gets where the configuration says *written*."""
    adapters = AdapterManager(find_plugins())
    blocks = {"executor": {"type": "local-container", "config": {"docker_image": "image", **written}}}
    executor = config_from_mapping(blocks, adapters).executor
    options = NodeOptions(executor, adapters.offers("executor").keys())
    found = options.of(Node("fit", "task", {}, next="done", executor_config=executor_config))
    assert isinstance(found, LocalContainerOptions)
    return found


def test_a_node_overrides_any_option_and_keeps_the_others() -> None:
    """Mappings are merged key by key."""
    written = {"memory": "1GiB", "environment": {"A": "1", "B": "1"}}
    options = options_of(
        written, {"local-container": {"docker_image": "own", "entrypoint": [], "environment": {"B": "2"}}}
    )
    assert (options.docker_image, options.memory, options.entrypoint) == ("own", "1GiB", ())
    assert options.environment == {"A": "1", "B": "2"}


def test_a_placeholder_stands_for_several_options() -> None:
    """The configuration says once what a large step is."""
    options = options_of({"placeholders": {"large": {"memory": "8GiB", "cpu": 4}}}, {"large": None})
    assert (options.memory, options.cpu) == ("8GiB", 4)


def test_an_override_is_refused_like_the_configuration() -> None:
    """The message names the step."""
    with pytest.raises(
        ConfigurationError, match=r"step 'fit': 'executor_config'.*cpu is a number above 0, not -1"
    ):
        options_of({}, {"cpu": -1})


@pytest.mark.parametrize(
    ("addresses", "inside"),
    [
        ({}, ("db", 5432)),
        ({"db": "172.17.0.1"}, ("172.17.0.1", 5432)),
        ({"db": "172.17.0.1:6000"}, ("172.17.0.1", 6000)),
        ({"db": "general", "db:5432": "exact:1"}, ("exact", 1)),
        ({"db:5433": "other"}, ("db", 5432)),
        ({"db": "fd00::1"}, ("fd00::1", 5432)),
        ({"db": "[fd00::1]:6000"}, ("fd00::1", 6000)),
        ({"db": "[fd00::1]"}, ("fd00::1", 5432)),
    ],
)
def test_a_service_is_called_inside_as_its_most_exact_entry_says(
    addresses: dict[str, str], inside: tuple[str, int]
) -> None:
    """With or without a port; IPv6 addresses have colons of their own."""
    options = LocalContainerOptions(docker_image="image", service_addresses=addresses)
    assert options.address_inside("db", 5432) == inside
