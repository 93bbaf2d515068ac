"""Runs that are killed, or left, at every point, and traversed to their end by another traversal."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from magnus.builtin import node_types
from magnus.builtin.buffered import BufferedRunLogStore
from magnus.builtin.do_nothing import DoNothingCatalog, DoNothingSecrets, DoNothingTracker
from magnus.domain.canonical import first_difference
from magnus.domain.capabilities import Isolation
from magnus.domain.graph import Graph
from magnus.domain.nodes import Backoff, MapSettings, Node, RetryPolicy, TaskSettings
from magnus.domain.parameters import INLINE_LIMIT, encode_all
from magnus.domain.records import RecordKind
from magnus.domain.run_log import BranchLog, RunLog, Status, StepLog
from magnus.engine.attached import Attached, read_attached
from magnus.engine.context import RunContext, Services
from magnus.engine.interrupt import Interrupts, StopRun
from magnus.engine.masking import Masker
from magnus.engine.recorder import RunRecorder, read_run_log
from magnus.engine.reporting import SilentReporter
from magnus.engine.traversal import Traversal
from magnus.engine.workspaces import Workspaces
from magnus.ports.executor import CommonOptions
from magnus.ports.task_type import TaskResult, TaskType
from magnus.testing.fakes import FakeClock, FakeCompute, InProcessStepRunner, LeavingExecutor

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from magnus.domain.jobs import Job, JobEnd
    from magnus.domain.parameters import Values
    from magnus.domain.records import Record
    from magnus.ports.executor import Executor
    from magnus.ports.node_type import NodeType
    from magnus.ports.run_log_store import RunLogStore
    from magnus.ports.task_type import TaskContext

DONE = Node("done", "success", {"type": "success"})
FAILED = Node("failed", "fail", {"type": "fail"})
LARGE = "x" * INLINE_LIMIT
TWICE = RetryPolicy(2, Backoff(60))


def chain(*nodes: Node) -> Graph:
    """Return a graph in which *nodes* follow each other."""
    names = [node.name for node in nodes]
    linked = [node._replace(next=to) for node, to in zip(nodes, [*names[1:], "done"], strict=True)]
    return Graph(names[0], {node.name: node for node in (*linked, DONE, FAILED)})


def task(name: str, command: str = "note", **more: Any) -> Node:
    """Return a task."""
    definition = {"type": "task", "command": command}
    return Node(name, "task", definition, task=TaskSettings(command, "call"), **more)


def branches(name: str, kind: str = "parallel", **graphs: Graph) -> Node:
    """Return a composite node."""
    return Node(name, kind, {"type": kind}, branches=graphs)


def map_of(name: str, branch: Graph) -> Node:
    """Return a map over the parameter `items`."""
    return Node(
        name, "map", {"type": "map"}, branches={"item": branch}, map=MapSettings("items", "item", None)
    )


EVERYTHING = chain(
    task("first"),
    task("flaky", "flaky", retry=TWICE),
    branches(
        "sides",
        left=chain(task("one"), task("two", "fail", on_failure="mend"), task("skipped"), task("mend")),
        right=chain(branches("inner", "dag", dag=chain(task("leaf", "large"), task("sees")))),
        asis=chain(Node("pass", "as-is", {"type": "as-is"})),
    ),
    branches("quiet", a=chain(Node("pass", "as-is", {"type": "as-is"})), b=chain(task("one", "quiet"))),
    map_of("each", chain(task("one", "flaky", retry=TWICE), task("two"))),
    map_of("gathered", chain(task("one", "flaky", retry=TWICE))),
    task("lost", "fail", retry=TWICE, on_failure="last"),
    task("unreached"),
    task("last"),
)
"""Of everything that a run can be killed in."""


class Calls(TaskType):
    """What the tasks of the tests do."""

    def run(self, command: str, options: Any, context: TaskContext) -> TaskResult:
        """Note in a parameter of the step's own what it finds; fail where the command says so."""
        name = context.step_name.replace(".", "_").replace("%=", "")
        seen = {name: sorted(context.parameter_names)}
        if command == "fail" or (command == "flaky" and _attempt_number(context) == 1):
            raise ValueError("as the test says")
        if command == "quiet":
            return TaskResult()
        return TaskResult({**seen, **({"large": LARGE} if command == "large" else {})})


