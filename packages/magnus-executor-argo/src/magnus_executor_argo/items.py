"""What a map iterates on, on its way from `fan` to Argo: a file in the pod, which Argo reads when the pod has ended."""

from __future__ import annotations

import json
import re
from pathlib import Path

from magnus.errors import ConfigurationError

SCHEME = "argo://"
ITEMS_FILE = "/tmp/magnus/items.json"  # noqa: S108 - in a pod of its own
"""Where the file lies in the pod."""

LARGEST_ITEMS = 256 * 1024
"""In bytes: what Argo takes as the value of a parameter, and a pod as annotations."""

LARGEST_ITEM = 32 * 1024
"""In bytes: every pod of a branch gets it as an argument, and with all of its template, escaped, in one variable of 128 KiB."""

_PLACE = re.compile(rf"{SCHEME}(/[^?]+)(?:\?most=(\d+))?")


def write_items(place: str, text: str) -> None:
    """Write *text*, a JSON list of JSON objects as strings, to the file that *place* names.

    In the strings, `{{` is written by escapes of JSON: Argo would take it for the beginning of a variable.

    Args:
        place: The file, and how many items the workflow has room for.
        text: The list.

    Raises:
        ConfigurationError: The place is none of ours, cannot be written, or the list is too large.
    """
    found = _PLACE.fullmatch(place)
    if found is None:
        message = (
            f"executor argo: items of a map are put to a place like {SCHEME}{ITEMS_FILE}, not to '{place}'; render the "
            "pipeline with this configuration"
        )
        raise ConfigurationError(message)
    items = [item.replace("{{", r"\u007b\u007b") for item in json.loads(text)]
    _check(items, None if found[2] is None else int(found[2]))
    written = json.dumps(items, separators=(",", ":"))
    if len(written) > LARGEST_ITEMS:
        message = (
            f"executor argo: what the map iterates on takes {len(written):,} bytes for {len(items):,} items, and Argo passes "
            f"on at most {LARGEST_ITEMS:,}; iterate over something shorter, such as numbers or names of files, and let the "
            "branches look the rest up"
        )
        raise ConfigurationError(message)
    path = Path(found[1])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(written, encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"executor argo: {path} cannot be written: {error.strerror}") from error


def _check(items: list[str], most: int | None) -> None:
    if most is not None and len(items) > most:
        message = (
            f"executor argo: the map iterates over {len(items):,} items, and Argo, which keeps at most 1 MiB of a workflow "
            f"with all that becomes of it, has room for about {most:,} such branches; iterate over batches, or, where the "
            "cluster's Argo keeps that in a database, set `offload_node_status: true` for this executor"
        )
        raise ConfigurationError(message)
    largest = max((len(item) for item in items), default=0)
    if largest > LARGEST_ITEM:
        message = (
            f"executor argo: an item of the map takes {largest:,} bytes, and a pod is given at most {LARGEST_ITEM:,}; iterate "
            "over something shorter, such as numbers or names of files, and let the branches look the rest up"
        )
        raise ConfigurationError(message)
