from __future__ import annotations

import io
import logging
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from magnus import AsIs, Dag, DefinitionError, Fail, Map, Parallel, Pipeline, Stub, Success, Task
from magnus.definition.pipeline import load_pipeline
from magnus.domain.names import node_name_problem
from magnus.errors import ConfigurationError, RunFailedError, RunLogExistsError
from magnus.plugins.discovery import find_plugins
from magnus.plugins.manager import AdapterManager


def hash_of_file(path: Path) -> str:
    """Return the hash of the dag in a pipeline file."""
    return load_pipeline(path, environ={}, adapters=AdapterManager(find_plugins())).graph.hash()


def hash_of_text(folder: Path, text: str) -> str:
    """Return the hash of the dag in the text of a pipeline file."""
    path = folder / "written.yaml"
    path.write_text(text)
    return hash_of_file(path)


def everything(folder: Path) -> Pipeline:
    """Return a pipeline with every kind of node."""
    (folder / "other.yaml").write_text(
        "dag: {start_at: a, steps: {a: {type: as-is, next: s}, s: {type: success}, f: {type: fail}}}"
    )
    cleanup = Task("clean up", "rm -rf x", command_type="shell") >> Fail("failed")
    return Pipeline(
        name="all",
        description="of them",
        max_time=600,
        steps=[
            Task(
                "first",
                node_name_problem,
                on_failure=cleanup.first,
                retry={"max_attempts": 2, "backoff": {"initial": 0.5}},
                timeout=60,
                catalog={
                    "get": ("*.csv",),
                    "optional": ["x #y", "- z"],
                    "compute_data_folder": folder / "data",
                },
                executor_config={"local": {"enable_parallel": False}},
            )
            >> AsIs("as it is", render_string="yes\n#!no: 1e3\n  - tab\t", number=1e300, flag="no")
            >> Stub("short")
            >> Parallel(
                "side by side", branches={"a": Task("t", "m.f"), "ü": [Task("t", "m.f") >> Success("end")]}
            )
            >> Map(
                "each", iterate_on="xs", iterate_as="x", branch=Pipeline(Task("t", "m.f")), max_concurrency=2
            )
            >> Dag("from a file", "other.yaml")
            >> Dag("from python", Pipeline([Task("t", "0o17", command_type="shell")]))
            >> Success("done"),
            cleanup,
        ],
    )


