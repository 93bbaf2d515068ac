"""What a map iterates on, as an output parameter of a task."""

from __future__ import annotations

import json
from pathlib import Path

from magnus.errors import ConfigurationError

SCHEME = "kubeflow://"
"""Before the path of the file of an output parameter, in what `fan --items-to` is given."""

LARGEST_LIST = 256 * 1024
"""Bytes of all items of a map together: as much as Argo, on which Kubeflow Pipelines runs, lets a task hand on."""

LARGEST_ITEM = 32 * 1024
"""Bytes of one item. It stands in the arguments of a pod more than once, quoted, and Linux takes 128 KiB in one."""


def put_items(place: str, text: str) -> None:
    """Write the items of a map, each as a JSON string, to the file at *place*.

    Kubernetes replaces `$(NAME)` and `$$` in arguments, and Argo `{{...}}`. No item holds these: JSON has another way to
    write such characters, which only its strings can hold.

    Raises:
        ConfigurationError: It is no such place, or Kubeflow does not take so much.
    """
    path = place.removeprefix(SCHEME)
    if path == place:
        message = (
            f"--items-to {place}: the executor 'kubeflow' knows no place but {SCHEME}PATH; render the pipeline with this "
            "configuration"
        )
        raise ConfigurationError(message)
    items = [escaped(item) for item in json.loads(text)]
    for number, item in enumerate(items):
        if len(item.encode()) > LARGEST_ITEM:
            message = (
                f"item {number} of the map, with those of the maps around it, has {len(item.encode())} bytes, and the executor "
                f"'kubeflow' hands on {LARGEST_ITEM} at most; iterate on numbers or names, and let steps find the rest by them"
            )
            raise ConfigurationError(message)
    written = json.dumps(items)
    if len(written) > LARGEST_LIST:
        message = (
            f"the {len(items)} items of the map have {len(written)} bytes, and a task of Kubeflow hands on {LARGEST_LIST} at "
            "most; iterate on shorter items, or on fewer that each stand for several"
        )
        raise ConfigurationError(message)
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(written, encoding="utf-8")
    except OSError as error:
        message = f"--items-to {place}: {error.strerror}"
        raise ConfigurationError(message) from error


def escaped(item: str) -> str:
    """Return the JSON text *item* with nothing in it that anybody on the way replaces."""
    return item.replace("$", "\\u0024").replace("{{", "{\\u007b")