def _attempt_number(context: Any) -> int:
    number: int = context._job.attempt_number  # noqa: SLF001 - a task is not told, so that all attempts are alike
    return number


class Types:
    """The built-in types of nodes, and one type of task."""

    def __init__(self) -> None:
        """Make them."""
        self._calls = Calls()
        self._types: dict[str, NodeType] = {
            "task": node_types.TaskNode(),
            "success": node_types.SuccessNode(),
            "fail": node_types.FailNode(),
            "parallel": node_types.ParallelNode(),
            "dag": node_types.DagNode(),
            "map": node_types.MapNode(),
            "as-is": node_types.AsIsNode(),
        }

    def node_type(self, name: str) -> NodeType:
        """Return one."""
        return self._types[name]

    def task_type(self, name: str) -> TaskType:
        """Return the one."""
        return self._calls

    def task_options(self, node: Node) -> None:
        """Have none."""

    def executor_options(self, node: Node) -> CommonOptions:
        """Return those of every node."""
        return CommonOptions(enable_parallel=True)


def no_workers() -> NoReturn:
    """Refuse: the tasks of these tests exist in this process only."""
    raise NotImplementedError


class Killed(BaseException):
    """The process that traverses is no more."""


class Life:
    """Lets a traversal do a number of things, and then no more; writes, triggers and waits are things.

    Attributes:
        done: How many it did.
        is_contrary: Whether it writes what has no order in the one order rather than in the other.
        values: The large values that it wrote.
    """

    def __init__(self, things: int | None = None, *, is_contrary: bool = False) -> None:
        """Last for *things*; None for ever."""
        self._left = itertools.count() if things is None else iter(range(things))
        self.done = 0
        self.is_contrary = is_contrary
        self.values: list[str] = []

    def tick(self) -> None:
        """Do one, or die."""
        if next(self._left, None) is None:
            raise Killed
        self.done += 1


class MortalStore(BufferedRunLogStore):
    """Writes to a store that outlives it; what a killed process no longer writes is never written."""

    def __init__(self, kept: RunLogStore, life: Life) -> None:
        """Write to *kept*."""
        super().__init__()
        self._kept = kept
        self._life = life

    def create_run(self, run_id: str, records: Sequence[Record]) -> None:
        """See the port."""
        self._life.tick()
        self._kept.create_run(run_id, records)

    def put(self, run_id: str, records: Sequence[Record], *, durable: bool = True) -> None:
        """See the port."""
        self._life.tick()
        self._life.values += [record.name for record in records if record.kind is RecordKind.VALUE]
        self._kept.put(run_id, records, durable=durable)

    def put_in_any_order(self, run_id: str, records: Sequence[Record]) -> None:
        """See the port: of a killed process, any of *records* may have been written."""
        order = sorted(records, key=lambda record: (record.name, record.kind), reverse=self._life.is_contrary)
        for record in order:
            self.put(run_id, [record], durable=False)

    def get(self, run_id: str, kind: RecordKind, name: str) -> str | None:
        """See the port."""
        return self._kept.get(run_id, kind, name)

    def scan(self, run_id: str, kinds: Collection[RecordKind] | None = None) -> Iterator[Record]:
        """See the port."""
        return self._kept.scan(run_id, kinds)


class MortalExecutor(LeavingExecutor):
    """May die before it has triggered or waited, and after."""

    def __init__(self, compute: FakeCompute, life: Life, together: int = 1) -> None:
        """Work as long as *life* lasts."""
        super().__init__(compute, 100, together)
        self._life = life

    def trigger_job(self, job: Job, run_here: Any) -> Status:
        """See the port."""
        self._life.tick()
        status = super().trigger_job(job, run_here)
        self._life.tick()
        return status

    def wait_for_jobs(self, timeout_seconds: float | None) -> list[JobEnd]:
        """See the port."""
        self._life.tick()
        ends = super().wait_for_jobs(timeout_seconds)
        self._life.tick()
        return ends