class TestDefinition:
    """What a pipeline in Python means."""

    def test_the_same_dag_has_the_same_hash_in_python_and_in_yaml(self, tmp_path: Path) -> None:
        """Names of the closing nodes included; the pipeline's own name does not count."""
        pipeline = Pipeline(
            [
                Task("a", "m.f", catalog={"put": ["x"]})
                >> Task("b", "ls", command_type="shell")
                >> Success("done"),
                Fail("bad"),
            ]
        )
        written = """
        dag:
          name: something
          start_at: a
          steps:
            bad: {type: fail}
            b: {type: task, command: ls, command_type: shell, next: done}
            a: {type: task, command: m.f, catalog: {put: [x], get: []}, next: b, retry: 1}
            done: {type: success}
        """
        assert pipeline.dag_hash == hash_of_text(tmp_path, written)

    def test_its_yaml_has_the_same_hash(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whatever kinds of nodes and texts are in it."""
        monkeypatch.chdir(tmp_path)
        pipeline = everything(tmp_path)
        assert hash_of_text(tmp_path, pipeline.to_yaml()) == pipeline.dag_hash
        assert "name: all" in pipeline.to_yaml()

    def test_closing_nodes_are_added_where_they_are_left_out(self, tmp_path: Path) -> None:
        """They are called `success` and `fail`."""
        written = """
        dag:
          start_at: a
          steps:
            a: {type: task, command: m.f, next: success}
            success: {type: success}
            fail: {type: fail}
        """
        assert Pipeline([Task("a", "m.f")]).dag_hash == hash_of_text(tmp_path, written)
        assert Pipeline(Task("a", "m.f") >> Success()).dag_hash == hash_of_text(tmp_path, written)

    def test_what_only_a_failure_leads_to_ends_in_failure(self) -> None:
        """A run whose clean-up succeeded has failed all the same."""
        tidy, report = Task("tidy", "m.t"), Task("report", "m.r")
        first = Task("first", "m.f", on_failure=tidy)
        steps = Pipeline([first >> Task("second", "m.s", on_failure="report"), tidy >> report]).build(
            AdapterManager(find_plugins())
        )
        assert steps.nodes["second"].next == "success"
        assert steps.nodes["report"].next == "fail"

    def test_the_first_step_is_the_start_and_the_order_of_the_others_means_nothing(self) -> None:
        """Unless another start is named."""

        def make(order: list[int], start_at: Any = None) -> str:
            nodes = [Task(name, "m.f") for name in "abc"]
            _ = nodes[0] >> nodes[1] >> nodes[2]
            start = nodes[start_at] if isinstance(start_at, int) else start_at
            return Pipeline([nodes[number] for number in order], start_at=start).dag_hash

        assert (
            make([0, 1, 2])
            == make([0, 2, 1])
            == make([0])
            == make([2, 1, 0], start_at=0)
            == make([2, 1, 0], "a")
        )

    def test_the_older_spelling_means_the_same(self) -> None:
        """`next_node`, `Pipeline(start_at=...)` and `construct`."""
        first = Task("a", "m.f", next_node="b", mode_config={"local": {"x": 1}})
        second = Task(name="b", command="m.g", command_type="python", next_node=Success())
        older = Pipeline(start_at=first, name="n").construct([second, first])
        newer = Pipeline(Task("a", "m.f", executor_config={"local": {"x": 1}}) >> Task("b", "m.g"))
        assert older.dag_hash == newer.dag_hash

    def test_a_chain_can_follow_a_chain(self) -> None:
        """However the arrows are grouped."""
        a, b, c, d = (Task(name, "m.f") for name in "abcd")
        grouped = Pipeline((a >> b) >> (c >> d)).dag_hash
        e, f, g, h = (Task(name, "m.f") for name in "abcd")
        assert Pipeline(e >> f >> g >> h).dag_hash == grouped

    def test_a_function_stands_for_its_dotted_name(self) -> None:
        """So the YAML and the Python of one dag are equal."""
        by_name = Task("a", "magnus.domain.names.node_name_problem")
        assert Pipeline(Task("a", node_name_problem)).dag_hash == Pipeline(by_name).dag_hash

    def test_a_chain_of_20000_steps_is_built(self) -> None:
        """Without reaching the recursion limit."""
        chain: Any = Task("0", "m.f")
        for number in range(1, 20_000):
            chain >>= Task(str(number), "m.f")
        assert len(Pipeline(chain).build(AdapterManager(find_plugins())).nodes) == 20_002


def local_function() -> None:
    """Stand at the top level, to be found."""


class TestMistakes:
    """Each names the step, and all are told at once."""

    @pytest.mark.parametrize(
        ("make", "told"),
        [
            (Pipeline, "the pipeline has no steps"),
            (lambda: Pipeline([Task("a", "m.f"), Task("b", "m.f")]), "step 'b' is never reached"),
            (lambda: Pipeline([Task("a", "m.f") >> Task("a", "m.g")]), "two steps are called 'a'"),
            (lambda: Pipeline(Task("a.b", "m.f")), "'a.b' holds '.' or '%'"),
            (lambda: Pipeline(Task("a", "m.f", next_node="nowhere")), "'a': next names 'nowhere'"),
            (lambda: Pipeline(Task("a", lambda: None)), "step 'a': a lambda has no name"),
            (
                lambda: Pipeline(Task("a", local_function, command_type="shell")),
                "step 'a': a function runs as",
            ),
            (lambda: Pipeline(Task("a", "m.f", command_type="pyhton")), "step 'a': no task type 'pyhton'"),
            (
                lambda: Pipeline(Task("a", "m.f", catalog={"gett": []})),
                "step 'a': 'catalog': unknown key 'gett'",
            ),
            (lambda: Pipeline(Task("success", "m.f")), "the name 'success' is taken"),
            (lambda: Pipeline(Task("a", "m.f", on_failure="b")), "step 'a': on_failure names 'b'"),
            (
                lambda: Pipeline(Parallel("p", {"x": Task("a b", "m.f", retry=0)})),
                "step 'p', branch 'x', step 'a b'",
            ),
            (
                lambda: Pipeline(Parallel("p", {"x": Pipeline()})),
                "step 'p', branch 'x': the pipeline has no steps",
            ),
            (lambda: Pipeline(Map("m", "xs", "x", 5)), "step 'm', branch is a whole number (5)"),  # type: ignore[arg-type]
            (lambda: Pipeline(Dag("d", "absent.yaml")), "step 'd': 'dag_definition' names absent.yaml"),
            (lambda: Pipeline([Success("a"), Success("b")]), "'b' is a second node of type 'success'"),
        ],
    )
    def test_a_mistake_names_its_step(self, make: Any, told: str) -> None:
        """There is no file to point into."""
        with pytest.raises(DefinitionError) as caught:
            _ = make().dag_hash
        assert told in str(caught.value)
        assert all(problem.path is None for problem in caught.value.problems)

    def test_all_mistakes_are_told_at_once(self) -> None:
        """Those of the Python and those of the definition."""
        with pytest.raises(DefinitionError) as caught:
            Pipeline(Task("a", lambda: None, retry=0) >> Task("b", "m.f", command_type="x")).to_yaml()
        told = str(caught.value)
        assert "a lambda" in told
        assert "expected a whole number of at least 1" in told
        assert "no task type 'x'" in told

    def test_two_things_cannot_follow_one_step(self) -> None:
        """Nor can anything follow a node that closes the pipeline."""
        a, b, c = (Task(name, "m.f") for name in "abc")
        _ = a >> b
        with pytest.raises(DefinitionError, match="'a' leads to 'b' already, so it cannot lead to 'c' too"):
            _ = a >> c
        with pytest.raises(DefinitionError, match="'done' closes its pipeline"):
            _ = Success("done") >> c
        with pytest.raises(TypeError):
            _ = a >> 3  # type: ignore[operator]
        with pytest.raises(DefinitionError, match="3 is no step"):
            Pipeline([3])  # type: ignore[list-item]

    def test_a_cycle_is_told(self) -> None:
        """By the names of its steps."""
        a, b = Task("a", "m.f"), Task("b", "m.f")
        _ = a >> b >> a
        with pytest.raises(DefinitionError, match="a -> b -> a"):
            _ = Pipeline([a]).dag_hash

    def test_a_pipeline_inside_itself_is_told(self) -> None:
        """Rather than followed without end."""
        inner = Pipeline()
        inner.construct(Dag("d", inner))
        with pytest.raises(DefinitionError, match="holds itself"):
            _ = inner.dag_hash
        deep = Pipeline(Stub("a"))
        for _ in range(500):
            deep = Pipeline(Dag("d", deep))
        with pytest.raises(DefinitionError, match="levels deep"):
            _ = deep.dag_hash

    def test_what_a_file_cannot_say_is_not_written(self) -> None:
        """In a file it would be a variable."""
        with pytest.raises(DefinitionError, match=r"step 'a'.*\$\{HOME\}"):
            Pipeline(Task("a", "echo ${HOME}", command_type="shell")).to_yaml()


def state_of_process() -> dict[str, Any]:
    """Return what a run might leave changed."""
    return {
        "signals": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)],
        "streams": (sys.stdout, sys.stderr),
        "descriptors": [os.fstat(number).st_ino for number in (1, 2)],
        "open files": len(list(Path("/dev/fd").iterdir())),
        "directory": Path.cwd(),
        "environment": dict(os.environ),
        "search path": list(sys.path),
        "threads": threading.active_count(),
    }


class TestExecute:
    """Pipelines run from Python."""

    def test_a_run_that_succeeds_says_so_and_hands_back_its_log(self, project: Path) -> None:
        """Status, parameters and steps."""
        result = Pipeline([Task("make", "steps.make") >> Task("use", "steps.use")]).execute(
            run_id="r", tag="t"
        )
        assert (result.run_id, result.status) == ("r", "SUCCESS")
        assert result.parameters == {"made": 1, "used": 2}
        assert result.run_log is not None
        assert result.run_log.tag == "t"
        assert list(result.run_log.steps) == ["make", "use", "success"]

    def test_a_run_that_fails_raises_an_error_with_its_result(self, project: Path) -> None:
        """A script that looks at nothing must not go on as if it had succeeded."""
        with pytest.raises(RunFailedError, match="run 'r' failed: step 'bad': ValueError: no") as caught:
            Pipeline(Task("bad", "steps.fail")).execute(run_id="r")
        assert caught.value.exit_code == 1
        assert caught.value.result is not None
        assert caught.value.result.status == "FAIL"
        assert caught.value.result.run_log is not None
        assert "bad" in caught.value.result.run_log.steps

    def test_an_uncaught_failure_is_one_message_and_exit_code_1(self, project: Path) -> None:
        """The traceback would say nothing about the step that failed."""
        (project / "pipeline.py").write_text(
            "from magnus import Pipeline, Task\n"
            "if __name__ == '__main__':\n"
            "    Pipeline(Task('bad', 'steps.fail')).execute(run_id='r', log_level='FATAL')\n"
        )
        done = subprocess.run(
            [sys.executable, "pipeline.py"], cwd=project, capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        told = [line for line in done.stderr.splitlines() if not line.startswith("bad | ")]
        assert len(told) == 1, done.stderr
        assert told[0].startswith("magnus: run 'r' failed: step 'bad': ValueError: no")

    def test_a_run_that_fails_can_be_looked_at_instead(self, project: Path) -> None:
        """Its status says so."""
        result = Pipeline(Task("bad", "steps.fail")).execute(raise_on_failure=False)
        assert result.status == "FAIL"
        assert result.run_log is not None
        assert "ValueError: no" in result.run_log.steps["bad"].message

    def test_configuration_and_parameters_come_as_files_or_as_mappings(self, project: Path) -> None:
        """Under their newer and their older names."""
        (project / "c.yaml").write_text("run_log_store: {type: file-system, config: {log_folder: logs}}")
        (project / "p.yaml").write_text("made: 5")
        pipeline = Pipeline(Task("use", "steps.use"))
        assert pipeline.execute("c.yaml", "p.yaml").parameters["used"] == 6
        assert (
            pipeline.execute(configuration_file=project / "c.yaml", parameters_file="p.yaml").status
            == "SUCCESS"
        )
        config = {"run_log_store": {"type": "file-system", "config": {"log_folder": project / "others"}}}
        assert pipeline.execute(config, {"made": 7}).parameters["used"] == 8
        assert pipeline.execute(parameters={"made": 9}, parameters_file="p.yaml").parameters["used"] == 10
        assert (project / "logs").is_dir()
        assert (project / "others").is_dir()
        with pytest.raises(DefinitionError, match="older name"):
            pipeline.execute("c.yaml", configuration_file="c.yaml")

    def test_wrong_input_is_an_error(self, project: Path) -> None:
        """As on the command line."""
        pipeline = Pipeline(Task("make", "steps.make"))
        with pytest.raises(ConfigurationError, match="no executor 'locl'"):
            pipeline.execute({"executor": {"type": "locl"}})
        with pytest.raises(ConfigurationError, match="run id"):
            pipeline.execute(run_id="a/b")
        pipeline.execute(run_id="taken")
        with pytest.raises(RunLogExistsError):
            pipeline.execute(run_id="taken")

    def test_a_run_is_continued(self, project: Path) -> None:
        """What succeeded is skipped."""
        first = Pipeline(Task("make", "steps.make") >> Task("use", "steps.fail")).execute(
            raise_on_failure=False
        )
        mended = Pipeline(Task("make", "steps.make") >> Task("use", "steps.use"))
        result = mended.execute(use_cached=first.run_id)
        assert result.run_log is not None
        assert [step.mock for step in result.run_log.steps.values()] == [True, False, False]
        assert result.parameters == {"made": 1, "used": 2}
        with pytest.raises(ConfigurationError, match="not that of run"):
            mended.execute(use_cached=first.run_id, strict=True)

    def test_composite_nodes_run(self, project: Path) -> None:
        """Branches, items and pipelines inside."""
        result = Pipeline(
            Map("each", "xs", "x", Task("item", "steps.item"))
            >> Parallel("both", {"a": Task("make", "steps.make"), "b": Stub("nothing")})
            >> Dag("inner", Pipeline(Task("use", "steps.use")))
        ).execute(parameters={"xs": [1, 2, 3]})
        assert result.parameters == {"xs": [1, 2, 3], "square": [1, 4, 9], "made": 1, "used": 2}

    def test_it_leaves_the_process_as_it_was(self, project: Path) -> None:
        """Signals, streams, descriptors, directory and environment."""
        before = state_of_process()
        for _ in range(2):
            Pipeline(Task("make", "steps.make")).execute()
        assert state_of_process() == before

    def test_it_runs_outside_the_main_thread(self, project: Path) -> None:
        """Where Python allows no handlers of signals."""
        results: list[str] = []
        thread = threading.Thread(
            target=lambda: results.append(Pipeline(Task("make", "steps.make")).execute().status)
        )
        thread.start()
        thread.join()
        assert results == ["SUCCESS"]

    def test_what_tasks_print_goes_to_streams_that_are_no_files(
        self, project: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As in a notebook."""
        stream = io.StringIO()
        monkeypatch.setattr(sys, "stdout", stream)
        Pipeline(Task("make", "steps.make")).execute()
        assert stream.getvalue() == "make | made\n"

    def test_it_tells_logging_how_the_run_goes(self, project: Path, caplog: pytest.LogCaptureFixture) -> None:
        """Through the logger `magnus`."""
        with caplog.at_level(logging.INFO, logger="magnus"):
            Pipeline(Task("bad", "steps.fail", retry=2)).execute(run_id="told", raise_on_failure=False)
        told = [(record.levelname, record.getMessage().split(" (")[0]) for record in caplog.records]
        assert told == [
            ("INFO", "run told"),
            ("WARNING", "bad: ValueError: no"),
            ("ERROR", "bad: FAIL: ValueError: no"),
            ("ERROR", "run told: FAIL"),
        ]
