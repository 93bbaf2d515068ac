"""What every executor with which magnus traverses promises, as tests: subclass `ExecutorContract` and give it `blocks`."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from magnus.bootstrap import Setup, open_run
from magnus.definition.config import config_from_mapping
from magnus.domain.capabilities import ExecutorCapabilities, Feature, Placement
from magnus.domain.graph import Graph
from magnus.domain.jobs import Job, JobEnd
from magnus.domain.names import branch_name
from magnus.domain.nodes import Node, TaskSettings
from magnus.domain.parameters import encode_all
from magnus.domain.run_log import BranchLog, RunLog, Status
from magnus.domain.verdict import Judgement
from magnus.engine.masking import Masker
from magnus.engine.reporting import SilentReporter
from magnus.engine.terminal import Terminal
from magnus.errors import ConfigurationError
from magnus.plugins.discovery import find_plugins
from magnus.plugins.manager import AdapterManager
from magnus.ports.executor import InteractiveExecutor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from magnus.bootstrap import Run
    from magnus.domain.run_log import StepAttempt, StepLog

RUN = "contract"
BRANCHES = ("split.one", "split.two")
ITEMS = ("a", "b", "c")
"""Of a map, each with a branch that finds it under `given`."""
PATIENCE_SECONDS = 30.0
"""How long a job may take before the suite gives up on it."""
QUIET_SECONDS = 0.5
"""What has written nothing for that long, and wrote every hundredth of a second before, has ended."""

_HEART = "while echo >> {name}; do sleep 0.01; done & wait"
"""A command whose child writes for ever, into a file that is seen from outside whatever machine or container it is in."""


class Bench:
    """A run that has begun, and the executor under test."""

    def __init__(self, setup: Setup, run: Run, executor: InteractiveExecutor, folder: Path) -> None:
        """Work in *folder*."""
        self._setup = setup
        self._run = run
        self.executor = executor
        self.folder = folder

    @property
    def capabilities(self) -> ExecutorCapabilities:
        """What the executor says of itself."""
        return self.executor.capabilities(self.executor.options)

    def job(
        self,
        command: str,
        *,
        name: str = "step",
        branch: str = BRANCHES[0],
        timeout: float | None = None,
        item: str = "",
    ) -> Job:
        """Return a job that runs *command* in a shell, as a step of a branch, or of an *item* of the map."""
        definition: dict[str, Any] = {"type": "task", "command": command, "command_type": "shell"}
        if timeout is not None:
            definition["timeout"] = timeout
        settings = TaskSettings(command, "shell")
        node = Node(name, "task", definition, next="done", task=settings, timeout_seconds=timeout)
        options = self._run.context.types.executor_options(node)
        if item:
            branch = _branch_of(item)
        map_variable = (("given", item),) if item else ()
        return Job(RUN, f"{branch}.{name}", node, 1, map_variable, options)

    def trigger_together(self, jobs: Sequence[Job]) -> list[Status]:
        """Ask for all of *jobs*."""
        return self.executor.trigger_jobs(jobs, self._run.step_runner)

    def trigger(self, job: Job) -> Status:
        """Ask for *job*."""
        return self.executor.trigger_job(job, self._run.step_runner)

    def reap(self, run_id: str) -> list[str]:
        """End what is left of a run."""
        return self.executor.reap(run_id, self._setup.compute_needs)

    def adopt(self, run_id: str) -> list[str]:
        """Find the jobs of a run."""
        return self.executor.adopt(run_id, self._setup.compute_needs(), self._run.step_runner)

    def wait(self, count: int = 1) -> list[JobEnd]:
        """Return *count* ends of jobs."""
        ends: list[JobEnd] = []
        until = time.monotonic() + PATIENCE_SECONDS
        while len(ends) < count and time.monotonic() < until:
            ends += self.executor.wait_for_jobs(1.0)
        assert len(ends) == count, f"of {count} jobs only {len(ends)} ended within {PATIENCE_SECONDS:g} s"
        return ends

    def with_cause(self, end: JobEnd) -> JobEnd:
        """Return *end* with the cause that the job has recorded itself, if it could."""
        for attempt in self.attempts(end.job):
            end = end._replace(
                message=attempt.message, exit_code=attempt.exit_code, failure=attempt.failure[0]
            )
        return end

    def outcome(self, job: Job) -> JobEnd:
        """Trigger *job* and return how it ended."""
        status = self.trigger(job)
        if not status.has_ended:
            return self.wait()[0]
        attempts = self.attempts(job)
        return JobEnd(
            job, status, failure=attempts[-1].failure[0] if attempts and attempts[-1].failure else ""
        )

    def attempts(self, job: Job) -> list[StepAttempt]:
        """Return the attempts at the job's step that the run log holds."""
        step = self._run.context.recorder.get_step_log(job.step_name)
        return step.attempts if step else []

    def recorded(self, job: Job) -> StepLog:
        """Return what the run log says of the job's step."""
        step = self._run.context.recorder.get_step_log(job.step_name)
        assert step is not None, f"the job '{job.step_name}' left nothing in the run log"
        return step

    def file(self, name: str) -> str:
        """Return the text of a file that a job makes, as soon as it is there."""
        path, until = self.folder / name, time.monotonic() + PATIENCE_SECONDS
        while not path.exists() or not (text := path.read_text(encoding="utf-8")).endswith("\n"):
            assert time.monotonic() < until, f"no job made the file {name}"
            time.sleep(0.01)
        return text

    def assert_ends(self, name: str) -> None:
        """Make sure that what writes into the file *name* has ended, or ends now."""
        path, until = self.folder / name, time.monotonic() + PATIENCE_SECONDS
        size = -1
        while size != (size := path.stat().st_size):
            assert time.monotonic() < until, f"what a job has started still writes into the file {name}"
            time.sleep(QUIET_SECONDS)