class Place:
    """A run log store and a compute, which outlive every traversal of the run; and a clock that all of them look at."""

    def __init__(self, together: int = 1) -> None:
        """Nothing has run; executors want *together* jobs of a map at once."""
        self.store = BufferedRunLogStore()
        self.clock = FakeClock()
        self.together = together
        self.compute = FakeCompute(lambda _job: Status.FAIL)
        runner = InProcessStepRunner(self.context(LeavingExecutor(self.compute), self.store), no_workers)
        runner.__enter__()
        self._runner = runner
        self.compute.run = runner
        self.recorder = RunRecorder(self.store, "run", Masker())

    def close(self) -> None:
        """Leave nothing."""
        self._runner.__exit__()

    def context(self, executor: Executor, store: RunLogStore) -> RunContext:
        """Return the run, as one process sees it."""
        unused: Any = None
        return RunContext(
            run_id="run",
            tag="",
            executor=executor,
            services=Services(store, DoNothingCatalog(), DoNothingSecrets(), DoNothingTracker()),
            types=Types(),
            recorder=RunRecorder(store, "run", Masker()),
            masker=Masker(),
            reporter=SilentReporter(),
            terminal=unused,
            clock=self.clock,
            interrupts=Interrupts(),
            code_identities=[],
            workspaces=Workspaces(Isolation.NONE, str(Path.cwd())),
        )

    def executor(self, life: Life | None = None) -> MortalExecutor:
        """Return one."""
        return MortalExecutor(self.compute, life or Life(), self.together)

    def begin(self, graph: Graph, life: Life | None = None, **parameters: Any) -> Status | None:
        """Begin the run, and traverse it as long as *life* lasts; None if that is not to its end."""
        life = life or Life()
        values = encode_all(parameters, "test")
        context = self.context(self.executor(life), MortalStore(self.store, life))
        try:
            context.recorder.create_run_log(self._head(graph), values)
            return self._traverse(context, graph, values, None)
        except Killed:
            return None

    def attach(
        self,
        graph: Graph,
        executor: LeavingExecutor | None = None,
        life: Life | None = None,
        between: Callable[[], None] = lambda: None,
        noted: StopRun | None = None,
    ) -> Status | None:
        """Go on with the run, as `magnus runs attach` does.

        Args:
            graph: The pipeline.
            executor: To be used; one that lasts as long as *life* by default.
            life: How long this traversal lasts.
            between: Happens after the run log was read.
            noted: What stops the run before its first step.
        """
        life = life or Life()
        executor = executor or self.executor(life)
        head = self.recorder.get_run_log()
        attached = read_attached(self.store, "run", self.clock.seconds_since(head.start_time))
        between()
        unused: Any = None
        executor.adopt("run", (), unused)
        context = self.context(executor, MortalStore(self.store, life))
        context.interrupts._stop = noted  # noqa: SLF001 - as a signal that comes meanwhile
        values = context.recorder.resolve(head.input_parameters)
        context.recorder.adopt(values.values())
        try:
            return self._traverse(context, graph, values, attached)
        except Killed:
            return None

    def _head(self, graph: Graph) -> RunLog:
        return RunLog("run", dag_hash=graph.hash(), start_time=self.clock.timestamp())

    def _traverse(
        self, context: RunContext, graph: Graph, values: Values, attached: Attached | None
    ) -> Status:
        with InProcessStepRunner(context, no_workers) as run_here:
            traversal = Traversal(context, run_here, dict(values), attached=attached)
            status = traversal.execute_graph(graph)
            head = context.recorder.get_run_log()
            head.status, head.end_time = status, self.clock.timestamp()
            context.recorder.set_run_log(head, traversal.parameters)
            return status

    def finish_jobs(self) -> None:
        """Let all that runs end."""
        while self.compute.running:
            self.compute.go_on()

    @property
    def log(self) -> RunLog:
        """The run log."""
        return read_run_log(self.store, "run")

    @property
    def steps(self) -> dict[str, StepLog]:
        """Every step by internal name."""
        return {step.internal_name: step for step in self.log.walk()}


