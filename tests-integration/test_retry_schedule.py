"""When attempts are made, on a clock that nobody waits for."""

from __future__ import annotations

import heapq
import itertools
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from harness import chain

from magnus.bootstrap import Setup, open_run
from magnus.definition.config import config_from_mapping
from magnus.definition.pipeline import build_graph
from magnus.domain.capabilities import ExecutorCapabilities, Placement
from magnus.domain.jobs import JobEnd
from magnus.domain.run_log import RunLog, Status
from magnus.engine.clock import Clock
from magnus.engine.masking import Masker
from magnus.engine.recorder import read_run_log
from magnus.engine.reporting import SilentReporter
from magnus.engine.terminal import Terminal
from magnus.engine.traversal import Traversal
from magnus.plugins.discovery import find_plugins
from magnus.plugins.manager import AdapterManager
from magnus.ports.executor import InteractiveExecutor
from magnus.testing.fakes import InProcessStepRunner

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from magnus.domain.jobs import Job
    from magnus.ports.executor import StepRunner as LentRunner


class VirtualClock(Clock):
    """Goes on only when somebody sleeps."""

    def __init__(self) -> None:
        """Begin at zero."""
        self.now = 0.0

    def monotonic(self) -> float:
        """Return the virtual seconds so far."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Let time pass at once."""
        self.now += seconds


class Elsewhere(InteractiveExecutor):
    """Jobs take the virtual seconds that a script says, and end as it says; notes when each attempt began."""

    def __init__(
        self, clock: VirtualClock, script: Mapping[str, Sequence[tuple[float, str]]], room: int
    ) -> None:
        """Run *room* jobs at a time; *script* has for each step the duration and the failure of every attempt."""
        super().__init__()
        self._clock = clock
        self._script = script
        self._room = room
        self._order = itertools.count()
        self._running: list[tuple[float, int, Job]] = []
        self.begun: list[tuple[float, str, int]] = []

    @classmethod
    def capabilities(cls, options: Any) -> ExecutorCapabilities:
        """Stand for any executor whose branches run at the same time."""
        return ExecutorCapabilities(Placement.REMOTE, concurrent_branches=True)

    @property
    def max_concurrent_jobs(self) -> int:
        """As it was told."""
        return self._room

    def trigger_job(self, job: Job, run_here: LentRunner) -> Status:
        """Note the moment."""
        self.begun.append((round(self._clock.now, 6), job.step_name, job.attempt_number))
        duration, _ = self._script[job.step_name][job.attempt_number - 1]
        heapq.heappush(self._running, (self._clock.now + duration, next(self._order), job))
        self._run_here = run_here
        return Status.TRIGGERED

    def wait_for_jobs(self, timeout_seconds: float | None) -> list[JobEnd]:
        """Let time pass until the next job ends, or the timeout."""
        end = self._running[0][0]
        if timeout_seconds is not None and self._clock.now + timeout_seconds < end:
            self._clock.now += timeout_seconds
            return []
        self._clock.now = end
        _, _, job = heapq.heappop(self._running)
        _, failure = self._script[job.step_name][job.attempt_number - 1]
        if failure:
            return [JobEnd(job, Status.FAIL, "as the script says", failure=failure)]
        return [JobEnd(job, self._run_here(job))]


def _no_workers() -> NoReturn:
    raise NotImplementedError


class Schedule:
    """What came of a traversal: the moments at which attempts began, and the run log."""

    def __init__(
        self, dag: Mapping[str, Any], script: Mapping[str, Sequence[tuple[float, str]]], room: int = 8
    ) -> None:
        """Traverse *dag* on a virtual clock."""
        adapters = AdapterManager(find_plugins())
        blocks = {"run_log_store": {"type": "buffered"}, "catalog": {"type": "do-nothing"}}
        graph = build_graph(dag, adapters=adapters)
        clock = VirtualClock()
        executor = Elsewhere(clock, script, room)
        with Terminal() as terminal:
            run = open_run(
                Setup(config_from_mapping(blocks, adapters), adapters),
                run_id="run",
                tag="",
                terminal=terminal,
                reporter=SilentReporter(),
                masker=Masker(),
                executor=executor,
            )
            try:
                context = run.context._replace(clock=clock)
                context.recorder.create_run_log(RunLog("run"), {})
                with InProcessStepRunner(context, _no_workers) as run_here:
                    self.status = Traversal(context, run_here, {}).execute_graph(graph)
                self.log = read_run_log(context.services.run_log_store, "run")
            finally:
                run.close()
        self.begun = executor.begun
        self.seconds = clock.now

    def moments(self, step: str) -> list[float]:
        """Return when the attempts at *step* began."""
        return [moment for moment, name, _ in self.begun if name == step]


def task(**more: Any) -> dict[str, Any]:
    """Return a task that succeeds when it is run."""
    return {"command_type": "python-lambda", "command": "lambda: {}"} | more


