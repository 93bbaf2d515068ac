"""JSON as people read it: what is short stands in one line. Pure."""

from __future__ import annotations

import json
from typing import Any

_WIDTH = 128


def readable(value: Any, indent: str = "") -> str:
    """Return *value* as JSON text, whose further lines begin with *indent*."""
    short = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or len(indent) + len(short) <= _WIDTH or not value:
        return short
    inner = f"{indent}  "
    if isinstance(value, dict):
        parts = [
            f"{json.dumps(name, ensure_ascii=False)}: {readable(each, inner)}" for name, each in value.items()
        ]
        return "{\n" + ",\n".join(f"{inner}{part}" for part in parts) + f"\n{indent}}}"
    return "[\n" + ",\n".join(f"{inner}{readable(each, inner)}" for each in value) + f"\n{indent}]"