@pytest.fixture
def place() -> Iterator[Place]:
    """Return it."""
    made = Place()
    yield made
    made.close()


def uninterrupted(
    graph: Graph, together: int = 1, **parameters: Any
) -> tuple[RunLog, int, set[tuple[str, int]]]:
    """Return the log of a run of *graph*, how many things its traversal did, and the jobs that were started."""
    place, life = Place(together), Life()
    try:
        assert place.begin(graph, life, **parameters) is not None
        return place.log, life.done, set(place.compute.started)
    finally:
        place.close()


EVENTS = ["all end", "one ends", "none ends", "all end while it attaches"]
STRIDE = 3
"""Each point is tried with some of what may happen meanwhile; all of them with all of it would take half a minute."""


@pytest.mark.parametrize("together", [1, 100], ids=["one by one", "together"])
@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("is_contrary", [False, True])
def test_a_run_that_is_killed_at_any_point_goes_on_as_if_it_had_not_been(
    event: str, together: int, *, is_contrary: bool
) -> None:
    """The run log is that of an uninterrupted run, and no job is started twice, whatever its jobs did meanwhile."""
    items = [1, 2]
    expected, things, jobs = uninterrupted(EVERYTHING, together, items=items)
    assert things > 120
    first = 1 + EVENTS.index(event) % STRIDE
    for killed_after in range(first, things, STRIDE):
        place = Place(together)
        assert place.begin(EVERYTHING, Life(killed_after, is_contrary=is_contrary), items=items) is None
        if event == "all end":
            place.finish_jobs()
        elif event == "one ends":
            place.compute.go_on()
        between = place.finish_jobs if event == "all end while it attaches" else (lambda: None)
        assert place.attach(EVERYTHING, between=between) is Status.SUCCESS
        assert first_difference(expected, place.log) is None, killed_after
        assert sorted(place.compute.started) == sorted(jobs), killed_after
        place.close()


def test_a_run_can_be_killed_again_and_again() -> None:
    """Each traversal goes on from where the last one was."""
    expected, _, jobs = uninterrupted(EVERYTHING, 100, items=[1, 2])
    place = Place(100)
    assert place.begin(EVERYTHING, Life(10), items=[1, 2]) is None
    for things in range(5, 200):
        place.compute.go_on()
        if place.attach(EVERYTHING, life=Life(things)) is not None:
            break
    assert things > 10
    assert first_difference(expected, place.log) is None
    assert sorted(place.compute.started) == sorted(jobs)
    place.close()


def killed_in_flight(place: Place, graph: Graph, job: tuple[str, int], **parameters: Any) -> None:
    """Begin the run of *graph*, and kill its traversal once *job* is in flight."""
    for things in itertools.count(1):
        trial = Place(place.together)
        assert trial.begin(graph, Life(things), **parameters) is None, f"{job} was never in flight"
        found = job in trial.compute.started
        trial.close()
        if found:
            assert place.begin(graph, Life(things), **parameters) is None
            return


def test_what_a_job_wrote_while_nobody_traversed_is_not_written_over(place: Place) -> None:
    """Neither when its step is come to again, nor when its job is asked for."""
    graph = chain(task("one"))
    killed_in_flight(place, graph, ("one", 1))
    before: list[StepLog] = []
    executor = place.executor()
    executor.before_wait = lambda: before.append(place.steps["one"])
    assert place.attach(graph, executor, between=place.finish_jobs) is Status.SUCCESS
    (step,) = before
    assert (step.status, len(step.attempts)) == (Status.SUCCESS, 1)


