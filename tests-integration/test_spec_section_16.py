"""Each defect that section 16 of the specification names, and the sharpest of those seen in earlier tools, is not here.

The docstring of a test says what holds; it fails on a version with the defect.
"""

# ruff: noqa: FBT001 - pytest passes what is parametrised by name

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from harness import Project, chain, python, shell, steps_of, wait_for

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("quick_project")

PLUGIN = '''
"""A third party's adapters, as an installed package would offer them."""
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from magnus.domain.capabilities import ExecutorCapabilities, Placement, Reach, ServiceCapabilities
from magnus.plugins import AdapterSpec, hookimpl
from magnus.ports.executor import CommonOptions, InteractiveExecutor
from magnus.ports.experiment_tracker import ExperimentTracker


@dataclass(frozen=True)
class Options(CommonOptions):
    k1: Any = "v1"
    k2: Any = None
    k3: Any = "v3"


class Telling(InteractiveExecutor):
    """Writes down the options of every job, and runs it here."""
    Options = Options

    @classmethod
    def capabilities(cls, options):
        return ExecutorCapabilities(Placement.SAME_PROCESS)

    def trigger_job(self, job, run_here):
        told = {name: getattr(job.options, name) for name in ("k1", "k2", "k3")}
        Path(f"{job.step_name}.options.json").write_text(json.dumps(told))
        return run_here(job)


class InMemoryTracker(ExperimentTracker):
    """Reaches this process only."""

    @classmethod
    def capabilities(cls, options):
        return ServiceCapabilities(reach=Reach.PROCESS, concurrent_writers=False)

    def log_metrics(self, run_id, tag, step_name, metrics):
        pass

    def log_parameters(self, run_id, tag, parameters):
        pass


@hookimpl
def magnus_executors():
    return [AdapterSpec("telling", "third_party:Telling", port_api=1)]


@hookimpl
def magnus_experiment_trackers():
    return [AdapterSpec("in-memory", "third_party:InMemoryTracker", port_api=1)]
'''


@pytest.fixture
def third_party(project: Project) -> dict[str, str]:
    """Install a third party's adapters beside the project; returns the environment in which they are found."""
    project.write("site/third_party.py", PLUGIN)
    project.write(
        "site/third_party-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: third-party\nVersion: 1.0\n"
    )
    project.write("site/third_party-1.0.dist-info/entry_points.txt", "[magnus]\nthird-party = third_party\n")
    return {"PYTHONPATH": project.on_path("site")}


def pipeline(project: Project, steps: Mapping[str, Mapping[str, Any]]) -> None:
    """Write a `pipeline.yaml` that runs *steps* one after another."""
    project.write("pipeline.yaml", {"dag": chain(steps)})


def statuses(log: Mapping[str, Any]) -> dict[str, str]:
    """Return how every step ended."""
    return {name: step["status"] for name, step in steps_of(log).items()}


def stored(project: Project, run_id: str) -> set[str]:
    """Return the names of the files that a run has in the catalog, logs of steps aside."""
    top = project.folder / ".catalog" / run_id
    names = {path.relative_to(top).as_posix() for path in top.rglob("*") if path.is_file()}
    return {name for name in names if not name.startswith("_logs/")}


