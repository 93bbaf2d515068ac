from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING

import pytest

from magnus.builtin import plugin
from magnus.plugins import AdapterSpec, hookimpl
from magnus.plugins.discovery import PluginSource
from magnus.plugins.manager import HOOKS, AdapterManager
from magnus.ports import PORT_API
from magnus.usecases.adapters import list_adapters
from magnus.usecases.integrations import judge_installed

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.cli.conftest import Said

BUILTIN = PluginSource("builtin", "magnus.builtin.plugin", "magnus-core 1")
BROKEN = PluginSource("broken", "no_such_module", "magnus-broken 2")


@pytest.mark.parametrize("document", ["pipeline", "config", "run-log"])
def test_each_schema_is_valid_and_names_its_dialect(magnus: Callable[..., Said], document: str) -> None:
    """Editors know it by its `$schema`."""
    jsonschema = pytest.importorskip("jsonschema")
    schema = magnus("schema", document).json()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(schema)


def test_the_schema_of_run_logs_tells_its_version_and_describes_every_field(
    magnus: Callable[..., Said],
) -> None:
    """The descriptions are those of the classes."""
    schema = magnus("schema", "run-log").json()
    assert schema["properties"]["schema_version"]["const"] == 1
    for part in (schema, *schema["$defs"].values()):
        assert all(each.get("description") for each in part["properties"].values())
        assert part["required"] == [name for name in part["properties"] if name != "lost"]


def test_adapters_are_listed_with_port_package_and_version(magnus: Callable[..., Said]) -> None:
    """What comes with the core is listed like the rest."""
    installed = magnus("adapters", "--json").json()
    assert installed["port_api"] == PORT_API
    assert {adapter["port"] for adapter in installed["adapters"]} <= set(HOOKS)
    (shell,) = [adapter for adapter in installed["adapters"] if adapter["name"] == "shell"]
    assert shell["port"] == "task type"
    assert shell["distribution"].startswith("magnus-core ")
    assert shell["error"] == ""
    assert magnus("adapters", "list", "--json").json() == installed


def test_a_plugin_that_cannot_be_imported_is_named_with_its_remedy_and_the_rest_is_listed() -> None:
    """One broken package never hides another."""
    installed = list_adapters(AdapterManager([BUILTIN, BROKEN]))
    (broken,) = installed.broken
    assert broken.distribution == "magnus-broken 2"
    assert "no_such_module" in broken.error
    assert broken.remedy
    assert "shell" in {adapter.name for adapter in installed.adapters}


def test_two_packages_with_one_name_are_both_named() -> None:
    """The other ports are listed."""
    twin = PluginSource("twin", "magnus_twin_for_tests", "magnus-twin 3")
    module = ModuleType(twin.module)

    @hookimpl
    def magnus_task_types() -> list[AdapterSpec]:
        return plugin.magnus_task_types()

    module.magnus_task_types = magnus_task_types  # type: ignore[attr-defined]
    sys.modules[twin.module] = module
    try:
        installed = list_adapters(AdapterManager([BUILTIN, twin]))
    finally:
        del sys.modules[twin.module]
    (conflict,) = installed.conflicts
    assert "magnus-core 1" in conflict
    assert "magnus-twin 3" in conflict
    assert "node type" in {adapter.port for adapter in installed.adapters}


def test_a_broken_plugin_stands_beside_the_judged_pairs() -> None:
    """The table does not end at it."""
    table = judge_installed(AdapterManager([BUILTIN, BROKEN]))
    assert ("plugin", "magnus-broken 2") in {(each.subject, each.name) for each in table.unusable}
    assert table.findings == []  # the core alone has no executor
