"""Pipelines that `kubeflow` has rendered, run on this machine: what they survive, how they end, and what is left of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from harness import LOSE_MAGNUS, REAL_MAGNUS, chain, python, shell, steps_of
from kubeflow_kit import FILE, Kubeflow
from outside import kubeflow as outside
from readme_blocks import Commands, File, read_blocks
from test_demo_renderer import AWKWARD, parallel
from test_readme import type_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws.stores import Stores
    from harness import Project


@pytest.fixture
def kubeflow(project: Project, stores: Stores, quick: Path, monkeypatch: pytest.MonkeyPatch) -> Kubeflow:
    """Return a project with its stores in S3."""
    return Kubeflow(project, stores.blocks(), quick, monkeypatch)


def each(branch: Mapping[str, Any], on: str = "items", **more: Any) -> dict[str, Any]:
    """Return a map."""
    return {"type": "map", "iterate_on": on, "iterate_as": "the item", "branch": branch} | more


def test_steps_branches_and_items_keep_their_names(kubeflow: Kubeflow) -> None:
    """Whatever people call things; others read the file, and the log is that of the `local` run."""
    awkward = [name for name in AWKWARD if name != "esac"]
    steps = {name: {"type": "as-is"} for name in awkward[:6]}
    branches = {name: {name: {"type": "as-is"}} for name in awkward[6:]}
    # What other tests give maps goes through the same text of JSON; here is what somebody on the way would replace.
    items = [
        "'\"\n日本",
        {"k": [1.5, None]},
        "$(HOME)$$",
        "{{workflow.name}}",
        "{{$.inputs.parameters['run_id']}}",
    ]
    inner = chain({"one ü": shell('test -n "$MAGNUS_PRM_MAP_VARIABLE"')})
    kubeflow.write(chain(steps | {"split": parallel(**branches), "each 'x'": each(inner)}))
    kubeflow.project.write("the 'p'.yaml", {"items": items})
    kubeflow.render("-p", "the 'p'.yaml", "--tag", "(exit 9) `x` 'y' $HOME")
    assert outside.problems(kubeflow.project.folder / FILE) == []
    done = kubeflow.emulate("one")
    assert done.returncode == 0, done.stderr
    log = kubeflow.log("one")
    assert log["tag"] == "(exit 9) `x` 'y' $HOME"
    assert set(awkward[:6]) < set(steps_of(log))
    assert len(log["steps"]["each 'x'"]["branches"]) == len(items)
    kubeflow.project.execute("-c", "local.yaml", "-p", "the 'p'.yaml", "--run-id", "two")
    kubeflow.assert_same("two", "one")


def test_failures_go_where_the_dag_says(kubeflow: Kubeflow) -> None:
    """Out of a step, a branch, a join and a map whose list there is not; the log is that of the `local` run."""
    bad = {
        "bad": shell("exit 5", on_failure="mend", retry={"max_attempts": 2}),
        "skipped": shell("false"),
        "mend": shell("true"),
    }
    steps = {
        **bad,
        "split": parallel(left=bad, right={"worse": shell("exit 5")}) | {"on_failure": "lost"},
        "never": shell("false"),
        "lost": each(chain({"one": shell("true")}), on="nowhere", on_failure="last"),
        "neither": shell("false"),
        "last": python("tasks.last"),
    }
    kubeflow.project.write("tasks.py", "def last():\n    return {'n': 1}\n")
    kubeflow.write(chain(steps))
    kubeflow.render()
    done = kubeflow.emulate("one")
    assert done.returncode == 0, done.stderr
    kubeflow.project.execute("-c", "local.yaml", "--run-id", "two")
    kubeflow.assert_same("two", "one")
    log = steps_of(kubeflow.log("one"))
    assert {"skipped", "never", "neither"}.isdisjoint(log)
    assert (log["split"]["status"], log["lost"]["status"], log["last"]["status"]) == (
        "FAIL",
        "FAIL",
        "SUCCESS",
    )


def test_what_had_ended_is_not_called_when_a_run_is_continued(kubeflow: Kubeflow) -> None:
    """Nor is anything in it: it is not in the file."""
    first = parallel(left={"one": shell("echo x >>$HERE/ran")}, right={"one": shell("true")})
    kubeflow.write(
        chain({"split": first, "bad": shell("test -e fixed"), "last": shell("echo last >>$HERE/ran")})
    )
    kubeflow.project.execute("-c", "local.yaml", "--run-id", "one", expect=1)
    kubeflow.project.write("fixed", "")
    text = kubeflow.render("--use-cached", "one")
    assert "continues the run: one" in text
    assert "split" not in text
    done = kubeflow.emulate("two")
    assert done.returncode == 0, done.stderr
    assert kubeflow.project.lines("ran") == ["x", "last"]
    assert "split.left.one" in steps_of(kubeflow.log("two"))


def test_a_pod_that_is_killed_ends_the_run(kubeflow: Kubeflow) -> None:
    """A branch beside it goes on to its end; then the run is closed with the reason, and can be continued."""
    branches = {
        "bad": {"die": shell(f"test -e fixed || {{ {LOSE_MAGNUS}; }}")},
        "good": {"one": shell("echo good >>$HERE/ran")},
    }
    kubeflow.write(
        chain(
            {"split": parallel(**branches) | {"on_failure": "last"}, "last": shell("echo last >>$HERE/ran")}
        )
    )
    kubeflow.quick = REAL_MAGNUS
    kubeflow.render()
    assert kubeflow.emulate("one").returncode == 1
    assert kubeflow.project.lines("ran") == ["good"]
    log = kubeflow.log("one")
    assert (log["status"], log["message"]) == ("FAIL", "Kubeflow ended the pipeline before the run had ended")
    kubeflow.project.write("fixed", "")
    kubeflow.project.execute("-c", "local.yaml", "--run-id", "two", "--use-cached", "one")
    assert kubeflow.project.lines("ran") == ["good", "last"]


def test_an_item_that_is_too_large_ends_the_run(kubeflow: Kubeflow) -> None:
    """Where it is written, with the reason."""
    kubeflow.project.write("tasks.py", "def large():\n    return {'items': ['x' * 40_000]}\n")
    kubeflow.write(chain({"large": python("tasks.large"), "each": each(chain({"one": shell("true")}))}))
    kubeflow.render()
    done = kubeflow.emulate("one")
    assert done.returncode == 1
    assert "the executor 'kubeflow' hands on 32768 at most" in done.stderr
    assert kubeflow.log("one")["status"] == "FAIL"


def test_the_time_of_the_whole_run_is_kept(kubeflow: Kubeflow) -> None:
    """What runs then is stopped, and nothing after it begins."""
    steps = {"one": shell("sleep 60", on_failure="two"), "two": shell("touch $HERE/two")}
    kubeflow.write(chain(steps) | {"max_time": 3})
    kubeflow.render()
    assert kubeflow.emulate("one").returncode == 1
    log = kubeflow.log("one")
    assert (log["status"], log["message"]) == ("FAIL", "the run took longer than its max_time of 3 s")
    assert list(log["steps"]) == ["one"]


@pytest.mark.parametrize("variable", ["MAGNUS_PRM_token", "MAGNUS_VAR_token", "TOKEN"])
def test_no_secret_is_in_the_file(variable: str, kubeflow: Kubeflow, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the environment holds is read where steps run."""
    kubeflow.write(chain({"one": shell("true"), "each": each(chain({"one": shell("true")}))}))
    monkeypatch.setenv(variable, "canary-5b1e")
    assert "canary-5b1e" not in kubeflow.render()


def test_a_secret_that_would_be_in_the_file_is_refused(
    kubeflow: Kubeflow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variables of pods stand in it."""
    kubeflow.write(chain({"one": shell("true")}), environment={"TOKEN": "${token}"})
    monkeypatch.setenv("MAGNUS_VAR_token", "canary-5b1e")
    kubeflow.render(expect=2)
    assert not (kubeflow.project.folder / FILE).exists()


def test_each_block_of_the_package_does_what_it_shows(stores: Stores, project: Project) -> None:
    """With the bucket that it names."""
    bucket = stores.bucket()
    variables = project.environment(**stores.environment)
    blocks = read_blocks(Path(__file__).parents[1] / "packages" / "magnus-executor-kubeflow" / "README.md")
    for block in blocks:
        if isinstance(block, File):
            project.write(block.name, block.text.replace("my-bucket", bucket))
        else:
            type_in(block, project.folder, variables)
    assert any(isinstance(block, Commands) and block.needs_account for block in blocks)
