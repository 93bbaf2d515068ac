"""What a map iterates on, on its way from `fan` to Argo: a file in the pod, which Argo reads when the pod has ended."""

from __future__ import annotations

import json
from pathlib import Path

from magnus.errors import ConfigurationError

SCHEME = "argo://"
ITEMS_FILE = "/tmp/magnus/items.json"  # noqa: S108 - in a pod of its own
"""Where the file lies in the pod."""

LARGEST_ITEMS = 256 * 1024
"""In bytes: what Argo takes as the value of a parameter, and a pod as annotations."""


def write_items(place: str, text: str) -> None:
    """Write *text*, a JSON list of JSON objects as strings, to the file that *place* names.

    In the strings, `{{` is written by escapes of JSON: Argo would take it for the beginning of a variable.

    Raises:
        ConfigurationError: The place is none of ours, cannot be written, or the list is too large.
    """
    if not place.startswith(f"{SCHEME}/"):
        message = (
            f"executor argo: items of a map are put to a place like {SCHEME}{ITEMS_FILE}, not to '{place}'"
        )
        raise ConfigurationError(message)
    items = [item.replace("{{", r"\u007b\u007b") for item in json.loads(text)]
    written = json.dumps(items, separators=(",", ":"))
    if len(written) > LARGEST_ITEMS:
        message = (
            f"executor argo: what the map iterates on takes {len(written):,} bytes for {len(items):,} items, and Argo passes "
            f"on at most {LARGEST_ITEMS:,}; iterate over something shorter, such as numbers or names of files, and let the "
            "branches look the rest up"
        )
        raise ConfigurationError(message)
    path = Path(place.removeprefix(SCHEME))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(written, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"executor argo: {path} cannot be written: {error.strerror}") from error
