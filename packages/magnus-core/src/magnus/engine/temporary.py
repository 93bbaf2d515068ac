"""Temporary folders of a run, marked so that those of a run that was killed can be found and removed.

A folder holds a file with the run and the process that made it. It is removed by that process; what a killed one has left is
found by `remove_abandoned`, whose search costs nothing at the start of a run.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from magnus.domain.owner import is_alive, is_here, own_label

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "magnus-"
MARK = ".magnus-owner"
"""Name of the file in a folder that tells whose it is."""


def make_folder(prefix: str, run_id: str, parent: str | None = None) -> str:
    """Make a temporary folder for *run_id* that only this user can enter; return its path."""
    folder = tempfile.mkdtemp(prefix=prefix, dir=parent)
    mark_folder(folder, run_id)
    return folder


def mark_folder(folder: str, run_id: str) -> None:
    """Note in *folder* that it belongs to *run_id* and this process."""
    with suppress(OSError):  # a temporary folder that is full; the folder is only not found after a kill
        descriptor = os.open(f"{folder}/{MARK}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            os.write(descriptor, json.dumps({"run_id": run_id, "owner": own_label()}).encode())
        finally:
            os.close(descriptor)


def unmark_folder(folder: str) -> None:
    """Keep *folder*: it is not found any more."""
    with suppress(OSError):
        os.unlink(f"{folder}/{MARK}")


def remove_abandoned(run_id: str | None = None) -> list[str]:
    """Remove the temporary folders of *run_id*, or of all runs, whose process is gone; return one line for each."""
    told = []
    for folder, owner_run in _abandoned():
        if run_id is None or owner_run == run_id:
            shutil.rmtree(folder, ignore_errors=True)
            if not os.path.lexists(folder):
                told.append(f"removed the temporary folder {folder} of run '{owner_run}'")
    return told


def _abandoned() -> Iterator[tuple[str, str]]:
    user = os.getuid()
    for place in dict.fromkeys(os.path.realpath(each) for each in (tempfile.gettempdir(), "/tmp")):  # noqa: S108
        try:
            names = sorted(os.listdir(place))
        except OSError:
            continue
        for name in names:
            folder = f"{place}/{name}"
            if not name.startswith(PREFIX):
                continue
            with suppress(OSError):
                found = os.lstat(folder)
                if not stat.S_ISDIR(found.st_mode) or found.st_uid != user:
                    continue
                mark = _read_mark(folder)
                if mark is not None and is_here(mark["owner"]) and not is_alive(mark["owner"]):
                    yield folder, mark["run_id"]


def _read_mark(folder: str) -> dict[str, Any] | None:
    try:
        with open(f"{folder}/{MARK}", "rb") as file:
            mark = json.loads(file.read())
    except (OSError, ValueError):
        return None
    is_mark = (
        isinstance(mark, dict) and isinstance(mark.get("owner"), str) and isinstance(mark.get("run_id"), str)
    )
    return mark if is_mark else None
