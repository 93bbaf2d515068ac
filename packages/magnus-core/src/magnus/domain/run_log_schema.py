"""The JSON Schema of run logs, made from the classes themselves: what `run_log.full_dict` gives."""

from __future__ import annotations

import re
from inspect import cleandoc
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from magnus.domain.run_log import (
    SCHEMA_VERSION,
    BranchLog,
    CodeIdentity,
    DataCatalog,
    RunLog,
    Status,
    StepAttempt,
    StepLog,
)

_PARTS = (StepLog, StepAttempt, BranchLog, CodeIdentity, DataCatalog)
_SCALARS = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}
_KNOWN: dict[Any, dict[str, Any]] = {
    Any: {},
    Status: {"enum": [str(status) for status in Status]},
    **{type_: {"type": name} for type_, name in _SCALARS.items()},
    **{part: {"$ref": f"#/$defs/{part.__name__}"} for part in _PARTS},
}


def run_log_schema() -> dict[str, Any]:
    """Return the schema of a whole run log, branches nested in their steps."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"magnus run log, version {SCHEMA_VERSION}",
        **_object(RunLog),
        "$defs": {part.__name__: _object(part) for part in _PARTS},
    }
    schema["properties"]["schema_version"]["const"] = SCHEMA_VERSION
    schema["properties"]["lost"] = {
        "description": "Shown, not stored: true if the process that traverses the run is gone.",
        "type": "boolean",
    }
    return schema


def _object(part: type[Any]) -> dict[str, Any]:
    types, told = get_type_hints(part), _descriptions(part)
    return {
        "type": "object",
        "description": cleandoc(part.__doc__ or "").splitlines()[0],
        "properties": {name: {"description": told[name], **_schema(type_)} for name, type_ in types.items()},
        "required": list(types),
        "additionalProperties": False,
    }


def _descriptions(part: type[Any]) -> dict[str, str]:
    """Return what the docstring of *part* says of each attribute; the documentation and the schema cannot differ."""
    _, _, section = cleandoc(part.__doc__ or "").partition("Attributes:\n")
    found = re.findall(r"^    (\w+): (.+(?:\n      +.+)*)", section, re.MULTILINE)
    return {name: " ".join(text.split()) for name, text in found}


def _schema(type_: Any) -> dict[str, Any]:
    if type_ in _KNOWN:
        return dict(_KNOWN[type_])
    if get_origin(type_) is UnionType:
        return {"type": [_SCALARS[option] for option in get_args(type_)]}
    if get_origin(type_) is list:
        return {"type": "array", "items": _schema(get_args(type_)[0])}
    if get_origin(type_) is dict:
        values = _schema(get_args(type_)[1])
        return {"type": "object", **({"additionalProperties": values} if values else {})}
    message = f"no JSON Schema for {type_!r}"
    raise TypeError(message)
