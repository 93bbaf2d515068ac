"""Prints JSON for programs."""

from __future__ import annotations

import json
import sys
from typing import Any


def print_json(value: Any) -> None:
    """Print *value* on stdout, the only thing there.

    Half a character, which a run log may hold, cannot be encoded: it is escaped, as JSON may have it.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False)
    sys.stdout.write(text.encode(errors="backslashreplace").decode() + "\n")