def test_what_the_jobs_of_a_branch_left_in_its_parameters_is_there_for_its_next_step(place: Place) -> None:
    """Its parameters are not begun anew."""
    graph = chain(branches("p", a=chain(task("one"), task("two"))))
    killed_in_flight(place, graph, ("p.a.one", 1), given=1)
    place.finish_jobs()
    assert place.attach(graph) is Status.SUCCESS
    assert place.steps["p.a.two"].output_parameters == {"p_a_two": ["given", "p_a_one"]}
    assert set(place.log.parameters) == {"given", "p_a_one", "p_a_two"}


def test_large_values_that_are_there_are_not_written_again(place: Place) -> None:
    """Neither what a step has set, nor the item of a branch; they may be many, and far away."""
    graph = chain(task("one", "large"), map_of("each", chain(task("one"))), task("last"))
    items = [LARGE, LARGE + "y"]
    killed_in_flight(place, graph, ("last", 1), items=items)
    life = Life()
    assert place.attach(graph, life=life) is Status.SUCCESS
    assert life.values == []
    assert place.log.parameters["items"] == items


def test_steps_that_ended_are_not_told_again(place: Place) -> None:
    """Nothing is triggered for them, and their records stay."""
    graph = chain(task("one"), task("two"))
    killed_in_flight(place, graph, ("two", 1))
    executor = place.executor()
    assert place.attach(graph, executor) is Status.SUCCESS
    assert executor.triggered == [("two", 1)]


@pytest.mark.parametrize(("passed", "left"), [(0.0, 60.0), (45.0, 15.0), (100.0, 0.0)])
def test_of_a_pause_between_attempts_only_the_rest_is_waited_for(
    place: Place, passed: float, left: float
) -> None:
    """It counts from the end of the attempt that failed."""
    graph = chain(task("one", "flaky", retry=TWICE))
    killed_in_flight(place, graph, ("one", 1))
    place.finish_jobs()
    place.clock.now += passed
    before = place.clock.now
    assert place.attach(graph) is Status.SUCCESS
    assert place.clock.now - before == pytest.approx(left)
    assert [attempt.status for attempt in place.steps["one"].attempts] == [Status.FAIL, Status.SUCCESS]


def test_a_later_attempt_that_is_in_flight_is_waited_for(place: Place) -> None:
    """It is not started again, and the attempt before it stays."""
    graph = chain(task("one", "flaky", retry=TWICE))
    killed_in_flight(place, graph, ("one", 2))
    executor = place.executor()
    assert place.attach(graph, executor) is Status.SUCCESS
    assert executor.triggered == [("one", 2)]
    assert place.compute.started == [("one", 1), ("one", 2)]
    assert [attempt.status for attempt in place.steps["one"].attempts] == [Status.FAIL, Status.SUCCESS]


def test_the_jobs_of_a_map_that_were_in_flight_are_gathered_with_those_that_were_not() -> None:
    """The executor tells them apart."""
    graph = chain(map_of("each", chain(task("one"))))
    place = Place(2)
    killed_in_flight(place, graph, ("each.%=3.one", 1), items=[1, 2, 3, 4])
    executor = place.executor()
    assert place.attach(graph, executor) is Status.SUCCESS
    names = [f"each.%={item}.one" for item in (1, 2, 3, 4)]
    assert executor.triggered_together == [names[:2], names[2:]]
    assert sorted(place.compute.started) == [(name, 1) for name in names]
    place.close()


