"""JSON Schema of pipeline and configuration files, put together from what is installed: for editors, and to read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from magnus.definition.blocks import BLOCK_KEYS, BLOCKS
from magnus.definition.keys import GRAPH, GRAPH_KEYS, ROLE_KEYS
from magnus.errors import MagnusError
from magnus.ports.node_type import Role

if TYPE_CHECKING:
    from magnus.plugins.manager import AdapterManager
    from magnus.ports.node_type import NodeType

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def pipeline_schema(adapters: AdapterManager) -> dict[str, Any]:
    """Return the schema of a pipeline file with the node types and task types that are installed.

    An adapter that cannot be loaded is left out.
    """
    branches = []
    for name in adapters.offers("node type"):
        try:
            node_type = adapters.load("node type", name)
        except MagnusError:
            continue
        branches.append({"if": {"properties": {"type": {"const": name}}}, "then": _node(name, node_type)})
    tasks = sorted(adapters.offers("task type"))
    step = {
        "type": "object",
        "required": ["type"],
        "properties": {
            "type": {"enum": sorted(adapters.offers("node type"))},
            "command_type": {"enum": tasks},
        },
        "allOf": branches,
    }
    steps = {**GRAPH_KEYS["steps"], "additionalProperties": {"$ref": "#/$defs/step"}}
    graph = _closed({**GRAPH_KEYS, "steps": steps}, ["start_at", "steps"])
    blocks = {port: {"$ref": f"#/$defs/{port}"} for port in BLOCKS}
    schema = {"$schema": _DIALECT, "title": "magnus pipeline", **_closed({"dag": GRAPH, **blocks}, ["dag"])}
    schema["$defs"] = {"graph": graph, "step": step, **_blocks(adapters)}
    return schema


def config_schema(adapters: AdapterManager) -> dict[str, Any]:
    """Return the schema of a configuration file with the options of every adapter that can be loaded."""
    blocks = {port: {"$ref": f"#/$defs/{port}"} for port in BLOCKS}
    defaults = {**_closed(blocks, []), "description": "The blocks may stand here in the default file."}
    schema = {
        "$schema": _DIALECT,
        "title": "magnus configuration",
        **_closed({**blocks, "defaults": defaults}, []),
    }
    schema["$defs"] = _blocks(adapters)
    return schema


def _node(name: str, node_type: type[NodeType]) -> dict[str, Any]:
    keys = {"type": {"const": name}, **node_type.keys, **ROLE_KEYS[node_type.role]}
    required = [*node_type.required, *([] if node_type.role is Role.TERMINAL else ["next"])]
    schema = _closed(keys, required)
    if node_type.takes_other_keys:
        schema["additionalProperties"] = True
    return schema


def _closed(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    if required:
        schema["required"] = required
    return schema


def _blocks(adapters: AdapterManager) -> dict[str, Any]:
    """Return the schema of every block, and those of the options that they refer to."""
    definitions: dict[str, Any] = {}
    for port in BLOCKS:
        branches = []
        for name in adapters.offers(port):
            options = _options(adapters, port, name)
            if options is None:
                continue
            definitions |= options.pop("$defs", {})
            branches.append(
                {"if": {"properties": {"type": {"const": name}}}, "then": {"properties": {"config": options}}}
            )
        names = sorted(adapters.offers(port))
        properties = {**BLOCK_KEYS, "type": {**BLOCK_KEYS["type"], "enum": names}}
        definitions[port] = _closed(properties, ["type"])
        if branches:
            definitions[port]["allOf"] = branches
    return definitions


def _options(adapters: AdapterManager, port: str, name: str) -> dict[str, Any] | None:
    from pydantic import TypeAdapter
    from pydantic.errors import PydanticInvalidForJsonSchema, PydanticUserError

    try:
        adapter = adapters.load(port, name)
        options = TypeAdapter(adapter.Options).json_schema(ref_template="#/$defs/{model}")
    except (MagnusError, PydanticUserError, PydanticInvalidForJsonSchema):
        return None
    options["additionalProperties"] = False
    return options