class ExecutorContract:
    """The promises of `magnus.ports.executor.InteractiveExecutor`.

    A subclass overrides `blocks`. The suite is for executors whose jobs run by what the core lends them, in the working
    directory of the test: as it is, or mounted into wherever they run.
    """

    @pytest.fixture
    def blocks(self, tmp_path: Path) -> Mapping[str, Any]:
        """Return a configuration: the executor, and services that it goes with, with all they keep in *tmp_path*."""
        raise NotImplementedError

    def test_capabilities_are_said_without_an_instance(self, blocks: Mapping[str, Any]) -> None:
        """The verdicts of a check are drawn from the class and the options; each refusal says why."""
        executor = config_from_mapping(blocks, AdapterManager(find_plugins())).executor
        capabilities = executor.adapter.capabilities(executor.options)
        assert isinstance(capabilities, ExecutorCapabilities)
        assert set(capabilities.refused_features) <= set(Feature)
        assert all(capabilities.refused_features.values())

    def test_objections_and_permissions_are_said_without_an_instance(self, blocks: Mapping[str, Any]) -> None:
        """Each objection says why; there is none to a graph that the rest of the suite runs."""
        adapters = AdapterManager(find_plugins())
        setup = Setup(config_from_mapping(blocks, adapters), adapters)
        executor = setup.executor
        objections = executor.adapter.judge_graph(
            executor.options, _GRAPH, setup.node_options().of, setup.compute_needs
        )
        assert all(objection.verdict.reason for objection in objections)
        assert not [each for each in objections if each.verdict.judgement is Judgement.ERROR]
        assert isinstance(executor.adapter.permissions(executor.options, setup.compute_needs()), str)

    def test_it_can_be_closed_without_having_run_anything(self, blocks: Mapping[str, Any]) -> None:
        """A run may be refused after the executor was built."""
        executor = config_from_mapping(blocks, AdapterManager(find_plugins())).executor
        executor.adapter(executor.options).close()

    def test_a_job_that_succeeds_is_recorded_with_what_it_leaves(
        self, blocks: Mapping[str, Any], tmp_path: Path
    ) -> None:
        """It finds the parameters of its branch, and nothing but its status comes back from the executor."""
        with opened(blocks, tmp_path) as bench:
            job = bench.job('echo "left=\\"$MAGNUS_PRM_given\\"" >> "$MAGNUS_OUTPUT_PARAMETERS"')
            assert bench.outcome(job).status is Status.SUCCESS
            step = bench.recorded(job)
        assert step.status is Status.SUCCESS
        assert step.output_parameters == {"left": "to split.one"}
        assert [(attempt.attempt_number, attempt.status) for attempt in step.attempts] == [
            (1, Status.SUCCESS)
        ]

    def test_a_job_that_fails_is_an_outcome_and_no_error(
        self, blocks: Mapping[str, Any], tmp_path: Path
    ) -> None:
        """With its exit code in the run log; the next job runs as if nothing had happened."""
        with opened(blocks, tmp_path) as bench:
            job, after = bench.job("exit 3"), bench.job("true", name="after")
            assert bench.outcome(job).status is Status.FAIL
            assert bench.recorded(job).attempts[0].exit_code == 3
            assert bench.outcome(after).status is Status.SUCCESS

    def test_a_job_that_is_asked_for_twice_is_started_once(
        self, blocks: Mapping[str, Any], tmp_path: Path
    ) -> None:
        """While it runs and after it has ended: run, step and attempt are its identity. Its end is told once."""
        with opened(blocks, tmp_path) as bench:
            job = bench.job("echo started >> starts")
            first, second = bench.trigger(job), bench.trigger(job)
            assert first is second
            if not first.has_ended:
                bench.wait()
            assert bench.trigger(job) in {Status.SUCCESS, Status.TRIGGERED}
            after = bench.job("true", name="after")  # meanwhile a second start would show itself
            assert bench.outcome(after).job == after
            assert bench.file("starts") == "started\n"

    def test_jobs_that_are_asked_for_together_have_each_an_end_of_their_own(
        self, blocks: Mapping[str, Any], tmp_path: Path
    ) -> None:
        """Each is started once, however it is asked for again, finds its own item, and records its own step."""
        with opened(blocks, tmp_path) as bench:
            count = max(bench.executor.most_jobs_together, bench.executor.max_concurrent_jobs)
            command = (
                'echo "$MAGNUS_PRM_given" >> "started-$MAGNUS_PRM_given"; test "$MAGNUS_PRM_given" != b || exit 3; '
                'echo "left=\\"$MAGNUS_PRM_given\\"" >> "$MAGNUS_OUTPUT_PARAMETERS"'
            )
            jobs = [bench.job(command, item=item) for item in ITEMS[:count]]
            statuses = bench.trigger_together(jobs)
            assert len(statuses) == len(jobs)
            assert bench.trigger_together(jobs) == statuses
            bench.wait(statuses.count(Status.TRIGGERED))
            bench.trigger_together(jobs)
            for item, job in zip(ITEMS, jobs, strict=False):
                step = bench.recorded(job)
                assert bench.file(f"started-{item}") == f"{item}\n"
                assert len(step.attempts) == 1
                if item == "b":
                    assert (step.status, step.attempts[0].exit_code) == (Status.FAIL, 3)
                else:
                    assert (step.status, step.output_parameters) == (Status.SUCCESS, {"left": item})

    def test_nothing_is_found_of_a_run_that_has_triggered_nothing(
        self, blocks: Mapping[str, Any], tmp_path: Path
    ) -> None:
        """Neither to be ended nor to be attached to, which an executor whose jobs end with it refuses for every run."""
        with opened(blocks, tmp_path) as bench:
            assert bench.reap("nobody-began-this") == []
            with nullcontext() if bench.executor.leaves_jobs else suppress(ConfigurationError):
                assert bench.adopt("nobody-began-this") == []

    def test_steps_run_where_the_capabilities_say(self, blocks: Mapping[str, Any], tmp_path: Path) -> None:
        """In this process, or in another one; a step with a timeout may run elsewhere than the others."""
        with opened(blocks, tmp_path) as bench:
            said = bench.capabilities
            places: dict[float | None, Placement] = {None: said.placement}
            if Feature.TIMEOUT not in said.refused_features:
                places[PATIENCE_SECONDS] = said.timeout_placement or said.placement
            for number, (timeout, placement) in enumerate(places.items()):
                job = bench.job(f'echo "$PPID" > parent{number}', name=f"s{number}", timeout=timeout)
                assert bench.outcome(job).status is Status.SUCCESS
                is_here = int(bench.file(f"parent{number}")) == os.getpid()
                assert is_here == (placement is Placement.SAME_PROCESS)

    def test_jobs_run_at_the_same_time_where_the_capabilities_say(
        self, blocks: Mapping[str, Any], tmp_path: Path
    ) -> None:
        """Two jobs can wait for each other; an executor that says no takes one at a time."""
        with opened(blocks, tmp_path) as bench:
            if not bench.capabilities.concurrent_branches:
                assert bench.executor.max_concurrent_jobs == 1
                return
            assert bench.executor.max_concurrent_jobs > 1
            meet = "touch {mine}; until [ -e {other} ]; do sleep 0.01; done"
            one = bench.job(meet.format(mine="a", other="b"))
            two = bench.job(meet.format(mine="b", other="a"), branch=BRANCHES[1])
            assert [bench.trigger(job) for job in (one, two)] == [Status.TRIGGERED] * 2
            ends = bench.wait(2)
            assert {end.job.step_name for end in ends} == {one.step_name, two.step_name}
            assert {end.status for end in ends} == {Status.SUCCESS}

    def test_a_timeout_ends_a_job_with_everything_that_it_started(
        self, blocks: Mapping[str, Any], tmp_path: Path
    ) -> None:
        """The end is known as `timeout`, and the next job runs."""
        with opened(blocks, tmp_path) as bench:
            if Feature.TIMEOUT in bench.capabilities.refused_features:
                pytest.skip("the executor refuses timeouts")
            job = bench.job(_HEART.format(name="beats"), timeout=1.0)
            end = bench.with_cause(bench.outcome(job))
            assert (end.status, end.failure) == (Status.FAIL, "timeout")
            bench.assert_ends("beats")
            assert bench.outcome(bench.job("true", name="after", timeout=30)).status is Status.SUCCESS

    def test_a_job_whose_process_dies_is_told_with_the_cause(
        self, blocks: Mapping[str, Any], tmp_path: Path
    ) -> None:
        """The cause is in the run log, or told by the executor where the job could not record it; the next job runs."""
        with opened(blocks, tmp_path) as bench:
            if bench.capabilities.placement is Placement.SAME_PROCESS:
                pytest.skip("a step would take this process with it")
            job = bench.job("kill -9 $PPID; sleep 300")
            end = bench.with_cause(bench.outcome(job))
            assert end.status is Status.FAIL
            assert end.message
            assert (end.exit_code, end.failure) == (137, "exit:137")
            assert bench.outcome(bench.job("true", name="after")).status is Status.SUCCESS

    def test_stopping_leaves_nothing_running(self, blocks: Mapping[str, Any], tmp_path: Path) -> None:
        """Within seconds, with the processes that jobs have started."""
        with opened(blocks, tmp_path) as bench:
            if bench.capabilities.placement is Placement.SAME_PROCESS:
                bench.executor.stop_jobs()
                return
            branches = BRANCHES[: bench.executor.max_concurrent_jobs]
            for branch in branches:
                job = bench.job(_HEART.format(name=branch), branch=branch)
                assert bench.trigger(job) is Status.TRIGGERED
            for branch in branches:
                bench.file(branch)
            before = time.monotonic()
            bench.executor.stop_jobs()
            assert time.monotonic() - before < PATIENCE_SECONDS
            for branch in branches:
                bench.assert_ends(branch)

    def test_waiting_ends_with_the_time_that_was_given(
        self, blocks: Mapping[str, Any], tmp_path: Path
    ) -> None:
        """No job has ended then; the job goes on."""
        with opened(blocks, tmp_path) as bench:
            if bench.capabilities.placement is Placement.SAME_PROCESS:
                pytest.skip("jobs end before anyone could wait")
            job = bench.job("until [ -e go ]; do sleep 0.01; done")
            assert bench.trigger(job) is Status.TRIGGERED
            assert bench.executor.wait_for_jobs(0.05) == []
            (tmp_path / "go").touch()
            assert [end.status for end in bench.wait()] == [Status.SUCCESS]


