from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from magnus.builtin import node_types
from magnus.builtin.buffered import BufferedRunLogStore
from magnus.builtin.do_nothing import DoNothingCatalog, DoNothingSecrets, DoNothingTracker
from magnus.domain.capabilities import ExecutorCapabilities, Isolation, Placement
from magnus.domain.graph import Graph
from magnus.domain.nodes import Backoff, MapSettings, Node, RetryPolicy, TaskSettings
from magnus.domain.parameters import encode_all
from magnus.domain.records import RecordKind
from magnus.domain.run_log import RunLog, Status, StepLog
from magnus.engine.context import RunContext, Services
from magnus.engine.interrupt import Interrupts, StopRun
from magnus.engine.masking import Masker
from magnus.engine.one_by_one import OneByOneExecutor
from magnus.engine.recorder import RunRecorder, read_run_log
from magnus.engine.reporting import SilentReporter
from magnus.engine.rerun import Rerun
from magnus.engine.traversal import Traversal, next_node_name
from magnus.engine.workspaces import Workspaces
from magnus.ports.executor import CommonOptions, Executor
from magnus.ports.task_type import TaskResult, TaskType
from magnus.testing.fakes import FakeClock, FakeExecutor, InProcessStepRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from magnus.domain.jobs import Job
    from magnus.ports.executor import InteractiveExecutor
    from magnus.ports.node_type import NodeType
    from magnus.ports.task_type import TaskContext

DONE = Node("done", "success", {"type": "success"})
FAILED = Node("failed", "fail", {"type": "fail"})


def chain(*nodes: Node) -> Graph:
    """Return a graph in which *nodes* follow each other."""
    names = [node.name for node in nodes]
    linked = [node._replace(next=to) for node, to in zip(nodes, [*names[1:], "done"], strict=True)]
    return Graph(names[0], {node.name: node for node in (*linked, DONE, FAILED)})


def task(name: str, command: str = "nothing", **more: Any) -> Node:
    """Return a task."""
    return Node(
        name, "task", {"type": "task", "command": command}, task=TaskSettings(command, "call"), **more
    )


def parallel(name: str, **branches: Graph) -> Node:
    """Return a parallel node."""
    return Node(name, "parallel", {"type": "parallel"}, branches=branches)


def map_of(branch: Graph, max_concurrency: int | None = None) -> Node:
    """Return a map over the parameter `items`."""
    settings = MapSettings("items", "item", max_concurrency)
    return Node("map", "map", {"type": "map"}, branches={"item": branch}, map=settings)


class Calls(TaskType):
    """Calls functions of the test, and notes the steps for which it did."""

    def __init__(self, functions: Mapping[str, Callable[[TaskContext], dict[str, Any] | None]]) -> None:
        """Know *functions* by name."""
        self._functions = functions
        self.steps: list[str] = []

    def run(self, command: str, options: Any, context: TaskContext) -> TaskResult:
        """Call the function."""
        self.steps.append(context.step_name)
        return TaskResult(self._functions[command](context) or {})


@dataclass(frozen=True)
class RoomOptions(CommonOptions):
    """Options of an executor that has room for a number of jobs."""

    max_workers: int | None = None


class Catalogue:
    """The built-in types of nodes, and one type of task."""

    def __init__(self, calls: Calls) -> None:
        """Know *calls*."""
        self._calls = calls
        self._types: dict[str, NodeType] = {
            "task": node_types.TaskNode(),
            "success": node_types.SuccessNode(),
            "fail": node_types.FailNode(),
            "parallel": node_types.ParallelNode(),
            "map": node_types.MapNode(),
            "as-is": node_types.AsIsNode(),
        }

    def node_type(self, name: str) -> NodeType:
        """Return one."""
        return self._types[name]

    def task_type(self, name: str) -> TaskType:
        """Return the one."""
        assert name == "call"
        return self._calls

    def task_options(self, node: Node) -> None:
        """Have none."""

    def executor_options(self, node: Node) -> RoomOptions:
        """Return those of every node."""
        return RoomOptions(enable_parallel=True)