class TestTime:
    """`max_time` of a run that was left for a while: it counts from the beginning."""

    GRAPH = chain(task("one"), task("two"))._replace(max_time_seconds=100)

    def test_what_comes_after_it_is_not_started(self, place: Place) -> None:
        """What had begun in time is waited for."""
        killed_in_flight(place, self.GRAPH, ("one", 1))
        place.clock.now += 101
        assert place.attach(self.GRAPH) is Status.FAIL
        assert place.steps["one"].status is Status.SUCCESS
        assert place.steps["two"].message == "not started: the graph took longer than its max_time of 100 s"
        assert place.compute.started == [("one", 1)]

    def test_the_time_that_is_left_can_be_used(self, place: Place) -> None:
        """An attach begins no new time."""
        killed_in_flight(place, self.GRAPH, ("one", 1))
        place.clock.now += 60
        executor = place.executor()

        def work() -> None:
            place.clock.now += 30

        executor.before_wait = work
        assert place.attach(self.GRAPH, executor) is Status.SUCCESS
        assert place.clock.now == 120

    def test_a_branch_with_a_limit_of_its_own_may_end_what_it_had_begun(self, place: Place) -> None:
        """When it began is not known any more, so it counts anew."""
        graph = chain(branches("p", a=chain(task("one"), task("two"))._replace(max_time_seconds=10)))
        killed_in_flight(place, graph, ("p.a.one", 1))
        place.clock.now += 1000
        assert place.attach(graph) is Status.SUCCESS


class TestStops:
    """An interrupt, or `max_time`, while a run is traversed that was attached to."""

    GRAPH = chain(
        branches("p", a=chain(task("one"), task("two")), b=chain(branches("q", c=chain(task("one"))))),
        task("after"),
    )

    def stop(self, place: Place, stop: StopRun, waits: int) -> None:
        """Attach to a run with jobs in flight; *stop* comes before the *waits*-th wait, or before the first step for 0."""
        killed_in_flight(place, self.GRAPH, ("p.b.q.c.one", 1))
        executor = place.executor()
        count = itertools.count(1)

        def interrupt() -> None:
            if next(count) == waits:
                raise stop

        executor.before_wait = interrupt
        with pytest.raises(StopRun):
            place.attach(self.GRAPH, executor, noted=stop if waits == 0 else None)

    @pytest.mark.parametrize("waits", [0, 1, 2])
    def test_a_signal_leaves_everything_as_it_is(self, place: Place, waits: int) -> None:
        """The run can be attached to once more."""
        stop = StopRun("interrupted by SIGINT", interrupted=True)
        self.stop(place, stop, waits)
        assert place.compute.stopped == []
        assert not any(step.status is Status.FAIL for step in place.steps.values())
        assert place.attach(self.GRAPH) is Status.SUCCESS
        assert len(place.compute.started) == len(set(place.compute.started)) == 4

    @pytest.mark.parametrize("waits", [0, 1, 2])
    def test_the_end_of_its_time_closes_all_that_was_open(self, place: Place, waits: int) -> None:
        """Also what the new traversal had not come to yet; what ended well stays so, and no job goes on."""
        stop = StopRun("the run took longer than its max_time of 100 s", interrupted=False)
        self.stop(place, stop, waits)
        assert place.compute.running == []
        assert place.compute.stopped != []
        open_steps = [name for name, step in place.steps.items() if not step.status.has_ended]
        assert open_steps == []
        failed = {step.message for step in place.steps.values() if step.status is Status.FAIL}
        assert failed == {stop.reason}
        statuses = [branch.status for step in place.steps.values() for branch in step.branches.values()]
        assert set(statuses) == {Status.FAIL}


def test_what_was_recorded_is_read_with_its_branches() -> None:
    """Steps of every depth, and branches whether they have ended or not, if they were opened whole."""
    store = BufferedRunLogStore()
    recorder = RunRecorder(store, "run", Masker())
    recorder.create_run_log(RunLog("run"), {})
    recorder.add_step_log(StepLog("p", "p", step_type="parallel"))
    recorder.add_branch_log(BranchLog("p.a"), {})
    recorder.add_branch_log(BranchLog("p.b", Status.SUCCESS), {})
    recorder.add_branch_log(BranchLog("p.begun"))
    recorder.add_step_log(StepLog("one", "p.a.one", Status.SUCCESS))
    attached = read_attached(store, "run", 5.0)
    assert {name: step.status for name, step in attached.steps.items()} == {
        "p": Status.PROCESSING,
        "p.a.one": Status.SUCCESS,
    }
    assert attached.branches == {"p.a", "p.b"}
    assert attached.elapsed_seconds == 5.0