def test_pauses_grow_by_the_factor_up_to_the_maximum() -> None:
    """Attempts of no length begin after 2, 6, 18 and then ever 20 more seconds."""
    retry = {"max_attempts": 6, "backoff": {"initial": 2, "factor": 3, "max": 20, "jitter": 0}}
    schedule = Schedule(chain({"one": task(retry=retry)}), {"one": [(0, "error")] * 5 + [(0, "")]})
    assert schedule.moments("one") == [0, 2, 8, 26, 46, 66]
    assert schedule.status is Status.SUCCESS
    assert [attempt.attempt_number for attempt in schedule.log.steps["one"].attempts] == [1, 2, 3, 4, 5, 6]


def test_a_pause_begins_when_the_attempt_has_ended() -> None:
    """How long an attempt took does not shorten the pause after it."""
    retry = {"max_attempts": 3, "backoff": {"initial": 10, "factor": 2}}
    schedule = Schedule(chain({"one": task(retry=retry)}), {"one": [(100, "error"), (7, "error"), (1, "")]})
    assert schedule.moments("one") == [0, 110, 137]
    assert schedule.seconds == 138


def test_without_backoff_the_next_attempt_comes_at_once() -> None:
    """A bare number of attempts means no pause."""
    schedule = Schedule(chain({"one": task(retry=3)}), {"one": [(1, "error"), (1, "error"), (1, "")]})
    assert schedule.moments("one") == [0, 1, 2]


def test_attempts_end_where_retry_says() -> None:
    """No attempt follows the last one that is allowed, and there is no pause after it."""
    retry = {"max_attempts": 2, "backoff": {"initial": 50}}
    schedule = Schedule(chain({"one": task(retry=retry)}), {"one": [(1, "error"), (1, "error")]})
    assert schedule.moments("one") == [0, 51]
    assert schedule.seconds == 52
    assert schedule.status is Status.FAIL


def test_only_the_failures_that_retry_on_lists_are_tried_again() -> None:
    """The first failure of another name ends the step."""
    retry = {"max_attempts": 5, "retry_on": ["timeout"]}
    schedule = Schedule(chain({"one": task(retry=retry)}), {"one": [(1, "timeout"), (1, "exit:3"), (1, "")]})
    assert schedule.moments("one") == [0, 1]
    assert schedule.status is Status.FAIL


def test_jitter_shortens_a_pause_by_its_share_at_most() -> None:
    """Pauses of branches that failed together are spread out, within the bounds, and the same in every run."""
    retry = {"max_attempts": 2, "backoff": {"initial": 100, "jitter": 0.5}}
    branches = {f"b{number}": chain({"one": task(retry=retry)}) for number in range(20)}
    script = {f"split.{name}.one": [(0, "error"), (0, "")] for name in branches}
    dag = chain({"split": {"type": "parallel", "branches": branches}})
    schedules = [Schedule(dag, script, room=20) for _ in range(2)]
    second = [schedules[0].moments(step)[1] for step in script]
    assert all(50 <= moment <= 100 for moment in second)
    assert len(set(second)) == 20
    assert max(second) - min(second) > 20
    assert second == [schedules[1].moments(step)[1] for step in script]


@pytest.mark.parametrize("room", [2, 8])
def test_a_branch_that_pauses_does_not_hold_up_its_siblings(room: int) -> None:
    """While one branch waits an hour the others run through, in the room that it does not take."""
    waiting = chain({"one": task(retry={"max_attempts": 2, "backoff": {"initial": 3600}})})
    busy = chain({"one": task(), "two": task(), "three": task()})
    dag = chain(
        {"split": {"type": "parallel", "branches": {"a": waiting, "b": busy, "c": busy}}, "after": task()}
    )
    script: dict[str, list[tuple[float, str]]] = {
        f"split.{branch}.{step}": [(10, "")] for branch in "bc" for step in ("one", "two", "three")
    }
    script |= {"split.a.one": [(1, "error"), (5, "")], "after": [(1, "")]}
    schedule = Schedule(dag, script, room)
    assert schedule.status is Status.SUCCESS
    assert schedule.moments("split.a.one") == [0, 3601]
    assert schedule.moments("split.b.three") == [20]
    # With room for two the third branch begins when the first one pauses.
    assert schedule.moments("split.c.three") == [21 if room == 2 else 20]
    assert schedule.moments("after") == [3606]


def test_one_at_a_time_branches_keep_their_order() -> None:
    """Where branches run one after another, and may share files, a pause belongs to its branch: the next one waits."""
    waiting = chain({"one": task(retry={"max_attempts": 2, "backoff": {"initial": 15}})})
    dag = chain({"split": {"type": "parallel", "branches": {"a": waiting, "b": chain({"one": task()})}}})
    script = {"split.a.one": [(1.0, "error"), (1.0, "")], "split.b.one": [(10.0, "")]}
    schedule = Schedule(dag, script, room=1)
    assert schedule.moments("split.a.one") == [0, 16]
    assert schedule.moments("split.b.one") == [17]


def test_the_log_says_when_each_attempt_ran() -> None:
    """Durations are those of the clock, without the pauses."""
    retry = {"max_attempts": 2, "backoff": {"initial": 30}}
    schedule = Schedule(chain({"one": task(retry=retry)}), {"one": [(12, "error"), (0, "")]})
    attempts = schedule.log.steps["one"].attempts
    assert attempts[0].duration == 12
    assert attempts[0].failure == ["error"]
    assert attempts[0].message == "as the script says"
