"""What the tests of this package render with."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from magnus.cli.app import main

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

OPTIONS: dict[str, Any] = {"job_queue": "queue", "job_definition": "steps", "items": "s3://bucket/items"}


class Renderer:
    """Renders pipelines in an empty folder, by the command line."""

    def __init__(self, folder: Path, said: Callable[[], str]) -> None:
        """Work in *folder*; *said* returns what was written on stderr since."""
        self._folder = folder
        self._said = said

    def write(self, steps: Mapping[str, Any], **more: Any) -> None:
        """Write a pipeline of *steps* one after another, the ends added."""
        self._write("pipeline.yaml", {"dag": chain(steps, **more)})

    def configure(self, **options: Any) -> None:
        """Write the configuration; an option that is None is left out."""
        config = {name: value for name, value in (OPTIONS | options).items() if value is not None}
        stores = {
            "run_log_store": {"type": "s3", "config": {"bucket": "bucket", "prefix": "runs"}},
            "catalog": {"type": "s3", "config": {"bucket": "bucket", "prefix": "catalog"}},
        }
        self._write(
            "magnus-config.yaml", {"executor": {"type": "aws-step-functions", "config": config}, **stores}
        )

    def text(self, *arguments: str, **options: Any) -> str:
        """Render what was written, and return the file."""
        self.configure(**options)
        assert main(["execute", "-o", "machine.json", *arguments]) == 0, self._said()
        return (self._folder / "machine.json").read_text(encoding="utf-8")

    def machine(self, steps: Mapping[str, Any], *arguments: str, **options: Any) -> dict[str, Any]:
        """Render *steps*."""
        self.write(steps)
        machine: dict[str, Any] = json.loads(self.text(*arguments, **options))
        return machine

    def refusal(
        self, steps: Mapping[str, Any], *, dag: Mapping[str, Any] | None = None, **options: Any
    ) -> str:
        """Insist on a refusal, for which nothing is written, and return it in one line."""
        self.write(steps, **(dag or {}))
        self.configure(**options)
        (self._folder / "machine.json").unlink(missing_ok=True)
        self._said()
        assert main(["execute", "-o", "machine.json"]) == 2
        assert not (self._folder / "machine.json").exists()
        return " ".join(self._said().split())

    def _write(self, name: str, content: Mapping[str, Any]) -> None:
        # JSON is YAML too, and is read at once.
        (self._folder / name).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def chain(steps: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Return a graph that runs *steps* one after another; one without `type` is a task."""
    names = [*steps, "done"]
    task = {"type": "task", "command_type": "shell", "command": "true"}
    nodes: dict[str, Any] = {
        name: {"next": following} | (step if "type" in step else task | step)
        for (name, step), following in zip(steps.items(), names[1:], strict=True)
    }
    ends = {"done": {"type": "success"}, "failed": {"type": "fail"}}
    return {"start_at": names[0], "steps": {**nodes, **ends}} | more


def parallel(**branches: Any) -> dict[str, Any]:
    """Return a parallel node."""
    return {"type": "parallel", "branches": branches}


def map_of(branch: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Return a map."""
    return {"type": "map", "iterate_on": "xs", "iterate_as": "x", "branch": branch} | more
