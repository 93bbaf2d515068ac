"""Orchestrators that cannot tell a step that has failed from one that could not be run."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.cli.conftest import Said

PIPELINE = """
dag:
  start_at: one
  steps:
    one: {type: task, command_type: shell, command: 'test ! -e broken', next: done, on_failure: mend}
    mend: {type: as-is, next: both}
    both: {type: parallel, branches: {left: {start_at: s, steps: {s: {type: success}, f: {type: fail}}}}, next: done}
    done: {type: success}
    failed: {type: fail}
"""


@pytest.fixture(autouse=True)
def project(default_adapters: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be in a directory with a pipeline."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipeline.yaml").write_text(dedent(PIPELINE))
    return tmp_path


@pytest.fixture
def call(magnus: Callable[..., Said]) -> Callable[..., Said]:
    """Return a function that calls for a node of the run `r`, if it was reached."""

    def work(command: str, step: str, *options: str) -> Said:
        fixed = ("--run-id", "r", "-f", "pipeline.yaml", "--if-reached")
        return magnus(command, "--step-name", step, *fixed, *options)

    return work


def test_a_node_that_a_failure_leads_to_is_run(call: Callable[..., Said], project: Path) -> None:
    """And what it leads to in turn; exit codes are what they always are."""
    (project / "broken").touch()
    assert [call("execute-single-node", step).code for step in ("one", "mend")] == [1, 0]
    assert call("fan", "both", "--mode", "out").code == 0


@pytest.mark.parametrize("step", ["mend", "done", "failed"])
def test_a_node_that_nothing_leads_to_is_refused(
    step: str, call: Callable[..., Said], magnus: Callable[..., Said]
) -> None:
    """So the run stays open for whoever closes it with a reason."""
    said = call("execute-single-node", step)
    assert said.code == 2
    assert f"has not come to '{step}'" in said.err
    assert '"PROCESSING"' in magnus("runs", "show", "r", "--json").out


def test_branches_that_nothing_leads_to_are_not_opened(call: Callable[..., Said]) -> None:
    """Likewise."""
    said = call("fan", "both", "--mode", "out")
    assert said.code == 2
    assert "has not come to 'both'" in said.err
