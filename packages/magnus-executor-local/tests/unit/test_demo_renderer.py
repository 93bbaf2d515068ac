from __future__ import annotations

import re
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from magnus.cli.app import main
from magnus.domain.capabilities import Feature, Placement
from magnus.domain.render_plan import Token
from magnus_executor_local.bash import as_shell_line
from magnus_executor_local.config import DemoRendererOptions
from magnus_executor_local.demo_renderer import DemoRenderer

if TYPE_CHECKING:
    from collections.abc import Callable

GOLDEN = Path(__file__).parent / "golden"

BRANCH = "{start_at: s, steps: {s: {type: success}, f: {type: fail}}}"


@pytest.fixture
def render(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Return a function that renders a pipeline file."""
    monkeypatch.chdir(tmp_path)

    def work(text: str, *options: str, expect: int = 0) -> str:
        (tmp_path / "pipeline.yaml").write_text(text, encoding="utf-8")
        capsys.readouterr()
        assert main(["execute", "-o", "-", *options]) == expect
        said = capsys.readouterr()
        return said.out if expect == 0 else said.err

    return work


def arms(script: str) -> dict[str, str]:
    """Return what is done at each node, by what the comment calls it."""
    found = re.findall(
        r"^        '\S+'\) # \S+ (.*?), [\w-]+\n(.*?)^            ;;$", script, re.MULTILINE | re.DOTALL
    )
    return dict(found)


def test_the_script_is_as_it_was(render: Callable[..., str]) -> None:
    """Byte for byte; who changes what is rendered looks at the difference."""
    script = render((GOLDEN / "pipeline.yaml").read_text(encoding="utf-8"), "--tag", "nightly run")
    expected = (GOLDEN / "script.sh").read_text(encoding="utf-8")
    assert script == expected.replace("{version}", version("magnus-core"))


def test_rendering_twice_gives_equal_bytes(render: Callable[..., str]) -> None:
    """There is no time and no chance in it."""
    text = (GOLDEN / "pipeline.yaml").read_text(encoding="utf-8")
    assert render(text) == render(text)


def test_the_header_and_the_comments_lead_back_to_the_dag(render: Callable[..., str]) -> None:
    """Version and hash on top; file and line at every node."""
    script = render((GOLDEN / "pipeline.yaml").read_text(encoding="utf-8"))
    assert f"magnus {version('magnus-core')}" in script
    assert re.search(r"^# dag hash: [0-9a-f]{64}$", script, re.MULTILINE)
    assert "# pipeline.yaml:20: mend, task" in script
    assert "# pipeline.yaml:17: the branch each.name.both.left" in script


@pytest.mark.parametrize(
    ("options", "node", "limit"),
    [
        ("{}", "", 1),
        ("{max_workers: 3}", "", 1),
        ("{enable_parallel: true}", "", 4),
        ("{enable_parallel: true, max_workers: 9}", "", 9),
        ("{enable_parallel: true, max_workers: 9}", ", max_concurrency: 2", 2),
        ("{enable_parallel: true}", ", executor_config: {demo-renderer: {max_workers: 2}}", 2),
        ("{enable_parallel: true}", ", executor_config: {demo-renderer: {enable_parallel: false}}", 1),
    ],
)
def test_how_many_branches_run_at_the_same_time_is_configured(
    render: Callable[..., str], options: str, node: str, limit: int
) -> None:
    """For all nodes, or for one; the map's own `max_concurrency` is kept."""
    script = render(f"""
dag:
  start_at: each
  steps:
    each: {{type: map, iterate_on: xs, iterate_as: x, branch: {BRANCH}, next: s{node}}}
    s: {{type: success}}
    f: {{type: fail}}
executor: {{type: demo-renderer, config: {options}}}
""")
    assert f"branch_for_each_item {limit} graph_" in arms(script)["each"]


def test_a_string_of_the_dag_is_in_the_script_as_it_is(render: Callable[..., str]) -> None:
    """Not even its indentation changes: it may hold a document of its own."""
    script = render("""
dag:
  start_at: one
  steps:
    one: {type: as-is, render_string: "cat <<END\\n$run_id\\nEND # 'quoted'", next: s}
    s: {type: success}
    f: {type: fail}
executor: {type: demo-renderer}
""")
    assert "\ncat <<END\n$run_id\nEND # 'quoted'\n" in script


@pytest.mark.parametrize("option", ["max_workers: 0", "max_worker: 1"])
def test_an_option_that_cannot_be_meant_is_refused(render: Callable[..., str], option: str) -> None:
    """When the configuration is read."""
    text = f"dag: {BRANCH}\nexecutor: {{type: demo-renderer, config: {{{option}}}}}\n"
    assert "max_worker" in render(text, expect=2)


@pytest.mark.parametrize(
    ("step", "told"),
    [
        ("type: task, command: m.f, resources: {cpu: 1}", "resources"),
        ("type: dag, dag_definition: inner.yaml", "nobody keeps its time"),
    ],
)
def test_what_a_script_cannot_keep_is_refused_with_the_node_that_asks_for_it(
    render: Callable[..., str], tmp_path: Path, step: str, told: str
) -> None:
    """Before anything is written."""
    inner = "dag: {start_at: s, max_time: 5, steps: {s: {type: success}, f: {type: fail}}}\n"
    (tmp_path / "inner.yaml").write_text(inner)
    text = f"""
dag:
  start_at: one
  steps:
    one: {{{step}, next: s}}
    s: {{type: success}}
    f: {{type: fail}}
executor: {{type: demo-renderer}}
"""
    said = render(text, expect=2)
    assert told in said
    assert "(asked for by one)" in said


def test_it_says_what_it_can_do() -> None:
    """As data, from its options."""
    plain: Any = DemoRenderer.capabilities(DemoRendererOptions())
    told: Any = DemoRenderer.capabilities(DemoRendererOptions(enable_parallel=True, ignore_resources=True))
    assert (plain.placement, plain.concurrent_branches, list(plain.refused_features)) == (
        Placement.SAME_HOST,
        False,
        [Feature.RESOURCES],
    )
    assert (told.concurrent_branches, told.refused_features) == (True, {})


def test_whatever_stands_in_a_command_is_one_word_of_the_shell() -> None:
    """Also where it could be taken for a word of the shell's own."""
    command = ("magnus", "fan", "done", "a b", "$(x) '", "", "-x", Token.RUN_ID, Token.MAP_VARIABLE)
    assert as_shell_line(command) == (
        """magnus fan 'done' 'a b' '$(x) '"'"'' '' -x "$run_id" "$map_variable\""""
    )
