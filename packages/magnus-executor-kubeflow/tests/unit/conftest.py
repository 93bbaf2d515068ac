"""Renders pipelines in this process, where kfp is imported once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from magnus.cli.app import main

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CONFIGURATION = """\
executor: {{type: kubeflow, config: {{docker_image: "project:1", {options}}}}}
run_log_store: {{type: s3, config: {{bucket: bucket, prefix: runs, region: eu-central-1}}}}
catalog: {{type: s3, config: {{bucket: bucket, prefix: catalog, region: eu-central-1}}}}
"""


@pytest.fixture
def render(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Return a function that renders a pipeline file, with options of the executor as YAML between braces."""
    monkeypatch.chdir(tmp_path)

    def work(text: str, *arguments: str, options: str = "", expect: int = 0) -> str:
        (tmp_path / "pipeline.yaml").write_text(text, encoding="utf-8")
        (tmp_path / "config.yaml").write_text(CONFIGURATION.format(options=options), encoding="utf-8")
        capsys.readouterr()
        assert main(["execute", "-c", "config.yaml", "-o", "-", *arguments]) == expect
        said = capsys.readouterr()
        return said.out if expect == 0 else said.err

    return work
