"""What Argo does with a workflow, in virtual time: order, phases, attempts, deadlines, the end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from magnus.errors import ConfigurationError, InterruptedRunError
from magnus.testing.emulation import ScriptedCompute
from magnus_executor_argo.emulator import Emulator

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.unit.conftest import Emulated

    from magnus.ports.emulator import ContainerCommand

ENDS = {"done": {"type": "success"}, "failed": {"type": "fail"}}


def graph(**steps: dict[str, Any]) -> dict[str, Any]:
    """Return a graph with *steps*, the first of them first; one without a type is a task."""
    nodes = {
        name: ({} if "type" in step else {"type": "task", "command": "m.f"}) | {"next": "done"} | step
        for name, step in steps.items()
    }
    return {"start_at": next(iter(steps)), "steps": nodes | ENDS}


def items(*values: Any) -> Callable[[ContainerCommand], None]:
    """Return what a `fan` does that leaves *values* for a map over `x`."""

    def work(command: ContainerCommand) -> None:
        place = command.arguments[command.arguments.index("--items-to") + 1]
        path = Path(place.removeprefix("argo://").partition("?")[0])
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps([json.dumps({"x": value}) for value in values]))

    return work


MENDED = graph(
    a={"next": "b", "on_failure": "mend"},
    mend={"next": "b"},
    b={"on_failure": "tell"},
    tell={"next": "failed"},
)


@pytest.mark.parametrize(
    ("ends", "steps", "is_success"),
    [
        ({}, ["a", "b", "done"], True),
        ({"a": [1]}, ["a", "mend", "b", "done"], True),
        ({"b": [1], "failed": [1]}, ["a", "b", "tell", "failed", "close"], False),
        ({"a": [1], "mend": [1], "failed": [1]}, ["a", "mend", "failed", "close"], False),
        ({"a": [1], "b": [1], "failed": [1]}, ["a", "mend", "b", "tell", "failed", "close"], False),
        ({"b": [1], "tell": [1], "failed": [1]}, ["a", "b", "tell", "failed", "close"], False),
        ({"done": [2]}, ["a", "b", "done", "close"], False),
        # Nothing that a failure leads to is run after something that could not be.
        ({"a": [2], "mend": [2], "failed": [2]}, ["a", "mend", "failed", "close"], False),
    ],
)
def test_the_walk_is_that_of_the_dag(
    ends: dict[str, list[int]],
    steps: list[str],
    is_success: bool,  # noqa: FBT001 - a case
    emulate: Callable[..., Emulated],
) -> None:
    """Whatever fails; the phase of the workflow is the outcome of the run, and only a failed one is closed."""
    emulated = emulate(MENDED, {"ends": ends})
    assert (emulated.steps, emulated.is_success) == (steps, is_success)


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, Any]:
    """Return any graph: each step leads to later ones, or to an end."""
    count = draw(st.integers(1, 7))
    names = [f"n{number}" for number in range(count)]
    steps: dict[str, Any] = {}
    for number, name in enumerate(names):
        after = st.sampled_from([*names[number + 1 :], "done", "failed"])
        steps[name] = {"type": "task", "command": "m.f", "next": draw(after), "on_failure": draw(after)}
    reached = {"n0"}
    for name in names:
        if name in reached:
            reached |= {steps[name]["next"], steps[name]["on_failure"]}
    assume("done" in reached)
    kept = {name: step for name, step in steps.items() if name in reached}
    return {"start_at": "n0", "steps": kept | ENDS}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(dag=graphs(), failing=st.sets(st.sampled_from([f"n{number}" for number in range(7)])))
def test_any_graph_is_walked_as_a_traversal_walks_it(
    dag: dict[str, Any], failing: set[str], emulate: Callable[..., Emulated]
) -> None:
    """Whatever fails in it; and Argo shows what became of the run."""
    walk, name = [], dag["start_at"]
    while name not in ENDS:
        walk.append(name)
        name = dag["steps"][name]["on_failure" if name in failing else "next"]
    ends = {step: [1] for step in (*failing, "failed")}
    emulated = emulate(dag, {"ends": ends}, infrastructure_retries=0)
    assert emulated.steps == [*walk, name, *(["close"] if name == "failed" else [])]
    assert emulated.is_success is (name == "done")


def test_a_command_is_what_the_pod_gets(emulate: Callable[..., Emulated]) -> None:
    """Image, environment, deadline; the run's id is the name of the workflow, and the reason its phase."""
    emulated = emulate(
        graph(a={"timeout": 5}), {"ends": {"a": [1], "failed": [1]}}, environment={"A": "b"}, grace_seconds=7
    )
    first, *_, last = emulated.compute.calls
    assert first.command.arguments[:6] == (
        "magnus",
        "execute_single_node",
        "--step-name",
        "a",
        "--run-id",
        "the-run",
    )
    assert (first.command.image, dict(first.command.environment)) == ("registry/image:1", {"A": "b"})
    assert first.command.timeout_seconds == 12
    assert last.command.timeout_seconds is None
    assert last.command.arguments[-2:] == ("--stopped-because", "the workflow of Argo ended as Failed")