_GRAPH = Graph(
    "step",
    {
        "step": Node("step", "task", {}, next="done", task=TaskSettings("true", "shell")),
        "done": Node("done", "success", {}),
    },
)
"""What an executor is told before the first step; the jobs of the suite are like its task."""


def _branch_of(item: str) -> str:
    return branch_name("each", item)


@contextmanager
def opened(blocks: Mapping[str, Any], folder: Path) -> Iterator[Bench]:
    """Begin a run in *folder* and lend its executor; a fixture could not, because pytest moves descriptors meanwhile."""
    adapters = AdapterManager(find_plugins())
    config = config_from_mapping(blocks, adapters)
    setup = Setup(config, adapters)
    executor = setup.build_executor()
    assert isinstance(executor, InteractiveExecutor)
    before = Path.cwd()
    os.chdir(folder)
    try:
        with Terminal() as terminal:
            run = open_run(
                setup,
                run_id=RUN,
                tag="",
                terminal=terminal,
                reporter=SilentReporter(),
                masker=Masker(),
                executor=executor,
            )
            try:
                executor.prepare_for_graph_execution(
                    _GRAPH, run.context.types.executor_options, setup.compute_needs(), run.step_runner
                )
                recorder = run.context.recorder
                recorder.create_run_log(RunLog(RUN), {})
                given_to = {branch: f"to {branch}" for branch in BRANCHES}
                given_to.update({_branch_of(item): item for item in ITEMS})
                for branch, value in given_to.items():
                    given = encode_all({"given": value}, "contract")
                    recorder.add_branch_log(
                        BranchLog(branch), {name: v.in_record() for name, v in given.items()}
                    )
                yield Bench(setup, run, executor, folder)
            finally:
                executor.stop_jobs()
                executor.close()
                run.close()
    finally:
        os.chdir(before)
