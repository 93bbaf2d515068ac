"""The pipelines that are measured, as text."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

NOTHING = "tasks.nothing"


def task(command: str = NOTHING, **more: Any) -> dict[str, Any]:
    """Return a python task."""
    return {"type": "task", "command": command, **more}


def write_dag(path: Path, steps: dict[str, dict[str, Any]]) -> Path:
    """Write a pipeline whose *steps* follow one another, and return *path*."""
    # In block style, which is what people write.
    path.write_text("\n".join([*_lines({"dag": _graph(steps)}), ""]))
    return path


def write_chain(path: Path, length: int, command: str = NOTHING) -> Path:
    """Write a pipeline of *length* equal tasks."""
    return write_dag(path, {f"step {number}": task(command) for number in range(length)})


def parallel(branches: dict[str, dict[str, dict[str, Any]]]) -> dict[str, Any]:
    """Return a parallel node; each branch is a chain of steps."""
    return {"type": "parallel", "branches": {name: _graph(steps) for name, steps in branches.items()}}


def map_over(parameter: str, argument: str, steps: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return a map node whose branch is a chain of *steps*."""
    return {"type": "map", "iterate_on": parameter, "iterate_as": argument, "branch": _graph(steps)}


def _graph(steps: dict[str, dict[str, Any]]) -> dict[str, Any]:
    names = [*steps, "done"]
    nodes = {
        name: {**node, "next": following}
        for (name, node), following in zip(steps.items(), names[1:], strict=True)
    }
    return {"start_at": names[0], "steps": {**nodes, "done": {"type": "success"}, "failed": {"type": "fail"}}}


def _lines(mapping: dict[str, Any]) -> list[str]:
    lines = []
    for key, value in mapping.items():
        if isinstance(value, dict):
            lines += [f"{key}:", *(f"  {line}" for line in _lines(value))]
        else:
            lines.append(f"{key}: {json.dumps(value)}")
    return lines
