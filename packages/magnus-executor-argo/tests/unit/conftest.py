"""Fixtures for what is rendered and for what interprets it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from magnus.cli.app import main
from magnus.testing.emulation import ScriptedCompute
from magnus_executor_argo.emulator import Emulator

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STORES: dict[str, Any] = {
    "run_log_store": {"type": "s3", "config": {"bucket": "bucket", "prefix": "runs"}},
    "catalog": {"type": "do-nothing"},
}


@pytest.fixture
def render(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Return a function that renders a dag, as text or as what YAML holds; it returns the manifest, or the refusal."""
    monkeypatch.chdir(tmp_path)

    def work(
        dag: str | dict[str, Any], *options: str, expect: int = 0, file: str = "pipeline.yaml", **config: Any
    ) -> str:
        blocks = yaml.safe_load(dag) if isinstance(dag, str) else {"dag": dag}
        if isinstance(dag, str):
            (tmp_path / file).write_text(dag, encoding="utf-8")
        else:
            (tmp_path / file).write_text(yaml.safe_dump(blocks, sort_keys=False), encoding="utf-8")
        executor = {"type": "argo", "config": {"docker_image": "registry/image:1"} | config}
        (tmp_path / "config.yaml").write_text(
            yaml.safe_dump({"executor": executor} | STORES), encoding="utf-8"
        )
        capsys.readouterr()
        assert main(["execute", "-f", file, "-c", "config.yaml", "-o", "-", *options]) == expect
        said = capsys.readouterr()
        assert expect == 0 or not said.out
        return said.out if expect == 0 else said.err

    return work


class Emulated:
    """What came of emulating a dag in virtual time."""

    def __init__(self, text: str, compute: ScriptedCompute) -> None:
        """Run *text* on *compute*."""
        self.compute = compute
        self.is_success = Emulator(text, "workflow.yaml").run("the-run", compute)

    @property
    def steps(self) -> list[str]:
        """The steps in the order of their calls; the command that closes the run after everything is `close`."""
        return [
            "close" if "--stopped-because" in call.command.arguments else call.step
            for call in self.compute.calls
        ]

    def moments(self, step: str) -> list[float]:
        """Return when a step was called."""
        return [round(call.at, 6) for call in self.compute.calls if call.step == step]

    def arguments(self, step: str) -> list[tuple[str, ...]]:
        """Return the arguments of each call of a step."""
        return [call.command.arguments for call in self.compute.calls if call.step == step]


@pytest.fixture
def emulate(render: Callable[..., str], tmp_path: Path) -> Callable[..., Emulated]:
    """Return a function that renders a dag with *config*, and emulates it as a script says."""

    def work(dag: str | dict[str, Any], script: dict[str, Any] | None = None, **config: Any) -> Emulated:
        folder = tmp_path / "handed"
        folder.mkdir(exist_ok=True)
        return Emulated(render(dag, **config), ScriptedCompute(folder, **(script or {})))

    return work