class TestAttempts:
    """Pods are made again."""

    RETRY = graph(a={"retry": {"max_attempts": 4, "backoff": {"initial": 10, "factor": 3, "max": 200}}})

    def test_pauses_grow(self, emulate: Callable[..., Emulated]) -> None:
        """As Argo counts them: with every pod that was made."""
        emulated = emulate(self.RETRY, {"ends": {"a": [75, 75, 75, 0]}}, infrastructure_retries=0)
        assert (emulated.moments("a"), emulated.is_success) == ([0, 10, 40, 130], True)
        assert "retry 1 of 'main.a' in 10 s: it ended with 75" in emulated.compute.lines

    def test_an_attempt_takes_its_time(self, emulate: Callable[..., Emulated]) -> None:
        """The pause comes after it."""
        emulated = emulate(self.RETRY, {"ends": {"a": [75, 0]}, "takes_seconds": 4}, infrastructure_retries=0)
        assert emulated.moments("a") == [0, 14]

    def test_there_are_as_many_as_there_may_be(self, emulate: Callable[..., Emulated]) -> None:
        """And after 1 there is no other."""
        assert len(emulate(self.RETRY, {"ends": {"a": [75]}}, infrastructure_retries=0).moments("a")) == 4
        assert len(emulate(self.RETRY, {"ends": {"a": [75, 1]}}).moments("a")) == 2

    @pytest.mark.parametrize(("code", "calls"), [(3, 3), (137, 3), (1, 1), (2, 1), (75, 1)])
    def test_a_pod_that_was_lost_is_made_again(
        self, code: int, calls: int, emulate: Callable[..., Emulated]
    ) -> None:
        """So is one in which a service failed, and no other."""
        assert len(emulate(graph(a={}), {"ends": {"a": [code]}}).moments("a")) == calls


