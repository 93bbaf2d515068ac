"""`magnus execute` with an executor that renders."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest

from magnus.domain.capabilities import ExecutorCapabilities, Placement
from magnus.domain.render_plan import Token
from magnus.plugins import AdapterSpec, hookimpl
from magnus.plugins.discovery import PluginSource, find_plugins
from magnus.ports.executor import OrchestrationExecutor

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.cli.conftest import Said

    from magnus.domain.render_plan import RenderPlan

FAKES = "magnus_render_fakes"

PIPELINE = """\
dag:
  start_at: one
  steps:
    one: {type: as-is, render_string: "${TOKEN}", next: done}
    done: {type: success}
    failed: {type: fail}
"""


class RenderingExecutor(OrchestrationExecutor):
    """Writes the commands of the outermost graph, and what its nodes want to have written."""

    default_output = "rendered.txt"

    @classmethod
    def capabilities(cls, options: Any) -> ExecutorCapabilities:
        """Run in other processes of this machine."""
        return ExecutorCapabilities(Placement.SAME_HOST)

    def render(self, plan: RenderPlan) -> str:
        """Return a line for each node."""
        lines = []
        for node in plan.root.nodes:
            words = [f"<{part.value}>" if isinstance(part, Token) else part for part in node.command]
            lines.append(" ".join([*words, str(node.node.definition.get("render_string", ""))]).strip())
        return "\n".join(lines) + "\n"


@hookimpl
def magnus_executors() -> list[AdapterSpec]:
    """Offer it."""
    return [AdapterSpec("rendering", f"{FAKES}:RenderingExecutor", port_api=1)]


@pytest.fixture
def project(default_adapters: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be in a folder with a pipeline that is to be rendered."""
    module = ModuleType(FAKES)
    module.__dict__.update(RenderingExecutor=RenderingExecutor, magnus_executors=magnus_executors)
    monkeypatch.setitem(sys.modules, FAKES, module)
    sources = [*find_plugins(), PluginSource("fakes", FAKES, "fakes 1")]
    monkeypatch.setattr("magnus.usecases.execute.find_plugins", lambda: sources)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MAGNUS_VAR_TOKEN", "x")
    (tmp_path / "pipeline.yaml").write_text(PIPELINE)
    (tmp_path / "render.yaml").write_text("executor: {type: rendering}\n")
    return tmp_path


def test_it_is_written_where_the_executor_says(magnus: Callable[..., Said], project: Path) -> None:
    """Nothing runs, and no run log is made."""
    said = magnus("execute", "-c", "render.yaml", "-p", "p.yaml", "--tag", "t")
    assert said.code == 2  # there is no p.yaml
    (project / "p.yaml").write_text("n: 1\n")
    said = magnus("execute", "-c", "render.yaml", "-p", "p.yaml", "--tag", "t")
    assert (said.code, said.out, said.err) == (0, "", "written: rendered.txt\n")
    assert (project / "rendered.txt").read_text().splitlines()[1] == (
        "magnus execute_single_node --step-name done --run-id <run id> --file pipeline.yaml "
        "--config-file render.yaml --parameters-file p.yaml --tag t"
    )
    assert sorted(path.name for path in project.iterdir()) == [
        "p.yaml",
        "pipeline.yaml",
        "render.yaml",
        "rendered.txt",
    ]


def test_it_is_written_where_the_user_says(magnus: Callable[..., Said], project: Path) -> None:
    """A file, or stdout, where nothing else stands."""
    assert magnus("execute", "-c", "render.yaml", "-o", "mine.txt").code == 0
    said = magnus("execute", "-c", "render.yaml", "-o", "-")
    assert said.out == (project / "mine.txt").read_text()
    assert not (project / "rendered.txt").exists()


def test_nodes_are_told_the_configuration_that_a_variable_names(
    magnus: Callable[..., Said], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where they run, nobody may have set it."""
    monkeypatch.setenv("MAGNUS_CONFIG_FILE", "render.yaml")
    assert "--config-file render.yaml" in magnus("execute", "-o", "-").out


@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        (("execute", "--run-id", "r"), "give the run id to what is rendered"),
        (("execute", "--use-cached", "r"), "no run 'r'"),
        (("execute-step", "one"), "run the step with an executor that runs"),
    ],
)
def test_what_only_a_run_can_give_is_refused(
    magnus: Callable[..., Said], project: Path, arguments: tuple[str, ...], remedy: str
) -> None:
    """Rather than left out."""
    said = magnus(*arguments, "-c", "render.yaml")
    assert said.code == 2
    assert remedy in said.err
    assert not (project / "rendered.txt").exists()


def test_a_pipeline_without_a_file_is_refused(project: Path) -> None:
    """Its nodes would find no definition."""
    from magnus import AsIs, Fail, Pipeline, Success
    from magnus.errors import ConfigurationError

    (project / "demo.yaml").write_text("executor: {type: demo-renderer}\n")
    pipeline = Pipeline(steps=[AsIs(name="one"), Success(name="done"), Fail(name="failed")])
    with pytest.raises(ConfigurationError, match="to_yaml"):
        pipeline.execute(config="demo.yaml")


def test_a_credential_is_not_written(
    magnus: Callable[..., Said], project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message tells the line, and not the credential."""
    monkeypatch.setenv("MAGNUS_VAR_TOKEN", "canary-5b1e")
    said = magnus("execute", "-c", "render.yaml")
    assert said.code == 2
    assert "line 1 of what is rendered would hold a credential" in said.err
    assert "canary-5b1e" not in said.err
    assert not (project / "rendered.txt").exists()
