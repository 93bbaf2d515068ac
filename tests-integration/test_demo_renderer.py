"""Scripts that `demo-renderer` has rendered: what they survive, how they end, and what is left of them."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from harness import Project, chain, shell, steps_of, wait_for

from magnus.domain.names import branch_name, step_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

AWKWARD = (
    "a b",
    "A-B",
    "a-b",
    "ä ö",
    "日本語",
    "esac",
    "done'",
    '"; exit 9; #',
    "$(exit 9)`x`",
    "-n",
    "~",
    "n" * 200,
)
"""Names of steps and branches."""

ITEMS: list[Any] = [
    "a b",
    "",
    "'\"",
    "$(exit 9)",
    "a\nb",
    "x.y/z",
    "日本",
    1.5,
    None,
    {"k": [1]},
    "-n",
    "n" * 200,
]
"""What maps iterate over."""


def parallel(**branches: Mapping[str, Any]) -> dict[str, Any]:
    """Return a parallel node with a chain of steps in each branch."""
    return {"type": "parallel", "branches": {name: chain(steps) for name, steps in branches.items()}}


def write(project: Project, graph: Mapping[str, Any], **options: Any) -> None:
    """Write a pipeline that is to be rendered."""
    executor = {"type": "demo-renderer", "config": options} if options else {"type": "demo-renderer"}
    project.write("pipeline.yaml", {"dag": graph, "executor": executor})


@pytest.fixture
def started(project: Project) -> Iterator[subprocess.Popen[bytes]]:
    """Run a script that was rendered, with the real magnus."""
    with subprocess.Popen(
        ["bash", "script.sh", "one"],
        cwd=project.folder,
        env=project.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    ) as script:
        yield script


class TestNames:
    """Whatever people call things, it comes back as they call it."""

    @pytest.fixture
    def awkward(self, project: Project, quick: Path) -> Project:
        """Render a pipeline whose names and items are not what a shell expects."""
        steps = {name: shell("true") if name == AWKWARD[0] else {"type": "as-is"} for name in AWKWARD}
        inner = chain({"one ü": shell('test -n "$MAGNUS_PRM_MAP_VARIABLE"')})
        graph = chain(
            steps
            | {
                "split": parallel(**{name: {name: {"type": "as-is"}} for name in AWKWARD[5:9]}),
                "each 'x'": {"type": "map", "iterate_on": "items", "iterate_as": "the item", "branch": inner},
            }
        )
        write(project, graph, enable_parallel=True)
        project.write("the 'p'.yaml", {"items": ITEMS})
        project.render("-f", "pipeline.yaml", "-p", "the 'p'.yaml", "--tag", "$(exit 9) 'x'", quick=quick)
        return project

    def test_steps_branches_and_items_keep_their_names(self, awkward: Project, quick: Path) -> None:
        """In the run log, which is that of the `local` run."""
        done = awkward.run_script("one", quick=quick)
        assert done.returncode == 0, done.stderr
        log = awkward.run_log("one")
        assert log["tag"] == "$(exit 9) 'x'"
        names = steps_of(log)
        assert set(AWKWARD) < {step["name"] for step in names.values()}
        assert {step_name("", name) for name in AWKWARD} < set(names)
        assert [name for name in names if name.startswith("split.")] == [
            step_name(branch_name("split", name), step) for name in AWKWARD[5:9] for step in (name, "done")
        ]
        assert len(log["steps"]["each 'x'"]["branches"]) == len(ITEMS)
        awkward.configure(enable_parallel=False)
        awkward.execute("-c", "config.yaml", "-p", "the 'p'.yaml", "--run-id", "two")
        compared = awkward.magnus("runs", "compare", "two", "one")
        assert compared.returncode == 0, compared.stdout + compared.stderr

    def test_the_script_has_nothing_that_shellcheck_minds(self, awkward: Project) -> None:
        """Nor has bash."""
        for command in (["bash", "-n"], ["shellcheck"]):
            done = subprocess.run(
                [*command, "script.sh"], cwd=awkward.folder, capture_output=True, text=True, check=False
            )
            assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


class TestEnds:
    """How a script ends, and what the run log says then."""

    @pytest.mark.parametrize(("command", "code", "status"), [("true", 0, "SUCCESS"), ("exit 5", 1, "FAIL")])
    def test_the_exit_code_is_that_of_the_run(
        self, command: str, code: int, status: str, project: Project, quick: Path
    ) -> None:
        """And the run is closed."""
        write(project, chain({"one": shell(command)}))
        project.render(quick=quick)
        assert project.run_script("one", quick=quick).returncode == code
        assert project.run_log("one")["status"] == status

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_a_signal_ends_everything_that_runs(
        self, number: signal.Signals, project: Project, request: pytest.FixtureRequest
    ) -> None:
        """In branches that run at the same time; what was open is closed with the reason."""
        waiting = {
            name: {
                "work": shell(f"touch $HERE/{name}; sleep 60", retry=2),
                "after": shell("touch $HERE/after"),
            }
            for name in ("left", "right")
        }
        write(project, chain({"split": parallel(**waiting)}), enable_parallel=True)
        project.render()
        script = request.getfixturevalue("started")
        wait_for(lambda: all((project.folder / name).exists() for name in waiting), 60, "both branches")
        os.kill(script.pid, number)
        assert script.wait(60) == 130
        project.wait_until_nothing_runs()
        log = project.run_log("one")
        assert (log["status"], log["message"]) == ("FAIL", f"interrupted by {number.name}")
        steps = steps_of(log)
        assert {steps[f"split.{name}.work"]["status"] for name in waiting} == {"FAIL"}
        assert (steps["split"]["status"], steps["split"]["message"]) == ("FAIL", log["message"])
        assert not (project.folder / "after").exists()

    def test_a_script_that_is_killed_begins_nothing_more_and_can_go_on(
        self, project: Project, request: pytest.FixtureRequest
    ) -> None:
        """With the same run id; what had ended is not run again."""
        slow = shell("touch slow; while ! test -e go; do sleep 0.1; done")
        write(project, chain({"first": shell("echo x >>first"), "slow": slow, "last": shell("touch last")}))
        project.render()
        script = request.getfixturevalue("started")
        wait_for((project.folder / "slow").exists, 60, "the second step")
        script.kill()
        script.wait()
        (project.folder / "go").touch()
        project.wait_until_nothing_runs(30)
        assert not (project.folder / "last").exists()
        assert project.run_log("one")["status"] == "PROCESSING"
        assert project.run_script("one").returncode == 0
        assert project.lines("first") == ["x"]
        assert project.run_log("one")["status"] == "SUCCESS"

    @pytest.mark.parametrize("options", [{}, {"enable_parallel": True}])
    def test_a_node_that_cannot_be_run_ends_the_run(
        self, options: dict[str, bool], project: Project, quick: Path
    ) -> None:
        """In a branch, too: its siblings finish, nothing comes after it, and the exit code is that of magnus."""
        breaking = shell("echo broken: >config.yaml")
        branches = parallel(bad={"break": breaking, "never": shell("true")})
        project.write(
            "config.yaml",
            {"executor": {"type": "demo-renderer", "config": options}},
        )
        project.write("pipeline.yaml", {"dag": chain({"split": branches, "last": shell("touch last")})})
        project.render("-c", "config.yaml", quick=quick)
        done = project.run_script("one", quick=quick)
        assert done.returncode == 2
        assert "broken" in done.stderr
        assert not (project.folder / "last").exists()

    def test_the_time_of_the_whole_run_is_kept(self, project: Project, quick: Path) -> None:
        """What runs then is stopped; nothing after it begins, not even after a failure."""
        steps = {"one": shell("sleep 60", on_failure="two"), "two": shell("touch two")}
        write(project, chain(steps) | {"max_time": 3})
        project.render(quick=quick)
        assert project.run_script("one", quick=quick).returncode == 1
        log = project.run_log("one")
        assert (log["status"], log["message"]) == ("FAIL", "the run took longer than its max_time of 3 s")
        assert list(log["steps"]) == ["one"]

    def test_a_run_that_has_ended_is_not_run_again(self, project: Project, quick: Path) -> None:
        """Its id is taken, and its log stays as it is."""
        write(project, chain({"one": shell("echo x >>one")}))
        project.render(quick=quick)
        assert project.run_script("one", quick=quick).returncode == 0
        again = project.run_script("one", quick=quick)
        assert project.lines("one") == ["x"]
        assert again.returncode in (0, 2)
        assert project.run_log("one")["status"] == "SUCCESS"

    @pytest.mark.parametrize("arguments", [[], ["one", "two"]])
    def test_it_takes_one_argument(self, arguments: list[str], project: Project, quick: Path) -> None:
        """The run's id."""
        write(project, chain({"one": {"type": "as-is"}}))
        project.render(quick=quick)
        done = subprocess.run(
            ["bash", "script.sh", *arguments], cwd=project.folder, capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (2, "usage: bash script.sh RUN_ID\n")


def test_no_more_branches_run_at_the_same_time_than_may(project: Project, quick: Path) -> None:
    """And as many as may: each leaves a file while it runs, and waits until it has seen another."""
    work = shell("""
        cd $HERE; touch "in $MAGNUS_PRM_x"
        for _ in $(seq 100); do n=$(ls in* | wc -l); test $n -gt 1 && break; sleep 0.05; done
        echo $n >>counts; sleep 0.2; rm "in $MAGNUS_PRM_x"
    """)
    each = {
        "type": "map",
        "iterate_on": "xs",
        "iterate_as": "x",
        "branch": chain({"work": work}),
        "max_concurrency": 2,
    }
    write(project, chain({"each": each}), enable_parallel=True)
    project.render(quick=quick)
    assert project.run_script("one", quick=quick, MAGNUS_PRM_xs="[1, 2, 3, 4]").returncode == 0
    counts = {int(line) for line in project.lines("counts")}
    assert max(counts) == 2


def test_what_the_dag_has_for_a_script_is_run_in_it(project: Project, quick: Path) -> None:
    """Whatever it does, the node succeeds."""
    text = 'echo "$run_id" >said\ncd /\nat=nowhere\nexit 3'
    write(project, chain({"one": {"type": "as-is", "render_string": text}, "two": shell("touch two")}))
    project.render(quick=quick)
    assert project.run_script("the-run", quick=quick).returncode == 0
    assert project.lines("said") == ["the-run"]
    assert (project.folder / "two").exists()


@pytest.mark.parametrize("variable", ["MAGNUS_PRM_token", "TOKEN"])
def test_no_secret_is_in_the_script(variable: str, project: Project, quick: Path) -> None:
    """What is in the environment, and what the secrets hold, is read where steps run."""
    project.write("secrets.env", "TOKEN=canary-5b1e\n")
    project.write(
        "config.yaml",
        {
            "executor": {"type": "demo-renderer"},
            "secrets": {"type": "dotenv", "config": {"location": "secrets.env"}},
        },
    )
    project.write("pipeline.yaml", {"dag": chain({"one": shell("true")})})
    assert "canary-5b1e" not in project.render("-c", "config.yaml", quick=quick, **{variable: "canary-5b1e"})


def test_a_failed_run_of_a_script_is_continued_on_another_executor(project: Project, quick: Path) -> None:
    """What had succeeded is skipped, in branches too; the log is that of a run that went through at once."""
    steps = {
        "good": {"one": shell("echo good >>$HERE/ran")},
        "bad": {"one": shell("echo bad >>$HERE/ran; test -e fixed")},
    }
    write(project, chain({"split": parallel(**steps), "last": shell("echo last >>ran")}))
    project.render(quick=quick)
    assert project.run_script("one", quick=quick).returncode == 1
    (project.folder / "fixed").touch()
    project.configure(enable_parallel=True)
    project.execute("-c", "config.yaml", "--run-id", "two", "--use-cached", "one")
    assert project.lines("ran") == ["good", "bad", "bad", "last"]
    assert project.run_script("three", quick=quick).returncode == 0
    assert project.magnus("runs", "compare", "three", "two").returncode == 0


class TestRerun:
    """A run that failed elsewhere, continued by a script."""

    @pytest.fixture
    def failed(self, project: Project, quick: Path) -> Project:
        """Fail on `local`, mend it, and render a script that continues that."""
        work = "echo {0} >>ran; mkdir -p data; echo {0} >data/{0}.txt; echo {0}=1 >>$MAGNUS_OUTPUT_PARAMETERS"
        put = {"catalog": {"put": ["*.txt"]}}
        each = {
            "type": "map",
            "iterate_on": "xs",
            "iterate_as": "x",
            "max_concurrency": 1,
            "branch": chain(
                {"one": shell('echo "x$MAGNUS_PRM_x" >>$HERE/ran; test "$MAGNUS_PRM_x" != 1 -o -e fixed')}
            ),
        }
        steps = {
            "first": shell(work.format("first"), **put),
            "split": parallel(a={"one": shell(work.format("a"))}, b={"one": shell("true")}),
            "each": each,
            "last": shell("echo last >>ran; cat data/first.txt >>ran", catalog={"get": ["*.txt"]}),
        }
        project.write("pipeline.yaml", {"dag": chain(steps)})
        project.write("p.yaml", {"xs": [1, 2]})
        project.configure(enable_parallel=False)
        project.execute("-c", "config.yaml", "-p", "p.yaml", "--run-id", "one", expect=1)
        assert project.lines("ran") == ["first", "a", "x1", "x2"]
        (project.folder / "fixed").touch()
        project.write("demo.yaml", {"executor": {"type": "demo-renderer"}})
        return project

    def test_it_runs_what_had_not_ended(self, failed: Project, quick: Path) -> None:
        """As a re-run on `local` does: the same log, the same files, and nothing twice."""
        text = failed.render("-c", "demo.yaml", "--use-cached", "one", quick=quick)
        assert "# It continues run one" in text
        (failed.folder / "ran").unlink()
        done = failed.run_script("two", quick=quick)
        assert done.returncode == 0, done.stderr
        assert failed.lines("ran") == ["x1", "last", "first"]
        log = failed.run_log("two")
        assert (log["use_cached"], log["original_run_id"]) == (True, "one")
        assert {
            name: step["mock"] for name, step in steps_of(log).items() if step["step_type"] == "task"
        } == {
            "first": True,
            "split.a.one": True,
            "split.b.one": True,
            "each.%=1.one": False,
            "each.%=2.one": True,
            "last": False,
        }
        failed.execute("-c", "config.yaml", "--run-id", "three", "--use-cached", "one")
        compared = failed.magnus("runs", "compare", "three", "two")
        assert compared.returncode == 0, compared.stdout + compared.stderr

    def test_nothing_is_called_for_what_had_ended(self, failed: Project, quick: Path) -> None:
        """From the beginning on, whole branches too; what comes after a step that runs is called."""
        text = failed.render("-c", "demo.yaml", "--use-cached", "one", quick=quick)
        called = {
            line.split("--step-name ")[1].split()[0]
            for line in text.splitlines()
            if " call magnus" in f" {line}"
        }
        passed = [line.split("'")[1] for line in text.splitlines() if "# it had ended" in line]
        assert passed == ["split", "each"]  # where `first` and `split` lead to
        assert "first" not in called

    def test_a_file_that_passes_over_too_much_is_refused(self, failed: Project, quick: Path) -> None:
        """When the pipeline has changed since it was rendered: nothing runs without its input."""
        failed.render("-c", "demo.yaml", "--use-cached", "one", quick=quick)
        text = (failed.folder / "pipeline.yaml").read_text().replace("echo first >>ran;", "echo other >>ran;")
        (failed.folder / "pipeline.yaml").write_text(text)
        (failed.folder / "ran").unlink()
        done = failed.run_script("two", quick=quick)
        assert done.returncode == 2
        assert "has not come to 'each'" in done.stderr
        assert "render the pipeline again with --use-cached one" in done.stderr
        assert failed.lines("ran") == []
        assert failed.run_log("two")["status"] == "FAIL"

    def test_there_has_to_be_such_a_run(self, failed: Project, quick: Path) -> None:
        """Before anything is written."""
        assert "no run 'none'" in failed.render(
            "-c", "demo.yaml", "--use-cached", "none", quick=quick, expect=2
        )
        assert not (failed.folder / "script.sh").exists()

    def test_it_is_emulated_by_its_own_shell(self, failed: Project, quick: Path) -> None:
        """Which is what `magnus emulate` calls."""
        failed.render("-c", "demo.yaml", "--use-cached", "one", quick=quick)
        done = failed.magnus("emulate", "script.sh", "--run-id", "two")
        assert (done.returncode, failed.run_log("two")["status"]) == (0, "SUCCESS"), done.stderr
        first, *_, last = done.stderr.splitlines()
        assert first == "run two as demo-renderer would run it"
        assert last == "demo-renderer would show run two as a success"