class TestCatalog:
    """Files between the steps and the catalog."""

    def test_every_pattern_of_a_list_is_recorded(self, project: Project) -> None:
        """Not only the files of the last pattern are known to the step, at `put` and at `get`."""
        make = "mkdir -p data/sub && echo 1 >data/a.txt && echo 2 >data/b.csv && echo 3 >data/sub/c.bin"
        patterns = ["*.txt", "*.csv", "sub/*.bin"]
        pipeline(
            project,
            {
                "make": shell(make, catalog={"put": patterns}),
                "use": shell("cat data/a.txt data/b.csv data/sub/c.bin", catalog={"get": patterns}),
            },
        )
        steps = steps_of(project.execute())
        names = ["a.txt", "b.csv", "sub/c.bin"]
        for step, stage in (("make", "put"), ("use", "get")):
            entries = [entry for entry in steps[step]["data_catalog"] if entry["stage"] == stage]
            assert sorted(entry["name"] for entry in entries) == names
            assert all(len(entry["data_hash"]) == 64 and entry["size"] == 2 for entry in entries)

    def test_a_failed_step_puts_nothing(self, project: Project) -> None:
        """What a failed attempt had written is not in the catalog, and not said to be."""
        command = "mkdir -p data && echo half >data/out.txt && exit 1"
        pipeline(project, {"make": shell(command, catalog={"put": ["out.txt"]})})
        log = project.execute("--run-id", "one", expect=1)
        assert [entry for entry in steps_of(log)["make"]["data_catalog"] if entry["stage"] == "put"] == []
        assert stored(project, "one") == set()

    @pytest.mark.parametrize("key", ["get", "put"])
    def test_a_failing_get_or_put_goes_to_on_failure(self, project: Project, key: str) -> None:
        """It is a failure of the step like any other, recorded with its reason; the run goes on and is closed."""
        pipeline(
            project,
            {
                "first": shell("true", catalog={key: ["nothing-here.csv"]}, on_failure="repair"),
                "second": shell("echo second >>$HERE/ran"),
                "repair": shell("echo repair >>$HERE/ran"),
            },
        )
        log = project.execute()
        assert log["status"] == "SUCCESS"
        assert statuses(log) == {"first": "FAIL", "repair": "SUCCESS", "done": "SUCCESS"}
        attempt = steps_of(log)["first"]["attempts"][0]
        assert "nothing-here.csv" in attempt["message"]
        assert project.lines("ran") == ["repair"]

    def test_a_failing_get_without_on_failure_closes_the_run(self, project: Project) -> None:
        """The run is not left at PROCESSING."""
        pipeline(
            project,
            {"first": shell("echo ran >>$HERE/ran", catalog={"get": ["nothing-here.csv"]})},
        )
        log = project.execute(expect=1)
        assert log["status"] == "FAIL"
        assert statuses(log) == {"first": "FAIL", "failed": "SUCCESS"}
        assert project.lines("ran") == []

    def test_folders_and_relative_names_survive_a_rerun(self, project: Project) -> None:
        """A re-run finds files in folders under their own names, without running what made them."""
        pipeline(
            project,
            {
                "make": shell(
                    "mkdir -p data/x/y; echo 1 >data/x/y/z; echo make >>$HERE/ran",
                    catalog={"put": ["x"]},
                ),
                "use": shell("cat data/x/y/z && test -e fixed", catalog={"get": ["x/**"]}),
            },
        )
        project.execute("--run-id", "one", expect=1)
        project.write("fixed", "")
        (project.folder / "data" / "x" / "y" / "z").unlink()
        project.execute("--run-id", "two", "--use-cached", "one")
        assert project.lines("ran") == ["make"]
        assert stored(project, "two") == {"x/y/z"}


