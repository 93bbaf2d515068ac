"""What the steps of the measured pipelines do."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any


def nothing() -> None:
    """Do nothing: what is measured is magnus."""


def write_input() -> None:
    """Write the file that every item of a map gets."""
    Path("data").mkdir(exist_ok=True)
    Path("data/input").write_text("input")


def write_result(item: int) -> None:
    """Write a file of the same name in every item of a map."""
    Path("data/result").write_text(f"result {item}")


def pause() -> None:
    """Take a while without a core."""
    time.sleep(0.5)


def leave_thread() -> None:
    """Leave a thread behind, for which the worker is retired."""
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()


def burn(rounds: int) -> None:
    """Keep one core busy."""
    value = 1
    for number in range(rounds):
        value = (value * 31 + number) % 1_000_003


def revise(document: dict[str, Any]) -> dict[str, Any]:
    """Change a large parameter in two places."""
    document["revision"] += 1
    document["records"][document["revision"]]["name"] = "revised"
    return {"document": document}
