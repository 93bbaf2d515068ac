"""Workflows that `argo` has rendered, interpreted on this machine: what they survive, how they end, and what is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from harness import LOSE_MAGNUS, REAL_MAGNUS, Project, chain, shell, steps_of, wait_for
from outside import argo as outside
from readme_blocks import Commands, File, read_blocks, shows
from test_demo_renderer import AWKWARD, ITEMS, parallel

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws.stores import Stores

ROOT = Path(__file__).parents[1]
ON_LOCAL = ("-c", "local.yaml")


class OnArgo:
    """A project whose pipelines are rendered as workflows, and run on this machine with stores in S3."""

    def __init__(self, project: Project, stores: Stores, quick: Path) -> None:
        """Begin with an empty bucket."""
        self.project = project
        self.blocks = stores.blocks()
        self.quick = quick

    def write(self, graph: Mapping[str, Any], **options: Any) -> None:
        """Write the pipeline, and the configurations for Argo and for `local`."""
        self.project.write("pipeline.yaml", {"dag": graph})
        self.configure(**options)

    def configure(self, **options: Any) -> None:
        """Write the configurations."""
        executor = {"type": "argo", "config": {"docker_image": "image:1"} | options}
        self.project.write("config.yaml", {"executor": executor} | self.blocks)
        self.project.write("local.yaml", {"executor": {"type": "local"}} | self.blocks)

    def render(self, graph: Mapping[str, Any], *options: str, expect: int = 0, **executor: Any) -> str:
        """Render *graph*, which Argo's schema takes; return the manifest, or why there is none."""
        self.write(graph, **executor)
        return self.render_files("-c", "config.yaml", *options, expect=expect)

    def render_files(self, *options: str, expect: int = 0) -> str:
        """Render the files that are there."""
        done = self.project.call("magnus", "execute", *options, quick=self.quick)
        assert done.returncode == expect, done.stderr
        file = self.project.folder / "workflow.yaml"
        if expect:
            assert not file.exists()
            return done.stderr
        assert outside.missing() or not outside.problems(file)
        return file.read_text(encoding="utf-8")

    def emulate(self, run_id: str, *, expect: int = 0, **variables: str) -> str:
        """Run the workflow; return what is told on stderr."""
        call = ("magnus", "emulate", "workflow.yaml", "--run-id", run_id)
        done = self.project.call(*call, quick=self.quick, **variables)
        assert done.returncode == expect, done.stdout + done.stderr
        return done.stderr

    def run_log(self, run_id: str) -> dict[str, Any]:
        """Return the log of a run."""
        return self.project.run_log(run_id, *ON_LOCAL)

    def compare(self, one: str, two: str) -> None:
        """Insist on the same canonical log."""
        done = self.project.magnus("runs", "compare", one, two, *ON_LOCAL)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def argo(project: Project, stores: Stores, quick: Path) -> OnArgo:
    """Return a project with an empty bucket."""
    return OnArgo(project, stores, quick)