class TestRerun:
    """`--use-cached`."""

    def composite(self, project: Project) -> None:
        """Write a pipeline of two composites, in each of which a branch fails until the file `fixed` is there."""

        def branch(name: str, last: str) -> dict[str, Any]:
            return chain(
                {
                    "one": shell(f"echo {name}.one >>$HERE/ran"),
                    "two": shell(f"echo {name}.two >>$HERE/ran; {last}"),
                }
            )

        branches = {"a": branch("a", "true"), "b": branch("b", "test -e fixed"), "c": branch("c", "true")}
        mapped = {
            "type": "map",
            "iterate_on": "items",
            "iterate_as": "item",
            "branch": chain(
                {
                    "one": shell(
                        'echo "map $MAGNUS_PRM_item" >>$HERE/ran; test $MAGNUS_PRM_item != 2 || test -e fixed'
                    )
                }
            ),
        }
        project.write("parameters.yaml", {"items": [1, 2, 3]})
        pipeline(
            project,
            {
                "first": shell("echo first >>$HERE/ran"),
                "split": {"type": "parallel", "branches": branches, "on_failure": "each"},
                "each": mapped,
                "last": shell("echo last >>$HERE/ran"),
            },
        )

    @pytest.mark.parametrize("is_parallel", [False, True], ids=["sequential", "parallel"])
    def test_one_failed_branch_makes_no_sibling_run_again(self, project: Project, is_parallel: bool) -> None:
        """Of both composites only what had not succeeded runs, and what comes after it."""
        self.composite(project)
        project.configure(enable_parallel=is_parallel)
        project.execute("-p", "parameters.yaml", "-c", "config.yaml", "--run-id", "one", expect=1)
        every = {"first", "a.one", "a.two", "b.one", "b.two", "c.one", "c.two", "map 1", "map 2", "map 3"}
        assert sorted(project.lines("ran")) == sorted(every)

        (project.folder / "ran").unlink()
        project.write("fixed", "")
        log = project.execute("-c", "config.yaml", "--run-id", "two", "--use-cached", "one")
        # A step of `split` ran again, so all that comes after `split` does.
        assert sorted(project.lines("ran")) == ["b.two", "last", "map 1", "map 2", "map 3"]
        steps = steps_of(log)
        skipped = {"first", "split.a.one", "split.a.two", "split.b.one", "split.c.one", "split.c.two"}
        for name in skipped:
            assert steps[name]["mock"], name
            assert "one" in steps[name]["message"], name
        assert not steps["split.b.two"]["mock"]

    def test_of_a_map_only_the_failed_item_runs_again(self, project: Project) -> None:
        """A re-run is decided for each item; nothing before the map runs."""
        command = 'echo "$MAGNUS_PRM_item" >>$HERE/ran; test $MAGNUS_PRM_item != 2 || test -e fixed'
        each = {
            "type": "map",
            "iterate_on": "items",
            "iterate_as": "item",
            "branch": chain({"one": shell(command)}),
        }
        pipeline(
            project,
            {
                "first": shell("echo first >>$HERE/ran"),
                "each": each,
                "last": shell("echo last >>$HERE/ran"),
            },
        )
        project.write("parameters.yaml", {"items": [1, 2, 3]})
        project.execute("-p", "parameters.yaml", "--run-id", "one", expect=1)
        project.write("fixed", "")
        (project.folder / "ran").unlink()
        project.execute("--run-id", "two", "--use-cached", "one")
        assert project.lines("ran") == ["2", "last"]

    def test_a_mended_longer_pipeline_continues(self, project: Project) -> None:
        """A step that the old run does not know simply runs; what was done is skipped."""
        pipeline(project, {"first": shell("echo first >>$HERE/ran"), "second": shell("exit 1")})
        project.execute("--run-id", "one", expect=1)
        pipeline(
            project,
            {
                "first": shell("echo first >>$HERE/ran"),
                "second": shell("echo second >>$HERE/ran"),
                "third": shell("echo third >>$HERE/ran"),
            },
        )
        done = project.magnus("execute", "--run-id", "two", "--use-cached", "one")
        assert done.returncode == 0, done.stderr
        assert project.lines("ran") == ["first", "second", "third"]
        assert "second" in done.stderr, "the warning names what differs"
        assert project.magnus("execute", "--use-cached", "one", "--strict").returncode == 2

    def test_what_the_user_passes_wins_over_the_old_run(self, project: Project) -> None:
        """A wrong parameter is corrected by re-running with another one; the others are those of the old run."""
        pipeline(project, {"first": shell('test "$MAGNUS_PRM_wrong" = right -a "$MAGNUS_PRM_kept" = old')})
        project.write("parameters.yaml", {"wrong": "wrong", "kept": "old"})
        project.execute("-p", "parameters.yaml", "--run-id", "one", expect=1)
        log = project.execute("--run-id", "two", "--use-cached", "one", MAGNUS_PRM_wrong="right")
        assert log["parameters"] == {"wrong": "right", "kept": "old"}

    def test_what_a_skipped_step_had_set_does_not_win_over_the_user(self, project: Project) -> None:
        """Parameters that were outputs of the old run can be corrected too; outputs nobody corrects are there."""
        project.write("steps.py", "def make():\n    return {'rate': 0, 'other': 5}\n")
        pipeline(
            project,
            {
                "make": python("steps.make"),
                "use": shell("test $MAGNUS_PRM_rate = 1 -a $MAGNUS_PRM_other = 5"),
            },
        )
        project.execute("--run-id", "one", expect=1)
        log = project.execute("--run-id", "two", "--use-cached", "one", MAGNUS_PRM_rate="1")
        assert steps_of(log)["make"]["mock"]
        assert log["parameters"] == {"rate": 1, "other": 5}

    def test_an_unknown_run_is_refused_and_nothing_recorded(self, project: Project) -> None:
        """Exit code 2 with the id in the message; no run log comes into being."""
        pipeline(project, {"first": shell("true")})
        done = project.magnus("execute", "--run-id", "two", "--use-cached", "never-was")
        assert done.returncode == 2
        assert "never-was" in done.stderr
        assert project.magnus("runs", "show", "two").returncode == 2