def no_workers() -> NoReturn:
    """Refuse: the tasks of these tests exist in this process only."""
    raise NotImplementedError


def say(text: str) -> Callable[[TaskContext], dict[str, Any]]:
    """Return a function that sets `x` to *text*, and a parameter called so."""
    return lambda _context: {"x": text, text: True}


def fail(_context: TaskContext) -> dict[str, Any]:
    """Raise."""
    raise ValueError("as the test says")


FUNCTIONS: dict[str, Callable[[TaskContext], dict[str, Any] | None]] = {
    "nothing": lambda _context: None,
    "fail": fail,
    "a": say("a"),
    "b": say("b"),
    "c": say("c"),
    "square": lambda context: {"squared": context.get_parameter("item") ** 2},
    "seen": lambda context: {"seen": sorted(context.parameter_names)},
}


class Stage:
    """What came of a traversal."""

    def __init__(
        self, executor: Executor, functions: Mapping[str, Callable[[TaskContext], Any]] | None = None
    ) -> None:
        """Traverse nothing yet."""
        self.executor = executor
        self.clock = FakeClock()
        self.calls = Calls({**FUNCTIONS, **(functions or {})})
        self.store = BufferedRunLogStore()
        self.parameters: dict[str, Any] = {}
        unused: Any = None
        self.context = RunContext(
            run_id="run",
            tag="",
            executor=executor,
            services=Services(self.store, DoNothingCatalog(), DoNothingSecrets(), DoNothingTracker()),
            types=Catalogue(self.calls),
            recorder=RunRecorder(self.store, "run", Masker()),
            masker=Masker(),
            reporter=SilentReporter(),
            terminal=unused,
            clock=self.clock,
            interrupts=Interrupts(),
            code_identities=[],
            workspaces=Workspaces(Isolation.NONE, str(Path.cwd())),
        )

    def run(
        self, graph: Graph, *, single_step: str | None = None, rerun: Rerun | None = None, **parameters: Any
    ) -> Status:
        """Traverse *graph*."""
        values = encode_all(parameters, "test")
        self.context.recorder.create_run_log(RunLog("run"), values)
        try:
            with InProcessStepRunner(self.context, no_workers) as run_here:
                traversal = Traversal(
                    self.context, run_here, dict(values), rerun=rerun, single_step=single_step
                )
                return traversal.execute_graph(graph)
        finally:
            self.parameters = {name: value.decode() for name, value in traversal.parameters.items()}

    @property
    def log(self) -> RunLog:
        """The run log."""
        return read_run_log(self.store, "run")

    @property
    def steps(self) -> dict[str, StepLog]:
        """Every step of the run by internal name."""
        return {step.internal_name: step for step in self.log.walk()}


def in_order(*names: str) -> Callable[[Sequence[Job]], int]:
    """Let jobs end in the order of the branches *names*, as far as they run."""

    def choose(jobs: Sequence[Job]) -> int:
        branches = [job.step_name.split(".")[1:2] for job in jobs]
        return next((branches.index([name]) for name in names if [name] in branches), 0)

    return choose


@pytest.mark.parametrize("executor", [OneByOneExecutor(), FakeExecutor(1)])
def test_without_room_branches_run_one_after_another(executor: InteractiveExecutor) -> None:
    """In declared order, each to its end before the next one begins."""
    branch = chain(task("one"), task("two"))
    stage = Stage(executor)
    assert stage.run(chain(parallel("p", z=branch, a=branch), task("after"))) is Status.SUCCESS
    assert stage.calls.steps == ["p.z.one", "p.z.two", "p.a.one", "p.a.two", "after"]


