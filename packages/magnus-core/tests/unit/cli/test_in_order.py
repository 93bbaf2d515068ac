"""Orchestrators that call every node of a graph in turn, and that have maps read their items from a file."""

from __future__ import annotations

import json
import sys
from textwrap import dedent
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from magnus.domain.capabilities import ExecutorCapabilities, Placement
from magnus.errors import ConfigurationError
from magnus.plugins import AdapterSpec, hookimpl
from magnus.plugins.discovery import PluginSource, find_plugins
from magnus.ports.executor import OrchestrationExecutor

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.cli.conftest import Said

    from magnus.domain.render_plan import RenderPlan

PIPELINE = """
dag:
  start_at: one
  steps:
    one: {type: task, command_type: shell, command: 'test ! -e broken', retry: 2, next: each, on_failure: mend}
    mend: {type: as-is, next: each}
    each:
      type: map
      iterate_on: xs
      iterate_as: x
      branch:
        start_at: work
        steps:
          work: {type: task, command_type: shell, command: 'test "$MAGNUS_PRM_x" != bad', next: s, on_failure: rescue}
          rescue: {type: as-is, next: f}
          s: {type: success}
          f: {type: fail}
      next: done
    done: {type: success}
    failed: {type: fail}
"""
FAKES = "magnus_order_fakes"


class Keeps(OrchestrationExecutor):
    """Knows one place for items."""

    default_output = "out"

    @classmethod
    def capabilities(cls, options: Any) -> ExecutorCapabilities:
        """Run in other processes of this machine."""
        return ExecutorCapabilities(Placement.SAME_HOST)

    def render(self, plan: RenderPlan) -> str:
        """Return nothing."""
        return ""

    def put_items(self, place: str, text: str) -> None:
        """Take 100 characters."""
        if len(text) > 100:
            raise ConfigurationError(f"{place}: too much")
        put.append((place, text))


put: list[tuple[str, str]] = []


@hookimpl
def magnus_executors() -> list[AdapterSpec]:
    """Offer it."""
    return [AdapterSpec("keeps", f"{FAKES}:Keeps", port_api=1)]


