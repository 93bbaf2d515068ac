"""What tests of `kubeflow` share: a project whose stores are in S3, rendered in this process, and emulated."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING, Any

from magnus.cli.app import main

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pytest
    from harness import Project

FILE = "pipeline-kubeflow.yaml"
"""What is rendered where no other name is given."""


class Kubeflow:
    """A project whose stores can be reached from anywhere."""

    def __init__(
        self, project: Project, services: Mapping[str, Any], quick: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Work in the folder of *project* with the blocks *services*; *quick* is where the `magnus` is that runs nodes."""
        self.project = project
        self.services = services
        self.quick = quick
        for name in [name for name in os.environ if name.startswith("MAGNUS_")]:
            monkeypatch.delenv(name)
        monkeypatch.chdir(project.folder)

    def write(self, graph: Mapping[str, Any], **options: Any) -> None:
        """Write a pipeline and its configurations."""
        self.project.write("pipeline.yaml", {"dag": graph})
        self.configure(**options)

    def configure(self, **options: Any) -> None:
        """Write the configurations: `config.yaml` renders for Kubeflow, `local.yaml` runs here."""
        executor = {"type": "kubeflow", "config": {"docker_image": "project:1", **options}}
        self.project.write("config.yaml", {"executor": executor, **self.services})
        self.project.write("local.yaml", {"executor": {"type": "local"}, **self.services})

    def render(self, *options: str, expect: int = 0) -> str:
        """Render the pipeline in this process, where kfp is imported once; return the text."""
        assert main(["execute", "-f", "pipeline.yaml", "-c", "config.yaml", *options]) == expect
        return (self.project.folder / FILE).read_text(encoding="utf-8") if expect == 0 else ""

    def emulate(self, run_id: str, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run what was rendered."""
        environment = self.project.environment(**variables)
        environment["PATH"] = f"{self.quick}{os.pathsep}{environment['PATH']}"
        return subprocess.run(
            [self.quick / "magnus", "emulate", FILE, "--run-id", run_id, *options],
            cwd=self.project.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            check=False,
        )

    def log(self, run_id: str) -> dict[str, Any]:
        """Return the log of a run."""
        return self.project.run_log(run_id, "-c", "local.yaml")

    def assert_same(self, run_id: str, other: str) -> None:
        """Insist on equal canonical logs."""
        compared = self.project.magnus("runs", "compare", run_id, other, "-c", "local.yaml")
        assert compared.returncode == 0, compared.stdout + compared.stderr