def each(branch: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Return a map over the parameter `items`."""
    return {"type": "map", "iterate_on": "items", "iterate_as": "item", "branch": branch} | more


def test_steps_branches_and_items_keep_their_names(argo: OnArgo) -> None:
    """Whatever people call things, also what Argo would take for a variable, it comes back in the run log as on `local`."""
    names = (*AWKWARD, "{{x}}", "{{=1}}", "1", "on")
    steps: dict[str, Any] = {name: {"type": "as-is"} for name in names[:11]}
    inner = chain({"one ü": shell('test -n "$MAGNUS_PRM_MAP_VARIABLE"')})
    graph = chain(
        steps
        | {
            "split": parallel(**{name: {name: {"type": "as-is"}} for name in names[11:]}),
            "each 'x'": each(inner, iterate_as="the {{item}}"),
        }
    )
    items = [*ITEMS[2:3], *ITEMS[4:10], "{{workflow.name}}", {"{{": "{{{"}]
    argo.project.write("the 'p'.yaml", {"items": items})
    argo.render(graph, "-p", "the 'p'.yaml", "--tag", "} $(exit 9) 'x'\\")
    argo.emulate("one")
    log = argo.run_log("one")
    assert log["tag"] == "} $(exit 9) 'x'\\"
    assert set(names[:11]) < set(steps_of(log))
    assert len(log["steps"]["each 'x'"]["branches"]) == len(items)
    argo.project.execute(*ON_LOCAL, "-p", "the 'p'.yaml", "--run-id", "two")
    argo.compare("two", "one")


class TestEnds:
    """How a workflow ends, and what the run log says then."""

    def test_a_failed_run_of_local_is_continued_by_a_workflow(self, argo: OnArgo) -> None:
        """What had ended before is not in it; the map is walked for the item that had failed alone."""
        work = chain(
            {
                "work": shell(
                    'cd "$HERE"; echo "$MAGNUS_PRM_item" >>ran; test "$MAGNUS_PRM_item" = a -o -e fixed'
                )
            }
        )
        graph = chain(
            {
                "first": shell("echo first >>$HERE/ran"),
                "each": each(work),
                "last": shell("echo last >>$HERE/ran"),
            }
        )
        argo.write(graph)
        argo.project.write("p.yaml", {"items": ["a", "b"]})
        argo.project.execute(*ON_LOCAL, "-p", "p.yaml", "--run-id", "one", expect=1)
        (argo.project.folder / "fixed").touch()
        text = argo.render(graph, "-p", "p.yaml", "--use-cached", "one")
        assert "# pipeline.yaml:2: the outermost graph; had ended before, and is passed: first\n" in text
        assert "template: first" not in text
        argo.emulate("two")
        assert argo.project.lines("ran") == ["first", "a", "b", "b", "last"]
        log = argo.run_log("two")
        assert (log["status"], log["original_run_id"]) == ("SUCCESS", "one")

    @pytest.mark.parametrize("where", ["outermost", "branch"])
    def test_nothing_follows_a_step_that_could_not_be_run(self, where: str, argo: OnArgo) -> None:
        """Argo sees a failed pod; where a failure leads to, magnus sees that the step has not ended."""
        breaking = chain(
            {"break": shell(LOSE_MAGNUS, on_failure="mend"), "mend": shell('touch "$HERE/mended"')}
        )
        graph = (
            breaking
            if where == "outermost"
            else chain({"split": {"type": "parallel", "branches": {"b": breaking}}})
        )
        argo.quick = REAL_MAGNUS
        argo.render(graph, infrastructure_retries=1)
        told = argo.emulate("one", expect=1)
        assert "retry 1 of" in told
        assert "the walk through run 'one' has not come to" in told
        assert not (argo.project.folder / "mended").exists()
        log = argo.run_log("one")
        assert (log["status"], log["message"]) == ("FAIL", "the workflow of Argo ended as Failed")
        assert not [name for name, step in steps_of(log).items() if step["status"] not in ("SUCCESS", "FAIL")]

    def test_a_pod_that_was_lost_costs_no_attempt(self, argo: OnArgo) -> None:
        """It is made again, as the same attempt."""
        lost = shell(f"test -e $HERE/lost || {{ touch $HERE/lost; {LOSE_MAGNUS}; }}")
        argo.quick = REAL_MAGNUS
        argo.render(chain({"one": lost}))
        argo.emulate("one")
        assert len(argo.run_log("one")["steps"]["one"]["attempts"]) == 1

    def test_the_time_of_the_run_is_kept_by_magnus(self, argo: OnArgo) -> None:
        """What runs then is stopped; nothing after it begins, and the reason is in the log."""
        steps = {"one": shell("sleep 60", on_failure="two"), "two": shell("touch $HERE/two")}
        argo.render(chain(steps) | {"max_time": 3})
        argo.emulate("one", expect=1)
        log = argo.run_log("one")
        assert (log["status"], log["message"]) == ("FAIL", "the run took longer than its max_time of 3 s")
        assert list(log["steps"]) == ["one"]

    def test_too_long_a_list_fails_where_it_is_written(self, argo: OnArgo) -> None:
        """And is told; Argo could not pass it on."""
        argo.project.write("p.yaml", {"items": [f"{number} {'x' * 20_000}" for number in range(15)]})
        argo.render(chain({"each": each(chain({"work": {"type": "as-is"}}))}), "-p", "p.yaml")
        told = argo.emulate("one", expect=1)
        assert "Argo passes on at most 262,144" in " ".join(told.split())
        assert argo.run_log("one")["status"] == "FAIL"

    def test_a_signal_ends_everything_that_runs(self, argo: OnArgo) -> None:
        """In branches that run at the same time; nothing begins after it."""
        waiting = {
            name: {"work": shell(f'touch "$HERE/{name}"; sleep 60'), "after": shell('touch "$HERE/after"')}
            for name in ("left", "right")
        }
        argo.render(chain({"split": parallel(**waiting)}))
        emulating = argo.project.start("emulate", "workflow.yaml", "--run-id", "one")
        wait_for(lambda: all((argo.project.folder / name).exists() for name in waiting), 60, "both branches")
        os.kill(emulating.pid, signal.SIGTERM)
        assert emulating.wait(60) == 130
        emulating.communicate()
        argo.project.wait_until_nothing_runs()
        assert not (argo.project.folder / "after").exists()


def test_no_more_branches_run_at_the_same_time_than_may(argo: OnArgo) -> None:
    """And as many as may: each leaves a file while it runs, and waits until it has seen another."""
    work = shell("""
        cd "$HERE"
        touch "in $MAGNUS_PRM_item"
        for _ in $(seq 100); do n=$(ls in* | wc -l); test $n -gt 1 && break; sleep 0.05; done
        echo $n >>counts; sleep 0.2; rm "in $MAGNUS_PRM_item"
    """)
    argo.project.write("p.yaml", {"items": [1, 2, 3, 4]})
    argo.render(chain({"each": each(chain({"work": work}), max_concurrency=2)}), "-p", "p.yaml")
    argo.emulate("one")
    assert max(map(int, argo.project.lines("counts"))) == 2


@pytest.mark.parametrize("variable", ["MAGNUS_PRM_token", "MAGNUS_VAR_token", "TOKEN"])
def test_no_secret_is_in_the_manifest(variable: str, argo: OnArgo) -> None:
    """What is in the environment, and what the secrets hold, is read where steps run."""
    argo.project.write("secrets.env", "TOKEN=canary-5b1e\n")
    argo.blocks["secrets"] = {"type": "env-secrets-manager"}
    argo.write(chain({"one": shell('test "$MAGNUS_PRM_token$TOKEN" = canary-5b1e')}))
    done = argo.project.magnus("execute", "-c", "config.yaml", **{variable: "canary-5b1e"})
    assert done.returncode == 0, done.stderr
    text = (argo.project.folder / "workflow.yaml").read_text(encoding="utf-8")
    assert "canary" not in text
    if variable != "MAGNUS_VAR_token":
        argo.emulate("one", **{variable: "canary-5b1e"})


OPTIONS: list[dict[str, Any]] = [
    {
        "image_pull_policy": "IfNotPresent",
        "environment": {"A": "b"},
        "secrets": [{"variable": "TOKEN", "name": "tokens", "key": "mine"}],
        "persistent_volumes": {"data": "/data"},
        "node_selector": {"disk": "ssd"},
        "tolerations": [
            {"key": "spot", "operator": "Exists", "effect": "NoExecute", "toleration_seconds": 5}
        ],
        "cpu": 0.1,
        "memory": "1GiB",
        "gpu": 1,
        "shm": 64,
        "namespace": "science",
        "service_account": "runner",
        "image_pull_secret_name": ["one", "two"],
        "labels": {"team": "a"},
        "parallelism": 5,
        "enable_parallel": False,
    },
    {"kind": "WorkflowTemplate", "labels": {"team": "a"}, "name": "mine"},
    {"kind": "CronWorkflow", "schedule": "0 4 * * *", "timezone": "UTC", "labels": {"team": "a"}},
]


@pytest.mark.skipif(bool(outside.missing()), reason=outside.missing())
@pytest.mark.parametrize("options", OPTIONS)
def test_argo_s_own_schema_takes_every_option(options: dict[str, Any], argo: OnArgo) -> None:
    """And the emulator reads it; a misspelt field would be found."""
    graph = chain(
        {
            "one": shell(
                "true",
                retry={"max_attempts": 3, "backoff": {"initial": 1.5}},
                timeout=9,
                resources={"cpu": 2},
            ),
            "split": parallel(left={"a": {"type": "as-is"}}, right={"a": {"type": "as-is"}}),
        }
    )
    text = argo.render(graph, **options)
    argo.emulate("one")
    misspelt = argo.project.write("misspelt.yaml", text.replace("retryPolicy", "retrypolicy"))
    assert any("retrypolicy" in problem for problem in outside.problems(misspelt))


@pytest.fixture
def reader(project: Project, stores: Stores) -> dict[str, str]:
    """Return the environment of a reader of the README, who has an account."""
    bucket = stores.bucket()
    return project.environment(**stores.environment) | {"BUCKET": bucket}


def test_the_readme_shows_what_happens(project: Project, reader: dict[str, str]) -> None:
    """Its files are saved and its commands typed, with a bucket that is there."""
    typed = 0
    for block in read_blocks(ROOT / "packages" / "magnus-executor-argo" / "README.md"):
        if isinstance(block, File):
            project.write(block.name, block.text.replace("my-bucket", reader["BUCKET"]))
            continue
        assert isinstance(block, Commands)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", block.text],
            cwd=project.folder,
            env=reader | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{reader['PATH']}"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            check=False,
        )
        assert done.returncode == block.exit_code, done.stdout
        assert block.shown is None or shows(block.shown, done.stdout), done.stdout
        typed += 1
    assert typed