class TestMaps:
    """Branches for each item of a list that is known when the workflow runs."""

    @pytest.fixture
    def dag(self) -> dict[str, Any]:
        """Return a map, then a step."""
        each = {"type": "map", "iterate_on": "xs", "iterate_as": "x", "branch": graph(work={})}
        return graph(each=each | {"next": "after"}, after={})

    def test_each_item_has_its_branch(self, dag: dict[str, Any], emulate: Callable[..., Emulated]) -> None:
        """With the text that was left for it; what follows comes after the join."""
        emulated = emulate(dag, {"effects": {"out each": items(1.5, 'a "b"', None)}})
        given = [each[each.index("--map-variable") + 1] for each in emulated.arguments("each.%.work")]
        assert sorted(json.loads(each)["x"] is None for each in given) == [False, False, True]
        assert {json.dumps({"x": value}) for value in (1.5, 'a "b"', None)} == set(given)
        assert emulated.steps[-3:] == ["in each", "after", "done"]
        assert emulated.is_success

    def test_an_empty_list_has_none(self, dag: dict[str, Any], emulate: Callable[..., Emulated]) -> None:
        """And is joined."""
        emulated = emulate(dag, {"effects": {"out each": items()}})
        assert (emulated.steps, emulated.is_success) == (["out each", "in each", "after", "done"], True)

    def test_a_branch_that_fails_is_for_the_join_to_tell(
        self, dag: dict[str, Any], emulate: Callable[..., Emulated]
    ) -> None:
        """Its fail node succeeds; the others go on."""
        ends = {"each.%.work": [1, 0], "in each": [1], "failed": [1]}
        emulated = emulate(dag, {"effects": {"out each": items(1, 2)}, "ends": ends})
        assert sorted(emulated.steps[1:-3]) == ["each.%.done", "each.%.failed", "each.%.work", "each.%.work"]
        assert emulated.steps[-3:] == ["in each", "failed", "close"]

    def test_a_branch_that_could_not_be_walked_is_not_joined(
        self, dag: dict[str, Any], emulate: Callable[..., Emulated]
    ) -> None:
        """The others are walked to their ends; nothing after them is."""
        ends = {"each.%.work": [2, 0], "each.%.failed": [2], "failed": [2]}
        emulated = emulate(dag, {"effects": {"out each": items(1, 2)}, "ends": ends})
        assert "in each" not in emulated.steps
        assert "each.%.done" in emulated.steps
        assert emulated.steps[-2:] == ["failed", "close"]
        assert not emulated.is_success

    def test_branches_that_cannot_be_told_are_a_failure(
        self, dag: dict[str, Any], emulate: Callable[..., Emulated]
    ) -> None:
        """No branch is walked, and nothing is joined."""
        emulated = emulate(dag, {"ends": {"out each": [1], "failed": [1]}})
        assert emulated.steps == ["out each", "failed", "close"]

    def test_items_that_are_missing_are_no_empty_list(
        self, dag: dict[str, Any], emulate: Callable[..., Emulated]
    ) -> None:
        """Argo calls that an error, and the pod is made again."""
        emulated = emulate(dag, {"ends": {"failed": [2]}})
        assert emulated.steps == ["out each"] * 3 + ["failed", "close"]
        assert any("its output cannot be read" in line for line in emulated.compute.lines)

    def test_an_item_that_argo_would_replace_is_refused(
        self, dag: dict[str, Any], emulate: Callable[..., Emulated]
    ) -> None:
        """`fan` writes none; a file that does is wrong."""
        with pytest.raises(ConfigurationError, match="beginning of a variable"):
            emulate(dag, {"effects": {"out each": items("{{workflow.name}}")}})

    @pytest.mark.parametrize("text", ["[1]", "{}", "no", json.dumps(["x" * 262_144])])
    def test_a_list_that_argo_does_not_take_is_an_error(
        self, text: str, dag: dict[str, Any], emulate: Callable[..., Emulated]
    ) -> None:
        """No branch is walked."""

        def leave(command: ContainerCommand) -> None:
            items()(command)
            place = command.arguments[-1].removeprefix("argo://")
            Path(place.partition("?")[0]).write_text(text)

        emulated = emulate(dag, {"effects": {"out each": leave}, "ends": {"failed": [2]}})
        assert emulated.steps == ["out each", "failed", "close"]


def test_branches_run_one_after_another_where_that_is_said(emulate: Callable[..., Emulated]) -> None:
    """In their order: time passes for one of them only."""
    branches = {name: graph(work={}) for name in "abcd"}
    dag = graph(split={"type": "parallel", "branches": branches})
    emulated = emulate(dag, {"takes_seconds": 1}, enable_parallel=False)
    walked = [step for name in "abcd" for step in (f"split.{name}.work", f"split.{name}.done")]
    assert emulated.steps == ["out split", *walked, "in split", "done"]


