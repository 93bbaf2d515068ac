from __future__ import annotations

import json
from textwrap import dedent
from typing import TYPE_CHECKING, Any

import pytest

from magnus.cli.app import main

if TYPE_CHECKING:
    from pathlib import Path

STEPS = """
from pathlib import Path

def make():
    return {"xs": ["a", "b/c", 3]}

def square(x):
    return {"twice": x * 2}

def total(twice):
    return {"total": "".join(str(each) for each in twice)}

def left():
    return {"side": "left", "only_left": True}

def right():
    return {"side": "right"}

def bad():
    raise ValueError("no")

def second_time():
    tried = Path("tried")
    if not tried.exists():
        tried.touch()
        raise ConnectionError("busy")
    return {"got": 1}
"""

PIPELINE = """
dag:
  start_at: make
  steps:
    make: {type: task, command: steps.make, next: each item}
    each item:
      type: map
      iterate_on: xs
      iterate_as: x
      branch:
        start_at: square
        steps:
          square: {type: task, command: steps.square, next: s}
          s: {type: success}
          f: {type: fail}
      next: both
    both:
      type: parallel
      branches:
        left:
          start_at: a
          steps: {a: {type: task, command: steps.left, next: s}, s: {type: success}, f: {type: fail}}
        right:
          start_at: a
          steps: {a: {type: task, command: steps.right, next: s}, s: {type: success}, f: {type: fail}}
      next: total
    total: {type: task, command: steps.total, next: pause}
    pause: {type: as-is, next: hopeless}
    flaky: {type: task, command: steps.second_time, retry: {max_attempts: 2, retry_on: [ConnectionError]}, next: done}
    hopeless: {type: task, command: steps.bad, next: flaky, on_failure: flaky, retry: 2}
    done: {type: success}
    failed: {type: fail}
"""


