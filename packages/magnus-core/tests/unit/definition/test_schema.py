from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from magnus.definition.schema import config_schema, pipeline_schema

if TYPE_CHECKING:
    from magnus.plugins.manager import AdapterManager


def branch(schema: dict[str, Any], name: str) -> dict[str, Any]:
    """Return what *schema* says of those of type *name*."""
    return next(each["then"] for each in schema["allOf"] if each["if"]["properties"]["type"]["const"] == name)


def test_the_schema_of_pipelines_has_the_keys_of_every_node_type(adapters: AdapterManager) -> None:
    """Each type refuses what it does not take."""
    step = pipeline_schema(adapters)["$defs"]["step"]

    assert step["properties"]["type"]["enum"] == sorted(adapters.offers("node type"))
    assert {"command", "retry", "next"} <= branch(step, "task")["properties"].keys()
    assert branch(step, "task")["required"] == ["command", "next"]
    assert branch(step, "success")["properties"].keys() == {"type"}
    assert branch(step, "as-is")["additionalProperties"] is True
    assert branch(step, "parallel")["properties"]["branches"]["additionalProperties"] == {
        "$ref": "#/$defs/graph"
    }


def test_the_schema_of_configurations_has_the_options_of_every_adapter(adapters: AdapterManager) -> None:
    """In the words of the adapters' own options."""
    schema = config_schema(adapters)
    config = branch(schema["$defs"]["executor"], "local")["properties"]["config"]

    assert {"k1", "max_workers", "placeholders"} <= config["properties"].keys()
    assert config["additionalProperties"] is False


def test_every_reference_in_a_schema_leads_somewhere(adapters: AdapterManager) -> None:
    """Editors refuse a schema with a dangling one."""
    for schema in (pipeline_schema(adapters), config_schema(adapters)):
        for part in json.dumps(schema).split('"#/$defs/')[1:]:
            assert part.partition('"')[0] in schema["$defs"]