@pytest.fixture(autouse=True)
def project(default_adapters: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be in a folder with a pipeline that three commands call."""
    module = ModuleType(FAKES)
    module.__dict__.update(Keeps=Keeps, magnus_executors=magnus_executors)
    monkeypatch.setitem(sys.modules, FAKES, module)
    sources = [*find_plugins(), PluginSource("fakes", FAKES, "fakes 1")]
    monkeypatch.setattr("magnus.usecases.inside_run.find_plugins", lambda: sources)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAGNUS_PRM_xs", '["a", "bad", 1.50]')
    put.clear()
    (tmp_path / "pipeline.yaml").write_text(dedent(PIPELINE))
    (tmp_path / "keeps.yaml").write_text("executor: {type: keeps}\n")
    return tmp_path


class Caller:
    """Calls magnus for nodes as an orchestrator does."""

    def __init__(self, magnus: Callable[..., Said]) -> None:
        """Call by *magnus*."""
        self._magnus = magnus

    def node(self, step: str, *options: str) -> int:
        """Call one node in order."""
        return self._call("execute-single-node", step, *options).code

    def fan(self, mode: str, step: str, *options: str) -> Said:
        """Open or join branches in order."""
        return self._call("fan", step, "--mode", mode, *options)

    def _call(self, command: str, step: str, *options: str) -> Said:
        fixed = ("--run-id", "r", "-f", "pipeline.yaml", "--in-order")
        return self._magnus(command, "--step-name", step, *fixed, *options)

    def log(self) -> dict[str, Any]:
        """Return the run log."""
        log: dict[str, Any] = json.loads(self._magnus("runs", "show", "r", "--json").out)
        return log


@pytest.fixture
def call(magnus: Callable[..., Said]) -> Caller:
    """Return what calls nodes of the run `r`."""
    return Caller(magnus)


def test_nodes_that_were_not_reached_do_nothing(call: Caller) -> None:
    """And what was reached is found from the steps before it alone; the log is that of a traversal."""
    assert [call.node(step) for step in ("mend", "done", "failed")] == [0, 0, 0]
    assert call.log()["steps"] == {}
    assert [call.node(step) for step in ("one", "mend")] == [0, 0]
    assert call.fan("out", "each", "--items-to", "deep/items.json").out == ""
    assert list(call.log()["steps"]) == ["one", "each"]


def test_items_are_texts_that_map_variable_takes(call: Caller, project: Path) -> None:
    """So that no target writes a number in another way; a branch is walked by them, and fails by itself."""
    call.node("one")
    assert call.fan("out", "each", "--items-to", "deep/items.json").code == 0
    items = json.loads((project / "deep" / "items.json").read_text())
    assert items == ['{"x": "a"}', '{"x": "bad"}', '{"x": 1.5}']
    for item in items:
        for node in ("work", "rescue", "s", "f"):
            assert call.node(f"each.%.{node}", "--map-variable", item) == 0
    assert call.fan("in", "each").code == 0
    assert [call.node(step) for step in ("done", "failed")] == [0, 1]
    log = call.log()
    assert (log["status"], log["steps"]["each"]["status"]) == ("FAIL", "FAIL")
    assert list(log["steps"]["each"]["branches"]["each.bad"]["steps"]) == [
        "each.bad.work",
        "each.bad.rescue",
        "each.bad.f",
    ]


def test_a_failed_attempt_that_another_may_follow_is_told(call: Caller, project: Path) -> None:
    """A failure for good is not: what comes next finds it out."""
    (project / "broken").touch()
    assert [call.node("one"), call.node("one"), call.node("one")] == [75, 0, 0]
    assert call.node("mend") == 0
    assert list(call.log()["steps"]) == ["one", "mend"]


def test_branches_that_cannot_be_told_leave_an_empty_list(
    call: Caller, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which is also what there is of a node that was not reached; joining then does nothing."""
    monkeypatch.delenv("MAGNUS_PRM_xs")
    assert call.fan("out", "each", "--items-to", "items").code == 0
    assert (project / "items").read_text() == "[]"
    assert call.fan("in", "each").code == 0
    assert call.log()["steps"] == {}
    call.node("one")
    assert call.fan("out", "each", "--items-to", "items").code == 0
    assert (project / "items").read_text() == "[]"
    assert call.fan("in", "each").code == 0
    assert [call.node(step) for step in ("done", "failed")] == [0, 1]
    assert call.log()["steps"]["each"]["status"] == "FAIL"


def test_the_executor_puts_items_where_a_url_says(call: Caller) -> None:
    """It may refuse them; one that renders nothing knows no such place."""
    call.node("one")
    assert call.fan("out", "each", "--items-to", "kept://here/x", "-c", "keeps.yaml").code == 0
    assert put == [("kept://here/x", '["{\\"x\\": \\"a\\"}", "{\\"x\\": \\"bad\\"}", "{\\"x\\": 1.5}"]')]
    refused = call.fan("out", "each", "--items-to", "kept://here/x")
    assert (refused.code, "renders nothing" in refused.err) == (2, True)


def test_too_many_items_are_refused(call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the executor's own words."""
    monkeypatch.setenv("MAGNUS_PRM_xs", json.dumps(list(range(100))))
    call.node("one")
    refused = call.fan("out", "each", "--items-to", "kept://here/x", "-c", "keeps.yaml")
    assert (refused.code, refused.err.strip().endswith("kept://here/x: too much")) == (2, True)


def test_a_file_that_cannot_be_written_is_named(call: Caller) -> None:
    """With the reason."""
    call.node("one")
    refused = call.fan("out", "each", "--items-to", "/proc/none/items")
    assert refused.code == 2
    assert "--items-to /proc/none/items: " in refused.err