@pytest.fixture
def project(default_adapters: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Be in a directory with a pipeline."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "steps.py").write_text(STEPS)
    (tmp_path / "pipeline.yaml").write_text(PIPELINE)
    return tmp_path


def node(step: str, run_id: str = "r", *options: str) -> int:
    """Run one node of a run, and return the exit code."""
    return main(
        ["execute_single_node", "--step-name", step, "--run-id", run_id, "-f", "pipeline.yaml", *options]
    )


def fan(mode: str, step: str, run_id: str = "r", *options: str) -> int:
    """Open or join the branches of a step, and return the exit code."""
    return main(
        ["fan", "--mode", mode, "--step-name", step, "--run-id", run_id, "-f", "pipeline.yaml", *options]
    )


def log_of(run_id: str, capfd: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Return the run log."""
    capfd.readouterr()
    assert main(["runs", "show", run_id, "--json"]) == 0
    log: dict[str, Any] = json.loads(capfd.readouterr().out)
    return log


class TestWholeRun:
    """A run that an orchestrator drives, one command for each thing that the traversal would do."""

    def test_it_leaves_the_log_that_the_traversal_leaves(
        self, project: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """Statuses, parameters, branches, attempts: the canonical parts are equal."""
        assert main(["execute", "-f", "pipeline.yaml", "--run-id", "whole"]) == 0
        (project / "tried").unlink()
        assert node("make") == 0
        capfd.readouterr()
        assert fan("out", "each item") == 0
        assert json.loads(capfd.readouterr().out) == ["a", "b/c", 3]
        for item in ("a", "b%2Fc", "%=3"):
            assert node(f"each%20item.{item}.square") == 0
            assert node(f"each item.{item}.s") == 0
        assert fan("in", "each item") == 0
        capfd.readouterr()
        assert fan("out", "both") == 0
        assert json.loads(capfd.readouterr().out) == ["left", "right"]
        for branch in ("both.right", "both.left"):
            assert (
                main(
                    ["execute-single-branch", "--branch-name", branch, "--run-id", "r", "-f", "pipeline.yaml"]
                )
                == 0
            )
        assert fan("in", "both") == 0
        assert node("total") == 0
        assert node("pause") == 0
        assert node("hopeless") == 75
        assert node("hopeless") == 1
        assert node("flaky") == 75
        assert node("flaky") == 0
        assert node("done") == 0
        log = log_of("r", capfd)
        assert log["status"] == "SUCCESS"
        assert log["parameters"]["total"] == "aab/cb/c6"
        assert log["parameters"]["side"] == "right"
        assert main(["runs", "compare", "whole", "r"]) == 0, capfd.readouterr()

    def test_without_a_file_the_definition_is_that_of_the_run_log(self, project: Path) -> None:
        """For pipelines written in Python, and compute without the file."""
        assert node("make") == 0
        (project / "pipeline.yaml").unlink()
        assert (
            main(["execute-single-node", "--step-name", "total", "--run-id", "r"]) == 1
        )  # xs was not fanned out
        assert main(["fan", "-m", "out", "--step-name", "each item", "--run-id", "r"]) == 0
        assert main(["execute-single-node", "--step-name", "make", "--run-id", "other"]) == 2


class TestAttempts:
    """What a node's exit code and log say."""

    def test_a_failed_attempt_that_another_may_follow_leaves_the_step_open(
        self, project: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """The caller asks for the next; the number of the attempt comes from the log."""
        assert node("flaky") == 75
        assert log_of("r", capfd)["steps"]["flaky"]["status"] == "PROCESSING"
        assert node("flaky") == 0
        step = log_of("r", capfd)["steps"]["flaky"]
        assert step["status"] == "SUCCESS"
        assert [(each["attempt_number"], each["status"]) for each in step["attempts"]] == [
            (1, "FAIL"),
            (2, "SUCCESS"),
        ]

    def test_a_step_that_has_ended_is_not_run_again(
        self, project: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """Whether it succeeded, or failed at its last attempt: the exit code says so again."""
        assert [node("make"), node("make")] == [0, 0]
        assert [node("hopeless"), node("hopeless"), node("hopeless")] == [75, 1, 1]
        steps = log_of("r", capfd)["steps"]
        assert len(steps["make"]["attempts"]) == 1
        assert len(steps["hopeless"]["attempts"]) == 2
        assert steps["hopeless"]["status"] == "FAIL"

    def test_the_run_begins_with_its_first_node(
        self, project: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """Its parameters and its tag are those given then; later ones come from the run log."""
        (project / "p.yaml").write_text("given: 1")
        (project / "q.yaml").write_text("given: 2")
        assert node("make", "r", "-p", "p.yaml", "--tag", "mine") == 0
        assert node("flaky", "r", "-p", "q.yaml") == 75
        log = log_of("r", capfd)
        assert (log["tag"], log["status"], log["input_parameters"]) == ("mine", "PROCESSING", {"given": 1})
        assert log["steps"]["flaky"]["attempts"][0]["parameters"]["given"] == 1

    def test_the_fail_node_closes_the_run_as_failed(
        self, project: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """Exit code 1, as often as it is asked for; nothing can be added after it."""
        assert [node("make"), node("failed"), node("failed")] == [0, 1, 1]
        assert log_of("r", capfd)["status"] == "FAIL"
        assert node("flaky") == 2
        assert "has ended with FAIL" in capfd.readouterr().err
        assert node("done") == 2

    def test_a_node_that_does_not_exist_begins_no_run(
        self, project: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """The id stays free."""
        assert node("mak") == 2
        assert main(["runs", "show", "r"]) == 2
        assert node("make") == 0


class TestBranches:
    """Opening and joining."""

    def test_one_failed_branch_fails_the_step(self, project: Path, capfd: pytest.CaptureFixture[str]) -> None:
        """A branch that was never closed counts as failed; the other branch's parameters are not handed on."""
        assert fan("out", "both") == 0
        assert node("both.left.a") == 0
        assert node("both.left.s") == 0
        assert node("both.right.f") == 0
        assert fan("in", "both") == 1
        assert fan("in", "both") == 1
        log = log_of("r", capfd)
        assert log["steps"]["both"]["status"] == "FAIL"
        assert log["steps"]["both"]["message"] == "failed in right"
        assert {name: branch["status"] for name, branch in log["steps"]["both"]["branches"].items()} == {
            "both.left": "SUCCESS",
            "both.right": "FAIL",
        }

    def test_branches_are_opened_once(self, project: Path, capfd: pytest.CaptureFixture[str]) -> None:
        """Asked again, what has happened in them stays."""
        assert [fan("out", "both"), node("both.left.a"), fan("out", "both"), node("both.left.s")] == [0] * 4
        branch = log_of("r", capfd)["steps"]["both"]["branches"]["both.left"]
        assert (branch["status"], len(branch["steps"])) == ("SUCCESS", 2)

    def test_a_branch_goes_on_where_it_was_left(
        self, project: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """What has ended in it is not run again, nor is a whole branch that has ended."""
        assert [fan("out", "both"), node("both.left.a")] == [0, 0]
        branch = [
            "execute_single_branch",
            "--branch-name",
            "both.left",
            "--run-id",
            "r",
            "-f",
            "pipeline.yaml",
        ]
        assert [main(branch), main(branch)] == [0, 0]
        steps = log_of("r", capfd)["steps"]["both"]["branches"]["both.left"]["steps"]
        assert [len(step["attempts"]) for step in steps.values()] == [1, 0]

    def test_a_map_that_cannot_be_told_fails_the_step(
        self, project: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """Here because nobody has set the list."""
        assert fan("out", "each item") == 1
        assert log_of("r", capfd)["steps"]["each item"]["status"] == "FAIL"

    def test_an_item_can_come_from_the_map_variable(
        self, project: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """For orchestrators that know it as a value; `%` stands for it in the path."""
        assert [node("make"), fan("out", "each item")] == [0, 0]
        assert node("each item.%.square", "r", "--map-variable", '{"x": "b/c"}') == 0
        assert node("each item.%=3.square", "r", "--map-variable", '{"x": 3}') == 0
        branches = log_of("r", capfd)["steps"]["each item"]["branches"]
        assert [len(branch["steps"]) for branch in branches.values()] == [0, 1, 1]

    def test_each_branch_can_be_told_on_a_line_of_its_own(
        self, project: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        """As `--map-variable` takes it inside that branch, with the items of the maps around it, in ASCII."""
        graph = """
        dag:
          start_at: outer
          steps:
            outer:
              type: map
              iterate_on: xs
              iterate_as: x
              branch:
                start_at: inner
                steps:
                  inner:
                    type: map
                    iterate_on: ys
                    iterate_as: y
                    branch: {start_at: s, steps: {s: {type: success}, f: {type: fail}}}
                    next: s
                  s: {type: success}
                  f: {type: fail}
              next: done
            done: {type: success}
            failed: {type: fail}
        """
        (project / "maps.yaml").write_text(dedent(graph))
        (project / "p.yaml").write_text('{"xs": ["ü x", 2], "ys": [null, "a\\nb"]}')
        options = ("-f", "maps.yaml", "-p", "p.yaml", "--lines")
        capfd.readouterr()
        assert fan("out", "outer", "r", *options) == 0
        lines = capfd.readouterr().out.splitlines()
        assert [json.loads(line) for line in lines] == [{"x": "ü x"}, {"x": 2}]
        assert lines[0].isascii()
        assert fan("out", "outer.%.inner", "r", "--map-variable", lines[0], *options) == 0
        inner = capfd.readouterr().out.splitlines()
        assert [list(json.loads(line).items()) for line in inner] == [
            [("x", "ü x"), ("y", None)],
            [("x", "ü x"), ("y", "a\nb")],
        ]
        for line in inner:
            assert node("outer.%.inner.%.s", "r", "--map-variable", line, *options[:2]) == 0
        assert fan("out", "both", "other", "--lines") == 0
        assert capfd.readouterr().out.splitlines() == ['"left"', '"right"']


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("step", "options", "told"),
    [
        ("mak", (), "no step 'mak'. Did you mean 'make'?"),
        ("make.x", (), "has an odd number of parts"),
        ("make.x.y", (), "is of type 'task' and has no branches"),
        ("both.lefft.a", (), "no branch 'lefft' in 'both'. Did you mean 'left'?"),
        ("both.left.a", (), "was not opened; `magnus fan --mode out --step-name 'both'`"),
        ("each item.%.square", (), "--map-variable has to give"),
        ("each item.a.square", ("--map-variable", '{"x": "b"}'), 'stands for {"x": "a"}'),
        ("each item.a.square", ("--map-variable", "{"), "--map-variable is no JSON"),
        ("each item.a.square", ("--map-variable", "[1]"), "expected a JSON object"),
        ("each item.%={.square", (), "stands for no item"),
        ("both", (), "`magnus fan` opens and joins"),
        ("make", ("--run-id", "a/b"), "the run id 'a/b' cannot be used"),
    ],
)
def test_a_mistake_is_told(
    capfd: pytest.CaptureFixture[str], step: str, options: tuple[str, ...], told: str
) -> None:
    """Exit code 2, no traceback."""
    assert node(step, "r", *options) == 2
    assert told in capfd.readouterr().err