def test_an_executor_is_never_given_more_jobs_than_it_has_room_for() -> None:
    """And always as many."""
    executor = FakeExecutor(3)
    stage = Stage(executor)
    assert stage.run(chain(map_of(chain(task("one"), task("two")))), items=list(range(10))) is Status.SUCCESS
    assert executor.most_at_once == 3
    assert len(stage.calls.steps) == 20


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_a_map_can_limit_the_items_in_work(limit: int) -> None:
    """Below what the executor has room for; an item that was begun goes on before another begins."""
    executor = FakeExecutor(8)
    opened: list[int] = []

    def watch() -> None:
        opened.append(len({job.step_name.rpartition(".")[0] for job in executor.running}))

    executor.before_wait = watch
    stage = Stage(executor)
    graph = chain(map_of(chain(task("one"), task("two")), max_concurrency=limit))
    assert stage.run(graph, items=list(range(6))) is Status.SUCCESS
    assert max(opened) == limit == executor.most_at_once


@pytest.mark.parametrize(
    ("override", "at_once"), [({"enable_parallel": False}, 1), ({"max_workers": 2}, 2), ({"other": 1}, 4)]
)
def test_a_composite_node_can_have_less_room_than_the_executor(
    override: dict[str, Any], at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its `executor_config`, whose other keys do not matter."""
    known = {"enable_parallel": True, **override}
    known.pop("other", None)
    monkeypatch.setattr(Catalogue, "executor_options", lambda *_: RoomOptions(**known))
    executor = FakeExecutor(8)
    node = parallel("p", **{name: chain(task("one")) for name in "abcd"})._replace(executor_config=override)
    assert Stage(executor).run(chain(node)) is Status.SUCCESS
    assert executor.most_at_once == at_once


def test_branches_that_do_not_fit_wait_for_the_inner_ones() -> None:
    """What was begun is finished before more begins, so that few branches are open at a time."""
    inner = chain(parallel("q", c=chain(task("leaf")), d=chain(task("leaf"))))
    executor = FakeExecutor(2)
    stage = Stage(executor)
    opened: list[set[str]] = []
    executor.before_wait = lambda: opened.append(
        {record.name for record in stage.store.scan("run", {RecordKind.BRANCH})}
    )
    assert stage.run(chain(parallel("p", a=inner, b=inner))) is Status.SUCCESS
    assert opened[0] == {"p.a", "p.a.q.c", "p.a.q.d"}
    assert stage.calls.steps == ["p.a.q.c.leaf", "p.a.q.d.leaf", "p.b.q.c.leaf", "p.b.q.d.leaf"]


@pytest.mark.parametrize("order", list(itertools.permutations("abc")))
def test_parameters_merge_in_declared_order_whatever_order_the_branches_end_in(
    order: tuple[str, ...],
) -> None:
    """The last one declared wins, and the run log tells of it."""
    stage = Stage(FakeExecutor(choose=in_order(*order)))
    branches = {name: chain(task("set", name)) for name in "abc"}
    assert stage.run(chain(parallel("p", **branches), task("after")), x="before") is Status.SUCCESS
    assert [name.split(".")[1] for name in stage.calls.steps[:3]] == list(order)
    assert stage.parameters == {"x": "c", "a": True, "b": True, "c": True}
    assert "the branches 'a' and 'b' set the parameter 'x'" in stage.steps["p"].message


@pytest.mark.parametrize("order", list(itertools.permutations("123")))
def test_a_map_collects_in_the_order_of_its_items(order: tuple[str, ...]) -> None:
    """Whatever order they end in."""
    places = [f"%={item}" for item in order]
    stage = Stage(FakeExecutor(choose=in_order(*places)))
    assert stage.run(chain(map_of(chain(task("one", "square")))), items=[3, 1, 2]) is Status.SUCCESS
    assert stage.parameters["squared"] == [9, 1, 4]
    assert "item" not in stage.parameters


def test_branches_see_nothing_of_each_other() -> None:
    """Neither one after another nor at the same time; what follows the join sees all of it."""
    branches = {"a": chain(task("set", "a")), "b": chain(task("look", "seen"))}
    for executor in (OneByOneExecutor(), FakeExecutor(choose=in_order("a", "b"))):
        stage = Stage(executor)
        assert stage.run(chain(parallel("p", **branches), task("after", "seen")), given=1) is Status.SUCCESS
        assert stage.steps["p.b.look"].output_parameters == {"seen": ["given"]}
        assert stage.parameters["seen"] == ["a", "given", "seen", "x"]


def test_a_map_of_nothing_succeeds() -> None:
    """Without a branch, and sets nothing."""
    executor = FakeExecutor()
    stage = Stage(executor)
    assert stage.run(chain(map_of(chain(task("one", "square"))), task("after")), items=[]) is Status.SUCCESS
    assert executor.triggered == [("after", 1)]
    assert stage.steps["map"].branches == {}
    assert stage.parameters == {"items": []}


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"items": "text"}, "expected a list"),
        ({}, "which no one has set"),
        ({"items": [1, 2, 1]}, "twice"),
    ],
)
def test_a_map_that_cannot_be_told_fails_like_any_step(parameters: dict[str, Any], said: str) -> None:
    """The run log says why, and the way of failures is taken."""
    broken = map_of(chain(task("one")))._replace(on_failure="mend")
    graph = chain(broken, task("between"), task("mend"))
    stage = Stage(FakeExecutor())
    assert stage.run(graph, **parameters) is Status.SUCCESS
    assert said in stage.steps["map"].message
    assert stage.calls.steps == ["mend"]


def test_a_failure_in_a_branch_takes_the_way_of_that_branch() -> None:
    """Its `on_failure` may still lead to success; what the failed step set is dropped."""
    mended = chain(task("one", "fail", on_failure="mend"), task("two"), task("mend", "b"))
    stage = Stage(FakeExecutor())
    assert stage.run(chain(parallel("p", a=mended))) is Status.SUCCESS
    assert stage.calls.steps == ["p.a.one", "p.a.mend"]
    assert stage.steps["p.a.one"].status is Status.FAIL
    assert stage.log.steps["p"].branches["p.a"].status is Status.SUCCESS
    assert stage.parameters == {"x": "b", "b": True}


def test_siblings_of_a_failed_branch_finish_first() -> None:
    """Then the node fails, hands on nothing, and its own way of failures is taken."""
    broken, fine = chain(task("one", "fail")), chain(task("one", "b"), task("two"))
    node = parallel("p", a=broken, b=fine, c=broken)._replace(on_failure="mend")
    stage = Stage(FakeExecutor())
    assert stage.run(chain(node, task("after"), task("mend", "seen"))) is Status.SUCCESS
    assert stage.calls.steps == ["p.a.one", "p.b.one", "p.c.one", "p.b.two", "mend"]
    assert stage.steps["p"].message == "failed in a, c"
    assert {name: branch.status for name, branch in stage.log.steps["p"].branches.items()} == {
        "p.a": Status.FAIL,
        "p.b": Status.SUCCESS,
        "p.c": Status.FAIL,
    }
    assert stage.parameters == {"seen": []}


def test_a_failure_that_nothing_mends_closes_the_graph_with_its_fail_node() -> None:
    """And the run with it."""
    stage = Stage(FakeExecutor())
    assert stage.run(chain(task("one", "fail"), task("two"))) is Status.FAIL
    assert list(stage.log.steps) == ["one", "failed"]


def test_a_job_that_ends_without_a_record_is_recorded_by_the_traversal() -> None:
    """With what the executor knows of it; the next attempt follows as after any failure."""
    executor = FakeExecutor()
    executor.lose("p.a.one", message="killed by SIGKILL", exit_code=137, failure="exit:137")
    retried = task("one", "a", retry=RetryPolicy(2, retry_on=("exit:137",)))
    stage = Stage(executor)
    assert stage.run(chain(parallel("p", a=chain(retried), b=chain(task("one"))))) is Status.SUCCESS
    first, second = stage.steps["p.a.one"].attempts
    assert (first.attempt_number, first.status, first.message) == (1, Status.FAIL, "killed by SIGKILL")
    assert (first.exit_code, first.failure) == (137, ["exit:137"])
    assert (second.attempt_number, second.status) == (2, Status.SUCCESS)
    assert stage.parameters["a"] is True


def test_a_job_that_ends_without_any_trace_fails_its_step() -> None:
    """No step is ever left as if it were running."""
    executor = FakeExecutor()
    executor.lose("one")
    stage = Stage(executor)
    assert stage.run(chain(task("one"))) is Status.FAIL
    assert stage.steps["one"].status is Status.FAIL
    assert stage.steps["one"].message == "it ended without a trace in the run log"


def test_a_job_that_is_refused_fails_its_step_only() -> None:
    """It counts as an attempt, known as `submission`; siblings go on."""
    executor = FakeExecutor()
    executor.refused = {"p.a.one"}
    retried = task("one", retry=RetryPolicy(3, Backoff(60), retry_on=("submission",)))
    stage = Stage(executor)
    assert stage.run(chain(parallel("p", a=chain(retried), b=chain(task("one"))))) is Status.FAIL
    step = stage.steps["p.a.one"]
    assert [attempt.failure for attempt in step.attempts] == [["submission"]] * 3
    assert "was refused" in step.message
    assert stage.steps["p.b.one"].status is Status.SUCCESS
    assert stage.clock.now == 60 + 120


def test_a_failure_that_no_attempt_would_mend_ends_the_step() -> None:
    """The executor says so; the user's attempts are not spent on it."""
    executor = FakeExecutor()
    executor.lose("one", message="its image does not exist", failure="image", retryable=False)
    stage = Stage(executor)
    assert stage.run(chain(task("one", retry=RetryPolicy(5)))) is Status.FAIL
    assert executor.triggered == [("one", 1)]
    (attempt,) = stage.steps["one"].attempts
    assert (stage.steps["one"].status, attempt.failure) == (Status.FAIL, ["image"])
    assert stage.steps["one"].message == "its image does not exist"


class TestGathering:
    """Jobs of one map that are triggered together, where the executor wants it and the map allows it."""

    SINGLE = chain(task("one", "square"))

    def gathered(self, graph: Graph, **parameters: Any) -> list[list[str]]:
        """Return what was triggered together of *graph*, in a run that succeeds."""
        executor = FakeExecutor(1000, most_jobs_together=100)
        assert Stage(executor).run(graph, **parameters) is Status.SUCCESS
        return executor.triggered_together

    def test_a_thousand_items_are_triggered_in_as_many_calls_as_the_executor_wants(self) -> None:
        """In the order of the items, each once, and all that is left in the last call; what they set is collected."""
        executor = FakeExecutor(5000, most_jobs_together=300)
        stage = Stage(executor)
        assert stage.run(chain(map_of(self.SINGLE)), items=list(range(1000))) is Status.SUCCESS
        assert [len(names) for names in executor.triggered_together] == [300, 300, 300, 100]
        names = [name for names in executor.triggered_together for name in names]
        assert names == [name for name, _ in executor.triggered]
        assert [name.split(".")[1] for name in names] == [f"%={item}" for item in range(1000)]
        assert executor.most_at_once == 1000
        assert stage.parameters["squared"] == [item**2 for item in range(1000)]
        assert {len(step.attempts) for step in stage.steps.values() if step.name == "one"} == {1}

    def test_all_of_them_begin_before_any_is_triggered(self) -> None:
        """The run log holds each of them when the executor is called."""
        begun: list[int] = []

        class Looks(FakeExecutor):
            def trigger_jobs(self, jobs: Sequence[Job], run_here: Any) -> list[Status]:
                """Count the steps that have begun."""
                begun.append(sum(step.name == "one" for step in stage.steps.values()))
                return super().trigger_jobs(jobs, run_here)

        stage = Stage(Looks(most_jobs_together=100))
        assert stage.run(chain(map_of(self.SINGLE)), items=[1, 2, 3]) is Status.SUCCESS
        assert begun == [3]

    def test_no_more_are_gathered_than_there_is_room_for(self) -> None:
        """What has no room yet follows, together with whatever has room then."""
        executor = FakeExecutor(4, most_jobs_together=100)
        stage = Stage(executor)
        assert stage.run(chain(map_of(self.SINGLE)), items=list(range(10))) is Status.SUCCESS
        assert executor.triggered_together[0] == [f"map.%={item}.one" for item in range(4)]
        assert executor.most_at_once == 4
        assert len(executor.triggered) == 10

    def test_an_executor_that_wants_one_by_one_gets_them_so(self) -> None:
        """As every executor did."""
        executor = FakeExecutor()
        assert Stage(executor).run(chain(map_of(self.SINGLE)), items=[1, 2]) is Status.SUCCESS
        assert executor.triggered_together == []
        assert len(executor.triggered) == 2

    def test_maps_are_gathered_wherever_they_stand(self) -> None:
        """A map in a branch, and its neighbour, each by itself."""
        graph = chain(parallel("p", a=chain(map_of(self.SINGLE)), b=chain(map_of(self.SINGLE))))
        assert sorted(self.gathered(graph, items=[1, 2])) == [
            [f"p.{branch}.map.%={item}.one" for item in (1, 2)] for branch in ("a", "b")
        ]

    def test_a_limit_of_the_map_is_kept_by_not_gathering(self) -> None:
        """The compute would run all that it is given."""
        executor = FakeExecutor(8, most_jobs_together=100)
        graph = chain(map_of(self.SINGLE, max_concurrency=2))
        assert Stage(executor).run(graph, items=list(range(6))) is Status.SUCCESS
        assert executor.triggered_together == []
        assert executor.most_at_once == 2

    @pytest.mark.parametrize(
        "node",
        [
            map_of(chain(task("one"), task("two"))),
            map_of(chain(Node("one", "as-is", {"type": "as-is"}))),
            map_of(chain(map_of(chain(task("one"), task("two"))))),
            parallel("p", a=chain(task("one")), b=chain(task("one"))),
        ],
        ids=["two tasks", "no task", "a map of two tasks", "parallel"],
    )
    def test_what_is_no_map_of_single_tasks_is_not_gathered(self, node: Node) -> None:
        """Its jobs differ in more than the item, or do not begin at the same time."""
        assert self.gathered(chain(node), items=[1, 2]) == []

    def test_a_step_that_mends_is_a_second_task(self) -> None:
        """Its job is none of the first ones."""
        branch = chain(task("one", "fail", on_failure="mend"), task("mend"))
        assert self.gathered(chain(map_of(branch)), items=[1, 2]) == []

    def test_items_that_a_rerun_skips_are_left_out(self) -> None:
        """Only those whose step has not succeeded before are triggered."""
        (node,) = [node for node in self.SINGLE.nodes.values() if node.task]
        done = {
            f"map.%={item}.one": StepLog(
                "one",
                f"map.%={item}.one",
                Status.SUCCESS,
                work_hash=node.work_hash(),
                output_parameters={"squared": item**2},
            )
            for item in (1, 3, 5)
        }
        rerun = Rerun("before", done, {"map": set()}, lambda step: encode_all(step.output_parameters, "test"))
        executor = FakeExecutor(100, most_jobs_together=100)
        stage = Stage(executor)
        assert stage.run(chain(map_of(self.SINGLE)), rerun=rerun, items=[1, 2, 3, 4, 5]) is Status.SUCCESS
        assert executor.triggered_together == [["map.%=2.one", "map.%=4.one"]]
        assert stage.parameters["squared"] == [1, 4, 9, 16, 25]

    def test_a_map_that_a_rerun_skips_whole_triggers_nothing(self) -> None:
        """No call for no job."""
        (node,) = [node for node in self.SINGLE.nodes.values() if node.task]
        done = {"map.%=1.one": StepLog("one", "map.%=1.one", Status.SUCCESS, work_hash=node.work_hash())}
        rerun = Rerun("before", done, {}, lambda _step: {})
        executor = FakeExecutor(100, most_jobs_together=100)
        stage = Stage(executor)
        assert stage.run(chain(map_of(self.SINGLE), task("after")), rerun=rerun, items=[1]) is Status.SUCCESS
        assert executor.triggered_together == []
        assert executor.triggered == [("after", 1)]

    def test_jobs_that_are_refused_together_fail_each_their_own_step(self) -> None:
        """Each has an attempt that says so; what follows a failure follows it."""
        executor = FakeExecutor(most_jobs_together=100)
        executor.refused = {"map.%=2.one"}
        stage = Stage(executor)
        assert stage.run(chain(map_of(self.SINGLE)), items=[1, 2, 3]) is Status.FAIL
        assert executor.triggered == []
        for item in (1, 2, 3):
            step = stage.steps[f"map.%={item}.one"]
            assert (step.status, [attempt.failure for attempt in step.attempts]) == (
                Status.FAIL,
                [["submission"]],
            )
            assert "were refused" in step.message
        assert stage.steps["map"].message == "failed in %=1, %=2, %=3"

    def test_each_job_is_taken_as_far_as_the_executor_says_it_got(self) -> None:
        """Some have ended already, well or not; others end later."""

        class RunsSome(FakeExecutor):
            def trigger_jobs(self, jobs: Sequence[Job], run_here: Any) -> list[Status]:
                """Run the first and the last at once, and take the others."""
                return [
                    run_here(jobs[0]),
                    *(self.trigger_job(job, run_here) for job in jobs[1:-1]),
                    run_here(jobs[-1]),
                ]

        def odd(context: TaskContext) -> dict[str, Any]:
            if context.get_parameter("item") == 4:
                raise ValueError("as the test says")
            return {"seen": context.get_parameter("item")}

        executor = RunsSome(most_jobs_together=100)
        stage = Stage(executor, {"odd": odd})
        assert stage.run(chain(map_of(chain(task("one", "odd")))), items=[1, 2, 3, 4]) is Status.FAIL
        assert stage.calls.steps == [f"map.%={item}.one" for item in (1, 4, 2, 3)]
        assert [stage.steps[f"map.%={item}.one"].status for item in (1, 2, 3, 4)] == [
            *[Status.SUCCESS] * 3,
            Status.FAIL,
        ]

    def test_further_attempts_come_one_by_one(self) -> None:
        """Each after its own pause; only the first attempts are gathered."""
        executor = FakeExecutor(most_jobs_together=100)
        executor.lose("map.%=2.one", message="gone")
        executor.lose("map.%=3.one", message="gone")
        stage = Stage(executor)
        branch = chain(task("one", "square", retry=RetryPolicy(2, Backoff(10))))
        assert stage.run(chain(map_of(branch)), items=[1, 2, 3]) is Status.SUCCESS
        assert executor.triggered_together == [[f"map.%={item}.one" for item in (1, 2, 3)]]
        assert executor.triggered[3:] == [("map.%=2.one", 2), ("map.%=3.one", 2)]
        assert stage.parameters["squared"] == [1, 4, 9]

    def test_an_interrupt_while_jobs_are_gathered_records_what_had_begun(self) -> None:
        """Nothing was triggered; neither a step nor a branch is left open."""

        class Interrupted(FakeExecutor):
            def add_code_identities(self, job: Job) -> list[Any]:
                """Be interrupted when the third begins."""
                if job.step_name == "map.%=3.one":
                    raise StopRun("interrupted by SIGTERM", interrupted=True)
                return []

        executor = Interrupted(most_jobs_together=100)
        stage = Stage(executor)
        with pytest.raises(StopRun):
            stage.run(chain(map_of(self.SINGLE)), items=[1, 2, 3, 4])
        assert executor.triggered == []
        ended = {name: (step.status, step.message) for name, step in stage.steps.items()}
        stopped = (Status.FAIL, "interrupted by SIGTERM")
        assert ended == {"map": stopped, "map.%=1.one": stopped, "map.%=2.one": stopped}
        assert {branch.status for branch in stage.steps["map"].branches.values()} == {Status.FAIL}

    def test_each_map_is_gathered_by_itself(self) -> None:
        """The next map begins with nothing."""
        graph = chain(map_of(self.SINGLE), map_of(self.SINGLE)._replace(name="again"))
        assert [len(names) for names in self.gathered(graph, items=[1, 2])] == [2, 2]


def test_when_a_run_is_stopped_everything_that_was_open_is_closed() -> None:
    """Jobs, steps, branches and the nodes around them, each with the reason; what had succeeded stays so."""
    executor = FakeExecutor(choose=in_order("a", "b", "c"))

    def stop() -> None:
        if len(executor.triggered) == 4:
            raise StopRun("interrupted by SIGTERM", interrupted=True)

    executor.before_wait = stop
    pausing = task("one", "fail", retry=RetryPolicy(2, Backoff(3600)))
    branches = {"a": chain(pausing), "b": chain(task("one"), task("two")), "c": chain(task("one"))}
    stage = Stage(executor)
    with pytest.raises(StopRun):
        stage.run(chain(parallel("p", **branches)))
    assert [job.step_name for job in executor.stopped] == ["p.c.one", "p.b.two"]
    steps = stage.steps
    assert {name: step.status for name, step in steps.items()} == {
        "p": Status.FAIL,
        "p.a.one": Status.FAIL,
        "p.b.one": Status.SUCCESS,
        "p.b.two": Status.FAIL,
        "p.c.one": Status.FAIL,
    }
    assert all(branch.status is Status.FAIL for branch in steps["p"].branches.values())
    assert {steps[name].message for name in ("p", "p.b.two", "p.c.one")} == {"interrupted by SIGTERM"}
    assert steps["p.c.one"].attempts[-1].failure == ["interrupted"]


def test_composite_nodes_nest_without_recursion() -> None:
    """Five hundred of them inside each other, opened and joined."""
    graph = chain(task("leaf", "a"))
    for _ in range(500):
        graph = chain(parallel("p", b=graph))
    stage = Stage(FakeExecutor())
    assert stage.run(graph) is Status.SUCCESS
    assert stage.parameters == {"x": "a", "a": True}
    assert sum(1 for step in stage.log.walk() if step.step_type == "parallel") == 500


def test_a_graph_that_takes_too_long_starts_nothing_more() -> None:
    """The step that would have come next fails with the reason, in a branch with a limit of its own too."""
    slow = chain(task("one", "slow"), task("two"))._replace(max_time_seconds=10)
    stage = Stage(FakeExecutor(), {"slow": lambda _context: stage.clock.sleep(11)})
    assert stage.run(chain(parallel("p", a=slow))) is Status.FAIL
    assert stage.steps["p.a.one"].status is Status.SUCCESS
    assert stage.steps["p.a.two"].message == "not started: the graph took longer than its max_time of 10 s"
    assert stage.calls.steps == ["p.a.one"]


def test_a_single_step_can_be_run_alone() -> None:
    """The others of the outermost graph count as done; a composite one runs with all its branches."""
    stage = Stage(FakeExecutor())
    graph = chain(task("one", "a"), parallel("p", a=chain(task("one", "b"))), task("two"))
    assert stage.run(graph, single_step="p") is Status.SUCCESS
    assert stage.calls.steps == ["p.a.one"]
    assert [name for name, step in stage.log.steps.items() if step.mock] == ["one", "two"]


def test_a_graph_is_only_traversed_with_an_interactive_executor() -> None:
    """One that renders has no jobs."""

    class Renders(Executor):
        @classmethod
        def capabilities(cls, options: Any) -> ExecutorCapabilities:
            """Run elsewhere."""
            return ExecutorCapabilities(Placement.REMOTE)

    unused: Any = None
    with pytest.raises(TypeError, match="interactive"):
        Traversal(Stage(Renders()).context, unused, {})


def test_the_way_after_a_node_follows_its_status() -> None:
    """`next` after success; after failure `on_failure`, or else the fail node, whatever it is called."""
    plain, mending = task("one", next="two"), task("one", next="two", on_failure="mend")
    graph = Graph("one", {"one": plain, "over": FAILED._replace(name="over"), "done": DONE})
    assert next_node_name(plain, graph, Status.SUCCESS) == "two"
    assert next_node_name(plain, graph, Status.FAIL) == "over"
    assert next_node_name(mending, graph, Status.FAIL) == "mend"
