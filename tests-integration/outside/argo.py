"""Workflows of Argo: Argo's own schema, in which what it does not name is forbidden."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import yaml

SHARED = Path(__file__).parents[3] / "shared"
SCHEMA = SHARED / "data" / "argo-workflows.schema.json"
_KIND = "io.argoproj.workflow.v1alpha1."


def missing() -> str:
    """Return why nobody can be asked; empty if somebody can. The schema is in no package, and lies beside the repository."""
    return "" if SCHEMA.exists() else f"Argo's schema is not at {SCHEMA}"


def problems(file: Path) -> list[str]:
    """Return what the schema minds."""
    import jsonschema

    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    definitions = _strict()
    kind = f"{_KIND}{document['kind']}"
    assert kind in definitions, f"Argo knows no {document['kind']}"
    schema = {"definitions": definitions, "$ref": f"#/definitions/{kind}"}
    found = jsonschema.Draft202012Validator(schema).iter_errors(document)
    return [f"{error.json_path}: {error.message[:300]}" for error in found]


@cache
def _strict() -> dict[str, Any]:
    definitions: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))["definitions"]
    for definition in definitions.values():
        if "properties" in definition:
            definition.setdefault("additionalProperties", False)
    definitions["io.k8s.apimachinery.pkg.util.intstr.IntOrString"] = {"type": ["string", "integer"]}
    return definitions
