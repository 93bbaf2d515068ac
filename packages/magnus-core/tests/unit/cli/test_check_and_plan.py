from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest
    from tests.unit.cli.conftest import Said

REFUSED = """\
executor: {type: demo-renderer}
run_log_store: {type: buffered}
"""


def test_every_service_feature_and_task_type_gets_a_verdict(
    magnus: Callable[..., Said], in_runs: Path
) -> None:
    """What the dag does not use is not judged."""
    report = magnus("check", "-p", "parameters.json", "--json").json()
    assert report["refused"] == 0
    subjects = {finding["subject"]: finding["name"] for finding in report["findings"]}
    assert {"run_log_store", "catalog", "secrets", "experiment_tracker"} <= subjects.keys()
    features = {finding["name"] for finding in report["findings"] if finding["subject"] == "dag"}
    assert features == {"parallel", "map", "as-is", "retry", "catalog"}
    assert subjects["task type"] == "shell"


def test_a_refused_pair_exits_with_2_and_says_what_to_change(
    magnus: Callable[..., Said], in_copy: Path
) -> None:
    """The reason and the remedy stand in the line."""
    (in_copy / "refused.yaml").write_text(REFUSED)
    said = magnus("check", "-c", "refused.yaml")
    assert said.code == 2
    (line,) = [line for line in said.out.splitlines() if line.startswith("error")]
    assert "buffered" in line
    assert "reaches further" in line
    assert "refused: 1 of" in said.err


def test_nothing_is_made_by_looking(
    magnus: Callable[..., Said], made_runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No folder of a store or catalog appears, and no file."""
    for name in ("pipeline.yaml", "parameters.json"):
        (tmp_path / name).write_text((made_runs / name).read_text())
    monkeypatch.chdir(tmp_path)
    for command in ("check", "plan"):
        assert magnus(command, "-p", "parameters.json").code == 0
    assert magnus("runs", "list").code == 0
    assert magnus("catalog", "list").code == 0
    assert sorted(os.listdir(tmp_path)) == ["parameters.json", "pipeline.yaml"]  # noqa: PTH208 - hidden names too


def test_a_map_over_a_parameter_that_is_no_list_is_found(magnus: Callable[..., Said], in_copy: Path) -> None:
    """The parameters are part of what is checked."""
    (in_copy / "wrong.json").write_text('{"items": 3}')
    said = magnus("check", "-p", "wrong.json")
    assert said.code == 2
    assert "needs a list, but the parameter 'items' is 3" in said.err


def test_options_of_a_task_type_are_checked_where_they_stand(
    default_adapters: None, magnus: Callable[..., Said], tmp_path: Path
) -> None:
    """A run would find the mistake only when the step begins."""
    file = tmp_path / "pipeline.yaml"
    file.write_text(
        "dag:\n  start_at: a\n  steps:\n"
        "    a: {type: task, command_type: shell, command: ls, command_config: {shel: x}, next: ok}\n"
        "    ok: {type: success}\n    bad: {type: fail}\n"
    )
    said = magnus("check", "-f", str(file))
    assert said.code == 2
    assert f"{file}:4:" in said.err
    assert "shel" in said.err


def test_the_plan_says_what_a_node_does_and_what_leads_to_it(
    magnus: Callable[..., Said], in_runs: Path
) -> None:
    """Command, place, attempts, files and ways."""
    nodes = {node["step"]: node for node in magnus("plan", "--json").json()["nodes"]}
    assert nodes["first"]["catalog"]["put"] == ["*.csv"]
    assert nodes["first"]["where"] == "local (same-host)"
    assert nodes["sides.left side.a"]["max_attempts"] == 2
    assert nodes["sides.left side.a"]["task"]["command"] == "echo said by a"
    assert nodes["each"]["map"] == {"iterate_on": "items", "iterate_as": "item"}
    assert nodes["last"]["reached"] == [{"node": "each", "when": "success"}]
    assert "cached" not in nodes["first"]


def test_the_plan_of_a_rerun_says_what_is_skipped_and_why_the_rest_is_not(
    magnus: Callable[..., Said],
    in_runs: Path,
) -> None:
    """Each item of a map has an answer of its own."""
    nodes = magnus("plan", "--use-cached", "failed", "--json").json()["nodes"]
    cached = {decision["step"]: decision for node in nodes for decision in node.get("cached", ())}
    assert {name: decision["skip"] for name, decision in cached.items()} == {
        "first": True,
        "sides.left side.a": True,
        "each.x.work": True,
        "each.b.work": False,
        "each.c%2Ed.work": True,
        "last": False,
    }
    assert cached["each.b.work"]["reason"] == "it failed in run failed"
    assert cached["last"]["reason"] == "'each.b.work', which comes before it, runs again"


def test_the_plan_of_a_rerun_agrees_with_the_rerun(magnus: Callable[..., Said], in_runs: Path) -> None:
    """What was foretold to be skipped is what the run log says was skipped."""
    nodes = magnus("plan", "--use-cached", "failed", "--json").json()["nodes"]
    for decision in [decision for node in nodes for decision in node.get("cached", ())]:
        step = magnus("runs", "show", "completed", decision["step"], "--json").json()
        assert step["mock"] is decision["skip"], decision["step"]


def test_a_changed_step_runs_again_with_all_that_follows_it(
    magnus: Callable[..., Said], in_copy: Path
) -> None:
    """The reason of the first is the change; of the others, the first."""
    file = in_copy / "pipeline.yaml"
    file.write_text(file.read_text().replace("said by a", "said anew by a"))
    said = magnus("plan", "--use-cached", "at-once", "--json")
    assert "changed sides.left side.a" in said.err
    cached = {each["step"]: each for node in said.json()["nodes"] for each in node.get("cached", ())}
    assert cached["first"]["skip"]
    assert "definition of 'sides.left side.a'" in cached["sides.left side.a"]["reason"]
    assert cached["each.*.work"]["reason"] == cached["last"]["reason"]
    assert not cached["last"]["skip"]


def test_the_plan_of_an_unknown_run_is_refused(magnus: Callable[..., Said], in_runs: Path) -> None:
    """With the command that lists the runs there are."""
    said = magnus("plan", "--use-cached", "nobody")
    assert said.code == 2
    assert "`magnus runs list`" in said.err


def test_no_credential_stands_in_a_plan(
    magnus: Callable[..., Said], in_copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither one that a variable brought, nor one in the options of a node."""
    monkeypatch.setenv("MAGNUS_VAR_DB_PASSWORD", "canary-123")
    file = in_copy / "pipeline.yaml"
    file.write_text(
        file.read_text().replace("echo said by last", "'psql ${DB_PASSWORD} password=canary-456 x'")
    )
    for options in ((), ("--json",)):
        said = magnus("plan", *options)
        assert said.code == 0, said.err
        assert "psql ***" in said.out
        assert "canary" not in said.out + said.err


def test_installed_pairs_are_judged_and_what_is_broken_stops_nothing(
    magnus: Callable[..., Said], in_runs: Path
) -> None:
    """Every executor with every service of the four kinds."""
    table = magnus("integrations", "--json").json()
    pairs = {
        (each["executor"], each["subject"], each["name"]): each["verdict"] for each in table["integrations"]
    }
    assert pairs["local", "run_log_store", "file-system"] == "ok"
    assert pairs["local", "secrets", "do-nothing"] == "ok"
    assert {kind for _, kind, _ in pairs} == {"run_log_store", "catalog", "secrets", "experiment_tracker"}
    broken = {each["name"] for each in table["unusable"]}
    assert broken.isdisjoint({name for _, _, name in pairs})