class TestExecutorLayer:
    """What an executor is told, and what is checked before it begins."""

    def test_the_experiment_tracker_is_among_the_checks(
        self, project: Project, third_party: dict[str, str]
    ) -> None:
        """A tracker that the processes of the steps cannot reach is refused before anything exists."""
        pipeline(project, {"first": shell("echo ran >>$HERE/ran")})
        config = {
            "executor": {"type": "demo-renderer"},
            "experiment_tracker": {"type": "in-memory"},
        }
        project.write("config.yaml", config)
        before = sorted(project.folder.iterdir())
        done = project.magnus("execute", "-c", "config.yaml", **third_party)
        assert done.returncode == 2, done.stderr
        assert "experiment_tracker" in done.stderr
        assert "in-memory" in done.stderr
        assert [path for path in sorted(project.folder.iterdir()) if path not in before] == []
        config["executor"] = {"type": "local"}
        project.write("config.yaml", config)
        assert project.magnus("execute", "-c", "config.yaml", **third_party).returncode == 0

    @pytest.mark.parametrize(
        ("node", "expected"),
        [
            (
                {"k1": "value_specific_to_node", "k2": None},
                {"k1": "value_specific_to_node", "k2": "v2", "k3": "v3"},
            ),
            ({"k1": 0}, {"k1": 0, "k2": None, "k3": "v3"}),
            ({"k1": False}, {"k1": False, "k2": None, "k3": "v3"}),
            ({"k1": ""}, {"k1": "", "k2": None, "k3": "v3"}),
            ({"k3": 0, "k1": ""}, {"k1": "", "k2": None, "k3": 0}),
        ],
    )
    @pytest.mark.parametrize("is_keyed", [True, False], ids=["keyed", "flat"])
    def test_0_false_and_empty_text_are_values(
        self,
        project: Project,
        third_party: dict[str, str],
        node: dict[str, Any],
        expected: dict[str, Any],
        is_keyed: bool,
    ) -> None:
        """A node's configuration wins with any value but null, which stands for the placeholder."""
        config = {"type": "telling", "config": {"k1": "v1", "k3": "v3", "placeholders": {"k2": "v2"}}}
        project.write("config.yaml", {"executor": config})
        pipeline(project, {"first": shell("true", executor_config={"telling": node} if is_keyed else node)})
        done = project.magnus("execute", "-c", "config.yaml", **third_party)
        assert done.returncode == 0, done.stderr
        assert json.loads((project.folder / "first.options.json").read_text(encoding="utf-8")) == expected

    def test_null_without_a_placeholder_is_an_error(
        self, project: Project, third_party: dict[str, str]
    ) -> None:
        """It is refused by name, before anything runs."""
        project.write("config.yaml", {"executor": {"type": "telling"}})
        pipeline(
            project,
            {"first": shell("echo ran >>$HERE/ran", executor_config={"telling": {"k2": None}})},
        )
        done = project.magnus("execute", "-c", "config.yaml", **third_party)
        assert done.returncode == 2
        assert "k2" in done.stderr
        assert project.lines("ran") == []

    def test_a_single_step_is_that_step_of_the_outermost_graph(self, project: Project) -> None:
        """Steps of the same name in branches do not run along, and the others count as done."""
        inner = chain({"train": shell("echo inner >>$HERE/ran")})
        pipeline(
            project,
            {
                "split": {"type": "parallel", "branches": {"one": inner}},
                "train": shell("echo outer >>$HERE/ran"),
                "after": shell("echo after >>$HERE/ran"),
            },
        )
        done = project.magnus("execute_step", "train", "-f", "pipeline.yaml")
        assert done.returncode == 0, done.stderr
        assert project.lines("ran") == ["outer"]


