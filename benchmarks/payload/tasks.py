"""What the steps of the measured pipelines do."""

from __future__ import annotations

from typing import Any


def nothing() -> None:
    """Do nothing: what is measured is magnus."""


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
