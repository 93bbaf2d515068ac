"""Prints JSON for programs."""

from __future__ import annotations

import json
import sys
from typing import Any

from magnus.cli.streams import encodable


def print_json(value: Any) -> None:
    """Print *value* on stdout, the only thing there."""
    sys.stdout.write(f"{json_text(value)}\n")


def json_text(value: Any) -> str:
    """Return *value* as JSON text that stdout can hold; a character that it cannot encode is escaped."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return text if encodable(text, sys.stdout) else json.dumps(value, indent=2)
