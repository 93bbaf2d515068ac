"""The keys of pipelines as JSON Schema: what the loader checks against and what `magnus schema pipeline` prints."""

from __future__ import annotations

from typing import Any

from magnus.ports.node_type import Role

GRAPH = {"$ref": "#/$defs/graph"}
"""Stands where a graph of its own is written."""

GRAPHS = {"type": "object", "additionalProperties": GRAPH, "minProperties": 1}
"""Stands where graphs are written by name."""

NAME: dict[str, Any] = {"type": "string", "minLength": 1}
_PATTERNS = {"type": "array", "items": NAME}
_SIZE = {"oneOf": [{"type": "integer", "minimum": 1}, NAME]}
_SIZES = "text with a unit (`512MiB`, `2GiB`, `1.5GB`), or a whole number of MiB."

GRAPH_KEYS: dict[str, dict[str, Any]] = {
    "name": {"type": "string", "description": "What people call the pipeline."},
    "description": {"type": "string", "description": "For people."},
    "max_time": {
        "type": "number",
        "exclusiveMinimum": 0,
        "description": "Seconds that the graph may take in all.",
    },
    "start_at": {**NAME, "description": "The first step."},
    "steps": {"type": "object", "minProperties": 1, "description": "The steps by name."},
}

_COMMON_KEYS: dict[str, dict[str, Any]] = {
    "next": {**NAME, "description": "The step after this one succeeded."},
    "on_failure": {**NAME, "description": "The step after this one failed; without it the fail node."},
    "executor_config": {
        "type": "object",
        "description": "Overrides of the executor's options: by type of executor, or flat for any.",
    },
}

ROLE_KEYS: dict[Role, dict[str, dict[str, Any]]] = {
    Role.WORK: _COMMON_KEYS,
    Role.PASS: _COMMON_KEYS,
    Role.COMPOSITE: _COMMON_KEYS,
    Role.TERMINAL: {},
}
"""What nodes take besides `type` and the keys of their own type."""

NODE_ALIASES = {"mode_config": "executor_config"}
"""Older spellings of keys of a node."""

TYPE_ALIASES = {"stub": "as-is"}
"""Other names of node types, which mean the same and give the same hash."""

TASK_KEYS: dict[str, dict[str, Any]] = {
    "command": {**NAME, "description": "What runs, in the syntax of its type."},
    "command_type": {**NAME, "default": "python", "description": "The type of the task."},
    "command_config": {"type": "object", "description": "Options of the task type."},
    "catalog": {
        "type": "object",
        "description": "Files that the step takes from the catalog and leaves there, as globs.",
        "properties": {
            "get": {**_PATTERNS, "description": "Brought before the task; each must match something."},
            "put": {**_PATTERNS, "description": "Stored after the task succeeded."},
            "optional": {**_PATTERNS, "description": "Brought before the task where they match."},
            "compute_data_folder": {**NAME, "description": "The folder that the globs are relative to."},
        },
        "additionalProperties": False,
    },
    "retry": {
        "description": "Attempts in all.",
        "oneOf": [
            {"type": "integer", "minimum": 1},
            {
                "type": "object",
                "properties": {
                    "max_attempts": {"type": "integer", "minimum": 1},
                    "backoff": {
                        "type": "object",
                        "description": "Seconds between attempts.",
                        "properties": {
                            "initial": {"type": "number", "minimum": 0},
                            "factor": {"type": "number", "minimum": 1},
                            "max": {"type": "number", "minimum": 0},
                            "jitter": {"type": "number", "minimum": 0, "maximum": 1},
                        },
                        "additionalProperties": False,
                    },
                    "retry_on": {
                        **_PATTERNS,
                        "description": "Exception classes, `timeout`, or `exit:<code>`; without it every failure.",
                    },
                },
                "required": ["max_attempts"],
                "additionalProperties": False,
            },
        ],
    },
    "timeout": {"type": "number", "exclusiveMinimum": 0, "description": "Seconds per attempt."},
    "resources": {
        "type": "object",
        "description": "What the step asks of its compute.",
        "properties": {
            "cpu": {"type": "number", "exclusiveMinimum": 0, "description": "Processors; fractions allowed."},
            "memory": {**_SIZE, "description": f"Memory: {_SIZES}"},
            "gpu": {"type": "integer", "minimum": 0, "description": "Whole graphics processors."},
            "shm": {**_SIZE, "description": f"Shared memory: {_SIZES}"},
        },
        "additionalProperties": False,
    },
}
"""The keys of a task. A node type whose role is `work` takes those of them that it lists among its own keys."""
