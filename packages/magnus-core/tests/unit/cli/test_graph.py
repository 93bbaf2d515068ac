from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from itertools import combinations
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.cli.conftest import Said

AWKWARD = "ç <b>&\"' 数据 ]) --> #"
SVG = "{http://www.w3.org/2000/svg}"
PIPELINE = """\
dag:
  name: "</title><script>alert(1)</script>"
  start_at: a
  steps:
    a: {type: as-is, next: NAME, on_failure: tidy}
    NAME:
      type: parallel
      next: each
      on_failure: tidy
      branches:
        left: &branch
          start_at: in
          steps:
            in: {type: task, command: some.function, next: ok}
            ok: {type: success}
            bad: {type: fail}
        NAME: *branch
    each: {type: map, iterate_on: items, iterate_as: item, next: ok, branch: *branch}
    tidy: {type: as-is, next: ok}
    ok: {type: success}
    bad: {type: fail}
"""


@pytest.fixture
def pipeline(tmp_path: Path) -> str:
    """Return a pipeline file with a name that every format would take for syntax."""
    file = tmp_path / "pipeline.yaml"
    quoted = "'" + AWKWARD.replace("'", "''") + "'"
    file.write_text(PIPELINE.replace("NAME", quoted), encoding="utf-8")
    return str(file)


def test_mermaid_is_the_format_when_none_is_named(magnus: Callable[..., Said], pipeline: str) -> None:
    """It can be pasted where Markdown is shown."""
    said = magnus("graph", "-f", pipeline)
    assert said.code == 0, said.err
    lines = said.out.splitlines()
    assert lines[0] == "flowchart TD"
    assert (
        sum(line.strip().startswith("subgraph") for line in lines)
        == sum(line.strip() == "end" for line in lines)
        == 5
    )
    assert sum("-. on_failure .->" in line for line in lines) == 2
    labels = re.findall(r'"([^"]*)"', said.out)
    assert any("#60;b#62;#38;#34;#39;" in label for label in labels)
    assert not any(character in label for label in labels for character in "[]()'")


def test_every_edge_of_the_mermaid_text_joins_two_nodes_that_it_declares(
    magnus: Callable[..., Said], pipeline: str
) -> None:
    """Ids are the same where a node is declared and where an edge names it."""
    out = magnus("graph", "-f", pipeline).out
    declared = set(re.findall(r"^\s*(?:subgraph )?(n[\dnb]*)[\[(]", out, re.MULTILINE))
    named = {name for pair in re.findall(r"^\s*(n\S*) -.*> (n\S*)$", out, re.MULTILINE) for name in pair}
    assert named <= declared
    assert len(named) == 11


def test_dot_quotes_labels_and_opens_as_many_clusters_as_it_closes(
    magnus: Callable[..., Said], pipeline: str
) -> None:
    """Clusters are joined through a node inside them."""
    out = magnus("graph", "-f", pipeline, "--format", "dot").out
    assert AWKWARD.replace('"', '\\"') in out
    without_labels = re.sub(r'"(\\.|[^"\\])*"', "", out)
    assert without_labels.count("{") == without_labels.count("}") == 6
    assert "lhead=cluster_n1" in out
    assert out.count("style=dashed") == 2


def test_svg_is_well_formed_and_holds_every_name(magnus: Callable[..., Said], pipeline: str) -> None:
    """Escaped, so that no name becomes markup."""
    root = ET.fromstring(magnus("graph", "-f", pipeline, "--format", "svg").out)  # noqa: S314 - our own output
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert texts.count(AWKWARD) == 2  # the node, and the branch of the same name
    assert texts.count("for each item") == 1
    assert not list(root.iter(f"{SVG}script"))
    kinds = [path.get("class") for path in root.iter(f"{SVG}path")]
    assert "edge on_failure" in kinds
    assert "edge next" in kinds


def test_boxes_of_the_picture_lie_inside_it_and_do_not_overlap(
    magnus: Callable[..., Said], pipeline: str
) -> None:
    """Nodes without branches are apart from each other."""
    root = ET.fromstring(magnus("graph", "-f", pipeline, "--format", "svg").out)  # noqa: S314
    width, height = float(root.get("width", 0)), float(root.get("height", 0))
    boxes = [
        tuple(float(box.get(key, 0)) for key in ("x", "y", "width", "height"))
        for box in root.iter(f"{SVG}rect")
        if str(box.get("class")).startswith("node")
    ]
    assert len(boxes) == 13
    for x, y, w, h in boxes:
        assert 0 <= x <= x + w <= width
        assert 0 <= y <= y + h <= height
    for (x1, y1, w1, h1), (x2, y2, w2, h2) in combinations(boxes, 2):
        assert x1 + w1 <= x2 or x2 + w2 <= x1 or y1 + h1 <= y2 or y2 + h2 <= y1


def test_html_needs_nothing_from_elsewhere(
    magnus: Callable[..., Said], pipeline: str, tmp_path: Path
) -> None:
    """No address but the name of the SVG language, and no script."""
    said = magnus("graph", "-f", pipeline, "--format", "html", "-o", str(tmp_path / "graph.html"))
    assert said.out == ""
    page = (tmp_path / "graph.html").read_text(encoding="utf-8")
    assert re.findall(r"https?://[^\s\"']+", page) == ["http://www.w3.org/2000/svg"]
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_a_chain_of_thousands_of_nodes_that_fail_into_one_is_drawn(
    magnus: Callable[..., Said], tmp_path: Path
) -> None:
    """Edges that skip layers share their way, or there would be millions of points."""
    count = 3000
    steps = [
        f"    s{index}: {{type: as-is, next: {f's{index + 1}' if index + 1 < count else 'ok'}, on_failure: tidy}}"
        for index in range(count)
    ]
    file = tmp_path / "chain.yaml"
    ends = ["    tidy: {type: as-is, next: ok}", "    ok: {type: success}", "    bad: {type: fail}"]
    file.write_text("\n".join(["dag:", "  start_at: s0", "  steps:", *steps, *ends]))
    said = magnus("graph", "-f", str(file), "--format", "svg")
    assert said.code == 0
    assert len(said.out) < 1000 * count


def test_a_file_that_cannot_be_written_is_no_bug(
    magnus: Callable[..., Said], pipeline: str, tmp_path: Path
) -> None:
    """The message names the file."""
    target = str(tmp_path / "no" / "such" / "graph.svg")
    said = magnus("graph", "-f", pipeline, "--format", "svg", "-o", target)
    assert said.code == 2
    assert target in said.err
