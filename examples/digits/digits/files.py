"""Where the steps keep their artefacts, and in which format: arrays as `.npz`, values as `.json`, never a pickle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

DATA_FOLDER = Path("data")
"""The compute data folder: magnus brings files from the catalog here, and stores from here what a step puts."""

SPLITS = ("train", "validation", "test")
"""What the images are divided into. Files of features hold one array for each, under this name."""


def write_arrays(name: str, /, **arrays: Any) -> None:
    """Write NumPy *arrays* to the file *name* of the data folder, replacing it.

    The format stores no time of writing, so equal arrays give equal bytes, and the catalog keeps them once.
    """
    path = _place(name)
    with path.open("wb") as file:
        np.savez(file, **arrays)


def read_arrays(name: str) -> dict[str, Any]:
    """Read every NumPy array of the file *name* of the data folder."""
    with np.load(DATA_FOLDER / name, allow_pickle=False) as archive:
        return {key: archive[key] for key in archive.files}


def write_json(name: str, values: Mapping[str, Any]) -> None:
    """Write *values* as JSON to the file *name* of the data folder, replacing it."""
    _place(name).write_text(json.dumps(values, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def read_json(name: str) -> dict[str, Any]:
    """Read the JSON object in the file *name* of the data folder."""
    values: dict[str, Any] = json.loads((DATA_FOLDER / name).read_text(encoding="utf-8"))
    return values


def _place(name: str) -> Path:
    path = DATA_FOLDER / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