class TestEnvironment:
    """No state travels through the process environment."""

    STEPS = """
        import json, os, sys
        from magnus import set_parameter, track_this

        def note(name):
            found = {key: value for key, value in os.environ.items() if key.startswith("MAGNUS_PRM") or key == "LEAK"}
            seen = {"step": name, "environment": found, "path": sys.path, "folder": os.getcwd()}
            with open(os.environ["HERE"] + "/seen.jsonl", "a") as file:
                file.write(json.dumps(seen) + "\\n")

        def first():
            note("first")
            track_this(accuracy=0.5)
            set_parameter(early=1)
            return {"rate": 2, "CamelCase": 3}

        def disturb():
            os.environ["LEAK"] = "leaked"
            os.environ.pop("KEEP")
            os.environ["CHANGED"] = "changed"
            sys.path.insert(0, "/nowhere")
            os.chdir("elsewhere")
            return {"disturbed": True}

        def last(rate, early, CamelCase, disturbed):
            note("last")
            assert (rate, early, CamelCase, disturbed) == (2, 1, 3, True)
            assert (os.environ["KEEP"], os.environ["CHANGED"]) == ("kept", "before")
    """

    def run(
        self, project: Project, *, is_parallel: bool
    ) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
        """Run the steps above, in a worker process if *is_parallel*; return the log, what the first and last saw."""
        (project.folder / "elsewhere").mkdir()
        project.write("steps.py", self.STEPS)
        steps = {
            "first": python("steps.first"),
            "disturb": python("steps.disturb"),
            "last": python("steps.last", catalog={"put": []}),
            "shell": shell("test $MAGNUS_PRM_rate = 2 && pwd"),
        }
        if is_parallel:
            project.write(
                "pipeline.yaml",
                {"dag": chain({"split": {"type": "parallel", "branches": {"one": chain(steps)}}})},
            )
        else:
            pipeline(project, steps)
        project.configure(enable_parallel=is_parallel)
        log = project.execute("-c", "config.yaml", KEEP="kept", CHANGED="before", MAGNUS_PRM_given="1")
        first, last = (json.loads(line) for line in project.lines("seen.jsonl"))
        return log, first, last

    @pytest.mark.parametrize("is_parallel", [False, True], ids=["here", "in a worker"])
    def test_nothing_reaches_the_next_step(self, project: Project, is_parallel: bool) -> None:
        """Its parameters, metrics, variables, `sys.path` and working directory are not in the process of the next."""
        _, first, last = self.run(project, is_parallel=is_parallel)
        assert last["environment"] == first["environment"] == {}  # nor those that the run was started with
        assert last["path"] == first["path"]
        assert last["folder"] == first["folder"]
        assert (last["folder"] == str(project.folder)) is not is_parallel  # a branch has a folder of its own

    def test_names_keep_their_case(self, project: Project) -> None:
        """A returned `CamelCase` is the parameter `CamelCase`."""
        log, _, _ = self.run(project, is_parallel=False)
        assert log["parameters"] == {"given": 1, "early": 1, "rate": 2, "CamelCase": 3, "disturbed": True}
        assert steps_of(log)["first"]["user_defined_metrics"] == {"accuracy": 0.5}

    def test_two_runs_in_one_process_find_the_same(self, project: Project) -> None:
        """The first run takes nothing away from the user's environment and leaves nothing in it."""
        project.write("steps.py", "def use(given):\n    return {'doubled': given * 2}\n")
        pipeline(project, {"use": python("steps.use"), "shell": shell("test $MAGNUS_PRM_doubled = 4")})
        project.write(
            "twice.py",
            """
            import os
            from magnus.cli.app import main

            before = dict(os.environ)
            for run_id in ("one", "two"):
                assert main(["execute", "--run-id", run_id]) == 0, run_id
                assert dict(os.environ) == before, run_id
            """,
        )
        done = subprocess.run(
            [sys.executable, "twice.py"],
            cwd=project.folder,
            env=project.environment(MAGNUS_PRM_given="2"),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert project.run_log("two")["parameters"] == {"given": 2, "doubled": 4}

    def test_a_parameter_of_any_size_reaches_a_shell_step(self, project: Project) -> None:
        """300 KB do not end in "Argument list too long", in the step that reads it or in one that does not."""
        project.write("steps.py", "def make():\n    return {'large': 'x' * 300_000, 'small': 1}\n")
        pipeline(project, {"make": python("steps.make"), "other": shell("test $MAGNUS_PRM_small = 1")})
        log = project.execute()
        assert len(log["parameters"]["large"]) == 300_000

    @pytest.mark.parametrize(
        ("text", "value"),
        [("007", "007"), ("plain text", "plain text"), ("1e3", 1000.0), ('"7"', "7"), ("[1]", [1]), ("", "")],
    )
    def test_a_parameter_from_the_environment_is_json_or_text(
        self, project: Project, text: str, value: Any
    ) -> None:
        """What is no JSON is text as it stands, and nothing is reported as wrong."""
        pipeline(project, {"first": shell("true")})
        done = project.magnus("execute", "--json", MAGNUS_PRM_given=text)
        assert json.loads(done.stdout)["parameters"] == {"given": value}
        assert "error" not in done.stderr.lower()


class TestAttempts:
    """Retries and how tasks end."""

    FLAKY = """
        from pathlib import Path
        from magnus import set_parameter, track_this

        def flaky(rate):
            path = Path("attempts")
            count = int(path.read_text()) + 1 if path.exists() else 1
            path.write_text(str(count))
            track_this(**{f"metric_{count}": count})
            set_parameter(**{f"parameter_{count}": count})
            set_parameter(rate=100)
            if count < 3:
                raise ValueError(f"attempt {count} found rate {rate}")
            return {"final": rate}
    """

    @pytest.mark.parametrize("is_parallel", [False, True], ids=["here", "in a worker"])
    def test_every_attempt_is_in_the_log_and_starts_from_the_same_parameters(
        self,
        project: Project,
        is_parallel: bool,
    ) -> None:
        """Numbered from 1, those that raised with their reason; what they set and tracked is dropped."""
        project.write("steps.py", self.FLAKY)
        inner = chain({"flaky": python("steps.flaky", retry=5)})
        project.write(
            "pipeline.yaml", {"dag": chain({"split": {"type": "parallel", "branches": {"one": inner}}})}
        )
        project.configure(enable_parallel=is_parallel)
        log = project.execute("-c", "config.yaml", MAGNUS_PRM_rate="7")
        step = steps_of(log)["split.one.flaky"]
        assert [(item["attempt_number"], item["status"]) for item in step["attempts"]] == [
            (1, "FAIL"),
            (2, "FAIL"),
            (3, "SUCCESS"),
        ]
        assert [item["parameters"] for item in step["attempts"]] == [{"rate": 7}] * 3
        for number in (1, 2):
            assert f"ValueError: attempt {number} found rate 7" in step["attempts"][number - 1]["message"]
        assert all(item["start_time"] and item["end_time"] for item in step["attempts"])
        assert step["user_defined_metrics"] == {"metric_3": 3}
        assert step["output_parameters"] == {"parameter_3": 3, "rate": 100, "final": 7}

    def test_the_parameters_of_a_failed_step_are_dropped(self, project: Project) -> None:
        """What follows a failure on `on_failure` sees the parameters as they were."""
        project.write("steps.py", self.FLAKY)
        pipeline(
            project,
            {
                "flaky": python("steps.flaky", on_failure="after"),
                "between": shell("true"),
                "after": shell('test $MAGNUS_PRM_rate = 7 -a -z "$MAGNUS_PRM_parameter_1"'),
            },
        )
        log = project.execute(MAGNUS_PRM_rate="7")
        assert log["parameters"] == {"rate": 7}
        assert steps_of(log)["flaky"]["user_defined_metrics"] == {}

    @pytest.mark.parametrize(
        ("code", "status", "exit_code"),
        [
            ("sys.exit(0)", "SUCCESS", 0),
            ("sys.exit()", "SUCCESS", 0),
            ("sys.exit(3)", "FAIL", 3),
            ("sys.exit('enough')", "FAIL", 1),
        ],
    )
    @pytest.mark.parametrize("is_parallel", [False, True], ids=["here", "in a worker"])
    def test_sys_exit_ends_the_task_and_not_the_run(
        self,
        project: Project,
        code: str,
        status: str,
        exit_code: int,
        is_parallel: bool,
    ) -> None:
        """With 0 the task succeeded, with anything else it failed; the run goes on to its end either way."""
        project.write("steps.py", f"import sys\n\ndef leave():\n    {code}\n")
        inner = chain({"leave": python("steps.leave")})
        project.write(
            "pipeline.yaml",
            {
                "dag": chain(
                    {
                        "split": {
                            "type": "parallel",
                            "branches": {
                                "one": inner,
                                "two": chain({"two": shell("echo two >>$HERE/ran")}),
                            },
                        },
                        "after": shell("echo after >>$HERE/ran"),
                    }
                )
            },
        )
        project.configure(enable_parallel=is_parallel)
        log = project.execute("-c", "config.yaml", expect=int(status == "FAIL"))
        assert log["status"] == status
        step = steps_of(log)["split.one.leave"]
        assert step["status"] == status
        assert len(step["attempts"]) == 1
        assert (step["attempts"][0]["exit_code"] or 0) == exit_code
        assert project.lines("ran") == (["two", "after"] if status == "SUCCESS" else ["two"])

    def test_a_keyboard_interrupt_of_the_task_itself_fails_the_task(self, project: Project) -> None:
        """An attempt that ends with a BaseException is recorded, and the run is closed."""
        project.write("steps.py", "def leave():\n    raise KeyboardInterrupt\n")
        pipeline(
            project,
            {"leave": python("steps.leave", on_failure="after"), "x": shell("true"), "after": shell("true")},
        )
        log = project.execute()
        assert steps_of(log)["leave"]["attempts"][0]["status"] == "FAIL"
        assert log["status"] == "SUCCESS"


class TestOutput:
    """What is printed where."""

    def test_stdout_holds_what_tasks_print_and_nothing_else(self, project: Project) -> None:
        """No run log and no log lines; people are spoken to on stderr."""
        pipeline(project, {"first": shell("echo to stdout; echo to stderr >&2")})
        done = project.magnus("execute", "--log-level", "DEBUG")
        assert done.stdout == "first | to stdout\n"
        assert "to stderr" in done.stderr

    def test_with_json_stdout_holds_the_run_log_alone(self, project: Project) -> None:
        """It parses as one document, whatever the tasks print."""
        pipeline(project, {"first": shell("echo to stdout; echo '{}'")})
        done = project.magnus("execute", "--json", "--log-level", "DEBUG")
        assert json.loads(done.stdout)["steps"]["first"]["status"] == "SUCCESS"
        assert "to stdout" in done.stderr

    def test_output_appears_while_the_step_runs(self, project: Project) -> None:
        """A line is passed on before the step that printed it has ended."""
        pipeline(project, {"first": shell("echo early; while [ ! -e go ]; do sleep 0.02; done; echo late")})
        running = project.start("execute")
        assert running.stdout is not None
        begun = time.monotonic()
        assert running.stdout.readline() == b"first | early\n"
        project.write("go", "")
        assert running.stdout.read() == b"first | late\n"
        running.communicate()
        assert running.returncode == 0
        assert time.monotonic() - begun < 30

    def test_outside_git_nothing_complains(self, project: Project) -> None:
        """A project without version control is no error, and is not told of at every step."""
        pipeline(project, {"first": shell("true"), "second": shell("true")})
        done = project.magnus(
            "execute", "--log-level", "DEBUG", GIT_CEILING_DIRECTORIES=str(project.folder.parent)
        )
        assert done.returncode == 0
        assert "fatal" not in done.stderr
        assert "not a git repository" not in done.stderr

    def test_a_failed_step_is_told_without_a_traceback_of_magnus(self, project: Project) -> None:
        """The user's own frames are shown, ours are not; the message of the attempt names file and line."""
        project.write("steps.py", "def fail():\n    raise OSError('disk on fire')\n")
        pipeline(project, {"first": python("steps.fail")})
        done = project.magnus("execute", "--run-id", "one")
        assert done.returncode == 1
        assert "steps.py" in done.stderr
        assert "magnus/engine" not in done.stderr
        message = steps_of(project.run_log("one"))["first"]["attempts"][0]["message"]
        assert message == f"OSError: disk on fire ({project.folder / 'steps.py'}:2)"

    def test_the_message_for_a_missing_secret_says_which(self, project: Project) -> None:
        """It is not empty, and no traceback."""
        project.write(
            "steps.py", "from magnus import get_secret\n\ndef read():\n    get_secret('db_password')\n"
        )
        project.write(".env", "other=1\n")
        project.write("config.yaml", {"secrets": {"type": "dotenv"}})
        pipeline(project, {"first": python("steps.read")})
        log = project.execute("-c", "config.yaml", expect=1)
        assert "db_password" in steps_of(log)["first"]["attempts"][0]["message"]


class TestGraphs:
    """Walking graphs."""

    @pytest.mark.parametrize(
        "edges",
        [{"a": "a"}, {"a": "b", "b": "a"}, {"a": "b", "b": "c", "c": "b"}],
        ids=["itself", "two", "later"],
    )
    @pytest.mark.parametrize("key", ["next", "on_failure"])
    def test_a_cycle_of_any_length_is_refused(
        self, project: Project, edges: dict[str, str], key: str
    ) -> None:
        """Also one that goes through several nodes or through `on_failure`; nothing runs."""
        steps: dict[str, Any] = {
            name: {"type": "task", "next": "done"} | shell("echo ran >>$HERE/ran") | {key: following}
            for name, following in edges.items()
        }
        steps |= {"done": {"type": "success"}, "failed": {"type": "fail"}}
        project.write("pipeline.yaml", {"dag": {"start_at": "a", "steps": steps}})
        done = project.magnus("execute")
        assert done.returncode == 2
        assert "cycle" in done.stderr
        assert project.lines("ran") == []

    def test_a_run_id_that_exists_is_refused(self, project: Project) -> None:
        """With a message that names it and exit code 2; the log of the first run stays as it is."""
        pipeline(project, {"first": shell("echo ran >>$HERE/ran")})
        first = project.execute("--run-id", "one")
        done = project.magnus("execute", "--run-id", "one")
        assert done.returncode == 2
        assert "one" in done.stderr
        assert "Traceback" not in done.stderr
        assert project.lines("ran") == ["ran"]
        assert project.run_log("one") == first | {"lost": False}

    @pytest.mark.parametrize("is_parallel", [False, True], ids=["sequential", "parallel"])
    def test_steps_of_one_name_in_several_branches_have_logs_of_their_own(
        self,
        project: Project,
        is_parallel: bool,
    ) -> None:
        """Neither their records nor what they print are mixed up."""
        branches = {
            name: chain({"train": shell(f"for i in 1 2 3 4 5; do echo {name}; done")})
            for name in ("one", "two", "six")
        }
        pipeline(project, {"split": {"type": "parallel", "branches": branches}})
        project.configure(enable_parallel=is_parallel)
        log = project.execute("-c", "config.yaml", "--run-id", "one")
        for name in branches:
            assert steps_of(log)[f"split.{name}.train"]["status"] == "SUCCESS"
            path = project.folder / ".catalog" / "one" / "_logs" / f"split.{name}.train.1.log"
            assert path.read_text(encoding="utf-8") == f"{name}\n" * 5

    @pytest.mark.parametrize("is_parallel", [False, True], ids=["sequential", "parallel"])
    def test_a_map_takes_values_of_any_kind(self, project: Project, is_parallel: bool) -> None:
        """Numbers, dots, slashes, percent signs, unicode, mappings; each reaches its branch as it was."""
        items = [
            1,
            1.5,
            "1",
            "a.b",
            "a/b",
            "100%",
            "ü x",
            {"k": [1]},
            None,
            True,
            [1, 2],
            "",
            "..",
            "x" * 300,
        ]
        project.write("parameters.yaml", {"items": items})
        project.write("steps.py", "def take(item):\n    return {'taken': {'value': item}}\n")
        branch = chain({"take": python("steps.take")})
        pipeline(
            project, {"each": {"type": "map", "iterate_on": "items", "iterate_as": "item", "branch": branch}}
        )
        project.configure(enable_parallel=is_parallel)
        log = project.execute("-c", "config.yaml", "-p", "parameters.yaml")
        assert [taken["value"] for taken in log["parameters"]["taken"]] == items
        assert len(log["steps"]["each"]["branches"]) == len(items)

    def test_equal_items_of_a_map_are_refused(self, project: Project) -> None:
        """Two branches of one name would overwrite each other; the step fails with a message that names the item."""
        project.write("parameters.yaml", {"items": ["a", "b", "a"]})
        branch = chain({"take": shell("echo ran >>$HERE/ran")})
        pipeline(
            project, {"each": {"type": "map", "iterate_on": "items", "iterate_as": "item", "branch": branch}}
        )
        done = project.magnus("execute", "-p", "parameters.yaml", "--run-id", "one")
        assert done.returncode in (1, 2)
        assert "'a'" in done.stderr or '"a"' in done.stderr
        assert project.lines("ran") == []

    def test_the_item_of_a_map_is_unknown_after_it(self, project: Project) -> None:
        """Neither the outer nor the inner item leaks into the steps that follow, or into the parameters of the run."""
        note = (
            'echo "$0 ${MAGNUS_PRM_x-none} ${MAGNUS_PRM_y-none} ${MAGNUS_PRM_MAP_VARIABLE-none}" >>$HERE/ran'
        )
        inner = {
            "type": "map",
            "iterate_on": "ys",
            "iterate_as": "y",
            "branch": chain({"deep": shell(note)}),
        }
        outer = {
            "type": "map",
            "iterate_on": "xs",
            "iterate_as": "x",
            "branch": chain({"inner": inner, "between": shell(note)}),
        }
        pipeline(project, {"outer": outer, "after": shell(note)})
        project.write("parameters.yaml", {"xs": [1], "ys": [2]})
        log = project.execute("-p", "parameters.yaml")
        seen = [line.split(" ", 1)[1] for line in project.lines("ran")]
        assert [json.loads(line.split(" ", 2)[2]) for line in seen[:2]] == [{"x": 1, "y": 2}, {"x": 1}]
        assert [line.split(" ", 2)[:2] for line in seen] == [["1", "2"], ["1", "none"], ["none", "none"]]
        assert seen[2].endswith("none")
        assert log["parameters"] == {"xs": [1], "ys": [2]}

    def test_a_dag_file_is_found_beside_the_file_that_names_it_and_counts_in_the_hash(
        self, project: Project
    ) -> None:
        """Its variables are replaced too, wherever the command was typed; a change of it changes the hash."""
        project.write("flows/inner/sub.yaml", {"dag": chain({"child": shell("echo ${WORD} >>$HERE/ran")})})
        steps = {"sub": {"type": "dag", "dag_definition": "inner/sub.yaml"}}
        project.write("flows/pipeline.yaml", {"dag": chain(steps)})
        first = project.execute("-f", "flows/pipeline.yaml", MAGNUS_VAR_WORD="hello")
        assert project.lines("ran") == ["hello"]
        assert "sub.dag.child" in steps_of(first)
        project.write(
            "flows/inner/sub.yaml",
            {"dag": chain({"child": shell("echo other ${WORD} >>$HERE/ran")})},
        )
        second = project.execute("-f", "flows/pipeline.yaml", MAGNUS_VAR_WORD="hello")
        assert first["dag_hash"] != second["dag_hash"]

    def test_max_time_ends_the_run(self, project: Project) -> None:
        """A graph's `max_time` is enforced: the step is stopped and the log closed with the reason."""
        project.write(
            "pipeline.yaml",
            {"dag": {"max_time": 1} | chain({"slow": shell("sleep 60; echo slept >>$HERE/ran")})},
        )
        project.quick = None  # of which no process may be left
        begun = time.monotonic()
        log = project.execute(expect=1)
        assert time.monotonic() - begun < 20
        assert log["status"] == "FAIL"
        assert "max_time" in log["message"]
        assert steps_of(log)["slow"]["status"] == "FAIL"
        project.wait_until_nothing_runs()


def test_a_step_is_on_disk_before_the_next_one_begins(project: Project) -> None:
    """While the second step runs, the run log holds the first as SUCCESS and the second as PROCESSING."""
    pipeline(
        project,
        {"first": shell("true"), "second": shell("touch here; while [ ! -e go ]; do sleep 0.02; done")},
    )
    running = project.start("execute", "--run-id", "one")
    try:
        wait_for((project.folder / "here").exists, 20, "the second step")
        seen = statuses(project.run_log("one"))
    finally:
        project.write("go", "")
        running.communicate()
    assert seen == {"first": "SUCCESS", "second": "PROCESSING"}


def test_one_log_line_a_step_not_one_log_a_step(tmp_path: Path) -> None:
    """What is written for a step does not grow with the number of steps before it."""
    sizes = {}
    for count in (50, 400):
        one = Project(tmp_path / str(count))
        pipeline(one, {f"step {number:04}": {"type": "as-is"} for number in range(count)})
        one.execute("--run-id", "one")
        sizes[count] = sum(
            path.stat().st_size for path in (one.folder / ".run_log_store").rglob("*") if path.is_file()
        )
    per_step = {count: size / count for count, size in sizes.items()}
    assert per_step[400] < 1.2 * per_step[50]