class TestDeadlines:
    """Argo ends what takes too long, and calls nothing more but what closes the run."""

    def test_a_pod_is_ended(self, emulate: Callable[..., Emulated]) -> None:
        """As a failure of the step, which is asked for again: it may not have ended itself."""
        emulated = emulate(
            graph(a={"timeout": 5}), {"takes_seconds": 100, "ends": {"failed": [1]}}, grace_seconds=10
        )
        assert emulated.moments("a") == [0, 15, 30]
        assert not emulated.is_success

    def test_a_workflow_is_ended(self, emulate: Callable[..., Emulated]) -> None:
        """Whatever is under way, also a pause; what is to be called at the end has all the time that it needs."""
        dag = graph(a={"next": "b"}, b={"next": "c"}, c={}) | {"max_time": 100}
        emulated = emulate(dag, {"takes_seconds": 80}, grace_seconds=50)
        assert emulated.steps == ["a", "b", "close"]
        assert [call.at for call in emulated.compute.calls] == [0, 80, 150]
        assert emulated.compute.calls[-1].command.arguments[-1] == "the workflow of Argo ended as Failed"

    def test_a_pause_ends_with_the_workflow(self, emulate: Callable[..., Emulated]) -> None:
        """Nobody waits in vain."""
        dag = graph(a={"retry": {"max_attempts": 2, "backoff": {"initial": 1000}}}) | {"max_time": 10}
        emulated = emulate(dag, {"ends": {"a": [75]}}, grace_seconds=10, infrastructure_retries=0)
        assert [
            (call.at, step) for call, step in zip(emulated.compute.calls, emulated.steps, strict=True)
        ] == [
            (0, "a"),
            (20, "close"),
        ]


def test_an_interrupt_ends_everything(render: Callable[..., str], tmp_path: Path) -> None:
    """From within a thread, too: nothing is called any more, not even what closes the run."""
    branches = {name: graph(work={}) for name in "ab"}
    dag = graph(split={"type": "parallel", "branches": branches})

    def stop(_command: ContainerCommand) -> None:
        compute.is_stopped = True

    compute = ScriptedCompute(tmp_path, effects={"split.a.work": stop})
    with pytest.raises(InterruptedRunError):
        Emulator(render(dag), "workflow.yaml").run("the-run", compute)
    assert "in split" not in [call.step for call in compute.calls]


@pytest.mark.parametrize("kind", ["WorkflowTemplate", "CronWorkflow"])
def test_other_kinds_are_run_likewise(kind: str, emulate: Callable[..., Emulated]) -> None:
    """As if they had been submitted, or were due."""
    schedule = {"schedule": "0 4 * * *"} if kind == "CronWorkflow" else {}
    assert emulate(graph(a={}), kind=kind, **schedule).steps == ["a", "done"]


def test_a_secret_of_the_cluster_is_asked_of_the_environment(emulate: Callable[..., Emulated]) -> None:
    """People are told."""
    emulated = emulate(graph(a={}), secrets=[{"variable": "TOKEN", "name": "tokens", "key": "mine"}])
    assert any(line.startswith("TOKEN comes from a secret of the cluster") for line in emulated.compute.lines)


def test_a_workflow_whose_exit_fails_has_failed(render: Callable[..., str], tmp_path: Path) -> None:
    """As Argo has it."""
    document = yaml.safe_load(render(graph(a={})))
    exit_template = next(each for each in document["spec"]["templates"] if each["name"] == "magnus--exit")
    exit_template["dag"]["tasks"][0]["when"] = "{{workflow.status}} == Succeeded"
    compute = ScriptedCompute(tmp_path, ends={"failed": [1]})
    assert not Emulator(yaml.safe_dump(document), "file").run("the-run", compute)


def test_graphs_nest_as_deeply_as_anybody_likes(emulate: Callable[..., Emulated]) -> None:
    """No call goes as deep as they do."""
    dag = graph(a={"type": "as-is"})
    for _ in range(48):
        dag = graph(p={"type": "parallel", "branches": {"b": dag}})
    assert emulate(dag, infrastructure_retries=0).is_success
