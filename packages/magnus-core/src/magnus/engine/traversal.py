"""Walks a graph and the graphs inside it: one loop in one thread, without recursion, whatever the executor.

A walk goes from node to node until it has to wait: for a job that runs elsewhere, for the pause before another attempt, or
for the branches of a composite node. Meanwhile other walks go on, as many at a time as the executor has room for.
"""

from __future__ import annotations

import heapq
import itertools
import sys
from typing import TYPE_CHECKING

from magnus.domain.graph import DEFAULT_MAX_TIME_SECONDS
from magnus.domain.jobs import Job, JobEnd
from magnus.domain.names import ROOT_BRANCH, step_name
from magnus.domain.run_log import BranchLog, Status, StepLog
from magnus.engine.attached import Attached, record_left_open
from magnus.engine.attempts import pause_seconds, record_lost, record_stopped
from magnus.engine.composite import FanOut, Pending, Walk, failure_of, open_branch, record_join, root_walk
from magnus.engine.folder_snapshot import take_snapshot
from magnus.engine.interrupt import StopRun
from magnus.engine.scope import Scope
from magnus.engine.step_files import forget_joins, join_files
from magnus.engine.workspaces import kept_files
from magnus.errors import ExecutionError, JobSubmissionError, MagnusError
from magnus.ports.executor import InteractiveExecutor
from magnus.ports.node_type import Role

if TYPE_CHECKING:
    from collections.abc import Sequence

    from magnus.domain.graph import Graph
    from magnus.domain.jobs import MapVariable
    from magnus.domain.nodes import Node
    from magnus.domain.parameters import Values
    from magnus.engine.context import RunContext
    from magnus.engine.rerun import Rerun
    from magnus.engine.step import StepRunner

_LONGEST_WAIT_SECONDS = 3600.0


class Traversal:
    """The traversal of one run."""

    def __init__(
        self,
        context: RunContext,
        run_here: StepRunner,
        parameters: Values,
        *,
        rerun: Rerun | None = None,
        single_step: str | None = None,
        attached: Attached | None = None,
    ) -> None:
        """Prepare to walk the graph of *context*.

        Args:
            context: The run; its executor is an interactive one.
            run_here: Runs a step in this process.
            parameters: What the outermost graph starts from.
            rerun: The run that is continued.
            single_step: The only step of the outermost graph that is to run; the others count as done.
            attached: What an earlier traversal of this very run has recorded.
        """
        if not isinstance(context.executor, InteractiveExecutor):
            message = "only an interactive executor can be traversed with"
            raise TypeError(message)
        self._context = context
        self._executor = context.executor
        self._recorder = context.recorder
        self._run_here = run_here
        self._rerun = rerun
        self._single_step = single_step
        self._attached = attached or Attached()
        self._gathered: list[tuple[Pending, Job]] | None = None
        self._root_scope = Scope(parameters)
        self._ready: list[Walk | Pending] = []
        self._delayed: list[tuple[float, int, Pending]] = []
        self._order = itertools.count()
        self._in_flight: dict[str, Pending] = {}
        self._fan_outs: list[FanOut] = []
        self._open_branches: dict[str, None] = {}
        self._result: Status | None = None

    @property
    def parameters(self) -> Values:
        """What the parameters of the outermost graph are now."""
        return self._root_scope.values

    def execute_graph(self, graph: Graph) -> Status:
        """Walk *graph* to its end and return whether its success or its fail node was reached.

        Raises:
            StopRun: A signal, or `max_time`; everything that ran has been stopped and recorded as failed.
        """
        return self._walk_to_end(root_walk(graph, self._root_scope, self._deadline(graph, is_root=True)))

    def execute_branch(
        self,
        graph: Graph,
        branch: str,
        map_variable: MapVariable,
        start_at: str,
        scopes: tuple[str, ...] = (),
    ) -> Status:
        """Walk one branch alone, from *start_at*, whose opening is recorded already; raises like `execute_graph`.

        Args:
            graph: Of the branch.
            branch: Its internal name; this traversal was made with its parameters.
            map_variable: The items of the maps around it.
            start_at: The first of its nodes that has not ended.
            scopes: The isolating branches around its steps, outermost first.
        """
        deadline = self._deadline(graph)
        walk = Walk(graph, branch, self._root_scope, start_at, map_variable, scopes, deadline=deadline)
        self._open_branches[branch] = None
        status = self._walk_to_end(walk)
        self._recorder.add_branch_log(BranchLog(branch, status))
        return status

    def _walk_to_end(self, walk: Walk) -> Status:
        self._ready.append(walk)
        try:
            while self._result is None:
                self._context.interrupts.check()
                if not self._go_on():
                    self._wait()
        except StopRun as stop:
            if not self.leaves_jobs(stop):
                self._stop(stop)
            raise
        if walk.branch == ROOT_BRANCH:
            self._leave_folder(ROOT_BRANCH)
        for left in self._context.workspaces.take_leftovers():
            self._context.reporter.warning(left)
        return self._result

    def _leave_folder(self, branch: str) -> None:
        if kept := self._context.workspaces.branch_ended(branch):
            self._context.reporter.warning(kept_files(branch, kept))

    def leaves_jobs(self, stop: StopRun) -> bool:
        """Whether the run goes on without this process after *stop*, so that nothing of it has ended."""
        return stop.interrupted and self._executor.leaves_jobs

    # What to do next

    def _go_on(self) -> bool:
        """Take one thing further, if there is something and the executor has room."""
        if len(self._in_flight) >= self._executor.max_concurrent_jobs:
            return False
        if self._delayed and self._delayed[0][0] <= self._context.clock.monotonic():
            self._ready.append(heapq.heappop(self._delayed)[2])
        if self._ready:
            going = self._ready.pop()
            if isinstance(going, Pending):
                status = self._attempt(going)
                if status is not None:
                    self._after(going.walk, going.node, status)
            else:
                self._advance_all(going)
            return True
        for fan_out in reversed(
            self._fan_outs
        ):  # innermost first: what was begun is finished before more begins
            if fan_out.may_open:
                if self._is_for_an_array(fan_out):
                    self._open_together(fan_out)
                else:
                    self._open_branch(fan_out)
                return True
        return False

    def _wait(self) -> None:
        """Wait for a job to end or a pause to be over."""
        timeout = None
        if self._delayed:
            timeout = max(0.0, self._delayed[0][0] - self._context.clock.monotonic())
        left = self._context.interrupts.seconds_left()
        if left is not None:
            timeout = left if timeout is None else min(timeout, left)
        with self._context.interrupts.deliver():
            if not self._in_flight:
                self._context.clock.sleep(min(timeout or 0.0, _LONGEST_WAIT_SECONDS))
                return
            ends = self._executor.wait_for_jobs(timeout)
        outputs = {end.job.step_name: self._run_here.take_back(end.job) for end in ends}
        elsewhere = [name for name, values in outputs.items() if values is None]
        recorded = self._recorder.get_step_logs(elsewhere) if elsewhere else {}
        for end in ends:
            values = outputs[end.job.step_name]
            if values is None:
                self._job_ended(end, recorded.get(end.job.step_name))
            else:
                self._ended_here(end, values)

    def _advance_all(self, walk: Walk) -> None:
        """Advance *walk*, and the others that are ready with it, as long as the executor has room."""
        if self._executor.most_jobs_together == 1:
            self._advance(walk)
            return
        with self._recorder.together():
            self._advance(walk)
            while self._ready and isinstance(going := self._ready[-1], Walk):
                if len(self._in_flight) >= self._executor.max_concurrent_jobs:
                    return
                self._ready.pop()
                self._advance(going)
                self._context.interrupts.check()

    def _advance(self, walk: Walk) -> None:
        """Go from node to node until the walk has to wait or its graph is closed."""
        while True:
            node = walk.graph.get_node_by_name(walk.node_name)
            status = self.execute_from_graph(node, walk)
            if status is None or node.is_terminal:
                return
            self._recorder.flush()  # each step is on disk before the next one begins
            self._context.interrupts.check()
            walk.node_name = next_node_name(node, walk.graph, status)

    def _after(self, walk: Walk, node: Node, status: Status) -> None:
        """The node that *walk* waited for has ended: the walk may go on."""
        walk.node_name = next_node_name(node, walk.graph, status)
        self._ready.append(walk)

    def _deadline(self, graph: Graph, *, is_root: bool = False) -> float | None:
        if is_root or graph.max_time_seconds != DEFAULT_MAX_TIME_SECONDS:
            elapsed = self._attached.elapsed_seconds if is_root else 0.0
            return self._context.clock.monotonic() + graph.max_time_seconds - elapsed
        return None

    # One node

    def execute_from_graph(self, node: Node, walk: Walk) -> Status | None:
        """Handle one node: close the graph, fan out, skip, or start its first attempt.

        Returns:
            How the node ended; None if that is not known yet.
        """
        name = step_name(walk.branch, node.name)
        role = self._context.types.node_type(node.type).role
        step = StepLog(node.name, name, step_type=node.type, work_hash=node.work_hash())
        step.code_identities = self._context.code_identities
        known = self._attached.steps.get(name)
        if known is not None and known.status.has_ended and role is not Role.TERMINAL:
            return self._take_over(walk, known)
        if role is Role.TERMINAL:
            step.status = Status.SUCCESS
            self._recorder.add_step_log(step)
            self._close(walk, Status.SUCCESS if node.type == "success" else Status.FAIL)
            return step.status
        # What an earlier traversal has begun was in time.
        if known is None and walk.deadline is not None and self._context.clock.monotonic() > walk.deadline:
            step.message = (
                f"not started: the graph took longer than its max_time of {walk.graph.max_time_seconds:g} s"
            )
            return self._end_step(step, Status.FAIL)
        if self._single_step is not None and walk.branch == ROOT_BRANCH and node.name != self._single_step:
            step.message = f"only the step '{self._single_step}' was asked for"
            step.mock = True
            return self._end_step(step, Status.SUCCESS)
        if role is Role.COMPOSITE:
            return self._fan_out(node, walk, step)
        if role is Role.PASS:
            return self._end_step(step, Status.SUCCESS)
        if known is None and self._rerun is not None and self._may_skip(walk, step):
            return self._skip(walk, step)
        if self._rerun is not None and not walk.ran_something:
            forget_joins(self._context, walk.composites_to_come())
        walk.ran_something = True
        return self._begin(
            Pending(walk, node, known or step, 1 if known is None else len(known.attempts) + 1)
        )

    def _take_over(self, walk: Walk, step: StepLog) -> Status:
        """Take a step as an earlier traversal of this run has left it."""
        walk.ran_something |= not step.mock
        if step.status is Status.SUCCESS:
            outputs = self._recorder.resolve(step.output_parameters)
            self._recorder.adopt(outputs.values())
            walk.scope.update(outputs)
        return step.status

    def _begin(self, pending: Pending) -> Status | None:
        """Begin a task, or go on with it where an earlier traversal had: with its job, or what is left of a pause."""
        attempts = pending.step.attempts
        if not attempts:
            return self._attempt(pending)
        pause = self._pause(pending, len(attempts)) - self._context.clock.seconds_since(attempts[-1].end_time)
        self._delay(pending, max(0.0, pause))
        return None

    def _end_step(self, step: StepLog, status: Status) -> Status:
        step.status = status
        self._recorder.add_step_log(step)
        self._context.reporter.step_ended(step)
        return status

    def _may_skip(self, walk: Walk, step: StepLog) -> bool:
        return self._rerun is not None and self._rerun.may_skip(
            step.internal_name, step.work_hash, something_ran_before=walk.ran_something
        )

    def _skip(self, walk: Walk, step: StepLog) -> Status:
        """Take over what the step left in the run that is continued."""
        if self._rerun is None:
            message = "only a re-run skips steps"
            raise TypeError(message)
        old = self._rerun.steps[step.internal_name]
        outputs = {
            name: value
            for name, value in self._rerun.outputs(old).items()
            if name not in self._rerun.explicit
        }
        step.mock = True
        step.message = self._rerun.message()
        step.user_defined_metrics = old.user_defined_metrics
        step.data_catalog = old.data_catalog
        step.output_parameters = {name: value.in_record() for name, value in outputs.items()}
        step.status = Status.SUCCESS
        walk.scope.update(outputs)
        parameters = (walk.branch, walk.scope.in_record()) if outputs else None
        self._recorder.add_step_log(step, new_values=outputs.values(), parameters=parameters)
        self._context.reporter.step_ended(step)
        return Status.SUCCESS

    # Attempts at a task

    def _attempt(self, pending: Pending) -> Status | None:
        """Start an attempt; return how the step ended, or None if it goes on."""
        job = self._begin_attempt(pending)
        if self._gathered is not None:
            self._gathered.append((pending, job))
            return None
        self._recorder.flush()
        try:
            status = self._executor.trigger_job(job, self._run_here)
        except JobSubmissionError as error:
            return self._refused(pending, job, error)
        return self._triggered(pending, job, status)

    def _begin_attempt(self, pending: Pending) -> Job:
        """Record that an attempt begins, and return what is to run."""
        walk, node, step = pending.walk, pending.node, pending.step
        job = Job(
            run_id=self._context.run_id,
            step_name=step.internal_name,
            node=node,
            attempt_number=pending.attempt_number,
            map_variable=walk.map_variable,
            options=self._context.types.executor_options(node),
            scopes=walk.scopes,
        )
        # What an earlier traversal has recorded may be replaced by its job at any moment, and is not to be written over.
        if pending.attempt_number == 1 and step.internal_name not in self._attached.steps:
            step.code_identities = [*step.code_identities, *self._executor.add_code_identities(job)]
            self._recorder.add_step_log(step)
        pending.started, pending.started_at = self._context.clock.timestamp(), self._context.clock.monotonic()
        self._context.reporter.step_started(step, pending.attempt_number)
        self._files_as_before(pending, job)
        self._run_here.lend(job, step, walk.scope)
        return job

    def _triggered(self, pending: Pending, job: Job, status: Status) -> Status | None:
        if status is Status.TRIGGERED:
            self._in_flight[job.step_name] = pending
            return None
        outputs = self._run_here.take_back(job)
        if outputs is None:
            message = f"the executor says that it has run '{job.step_name}', and did not ask magnus to"
            raise TypeError(message)
        return self._attempt_ended(pending, outputs)

    def _ended_here(self, end: JobEnd, outputs: Values) -> None:
        """A job that the step runner has run on this machine, and recorded, has ended."""
        pending = self._in_flight.pop(end.job.step_name)
        status = self._attempt_ended(pending, outputs)
        if status is not None:
            self._after(pending.walk, pending.node, status)

    def _refused(self, pending: Pending, job: Job, error: JobSubmissionError) -> Status | None:
        self._run_here.take_back(job)
        end = JobEnd(job, Status.FAIL, str(error), failure="submission")
        return self._attempt_lost(pending, end)

    def _trigger_together(self, gathered: Sequence[tuple[Pending, Job]]) -> None:
        """Start what was gathered from the branches of one map."""
        if not gathered:
            return
        try:
            statuses = self._executor.trigger_jobs([job for _, job in gathered], self._run_here)
        except JobSubmissionError as error:
            ended = [(pending, self._refused(pending, job, error)) for pending, job in gathered]
        else:
            ended = [
                (pending, self._triggered(pending, job, status))
                for (pending, job), status in zip(gathered, statuses, strict=True)
            ]
        for pending, status in ended:
            if status is not None:
                self._after(pending.walk, pending.node, status)

    def _job_ended(self, end: JobEnd, recorded: StepLog | None) -> None:
        """A job that ran elsewhere has ended: the run log tells how, unless the job could not."""
        pending = self._in_flight.pop(end.job.step_name)
        if recorded is None or len(recorded.attempts) < pending.attempt_number:
            status = self._attempt_lost(pending, end)
        else:
            pending.step = recorded
            self._run_here.drop_log(end.job)
            if end.note and recorded.attempts[-1].status is Status.FAIL:
                self._add_note(recorded, end.note)
            outputs = self._recorder.resolve(recorded.output_parameters)
            self._recorder.adopt(outputs.values())
            status = self._attempt_ended(pending, outputs)
        if status is not None:
            self._after(pending.walk, pending.node, status)

    def _add_note(self, step: StepLog, note: str) -> None:
        """Add to a failure that the step recorded what it could not know."""
        attempt = step.attempts[-1]
        attempt.message = step.message = f"{attempt.message}; {note}"
        self._recorder.add_step_log(step, durable=True)

    def _attempt_lost(self, pending: Pending, end: JobEnd) -> Status | None:
        """Record an attempt that could not record itself."""
        record_lost(self._context, self._run_here, pending.step, pending.begun(), end)
        return self._attempt_ended(pending, {})

    def _attempt_ended(self, pending: Pending, outputs: Values) -> Status | None:
        """Take over the outputs, give up, or arrange for another attempt."""
        step = pending.step
        if step.status is Status.PROCESSING:
            pause = self._pause(pending, pending.attempt_number)
            self._context.reporter.attempt_failed(step, pause)
            pending.attempt_number += 1
            self._delay(pending, pause)
            return None
        if pending.snapshot is not None:
            pending.snapshot.close()
        if step.status is Status.SUCCESS:
            pending.walk.scope.update(outputs)
        self._context.reporter.step_ended(step)
        return step.status

    def _files_as_before(self, pending: Pending, job: Job) -> None:
        """Let every attempt start from the same files, where this process sees them."""
        if pending.snapshot is not None:
            pending.snapshot.restore()
        elif pending.attempt_number == 1:
            pending.snapshot = take_snapshot(self._context, job)

    def _delay(self, pending: Pending, seconds: float) -> None:
        due = self._context.clock.monotonic() + seconds
        heapq.heappush(self._delayed, (due, next(self._order), pending))

    def _pause(self, pending: Pending, failed_attempts: int) -> float:
        name = pending.step.internal_name
        return pause_seconds(self._context.run_id, name, pending.node.retry, failed_attempts)

    # Composite nodes

    def _fan_out(self, node: Node, walk: Walk, step: StepLog) -> Status | None:
        """Begin a composite node: tell its branches, and let them be opened one by one."""
        must_run = walk.ran_something or (
            self._rerun is not None and self._rerun.work_changed(step.internal_name, step.work_hash)
        )
        self._recorder.add_step_log(step)
        try:
            branches = self._context.types.node_type(node.type).fan_out(node, walk.scope.values)
        except ExecutionError as error:
            step.message = str(error)
            return self._end_step(step, Status.FAIL)
        fan_out = FanOut(walk, node, step, branches, max(self._limit(node, len(branches)), 1), must_run)
        if fan_out.has_ended:
            return self._join(fan_out)
        self._fan_outs.append(fan_out)
        return None

    def _limit(self, node: Node, branches: int) -> int:
        """Return how many of the *branches* of *node* may be open at the same time."""
        limit = min(branches, self._most_at_once(node))
        if node.map is not None and node.map.max_concurrency is not None:
            limit = min(limit, node.map.max_concurrency)
        return limit

    def _most_at_once(self, node: Node) -> int:
        """Return how many branches of *node* the executor, with its options for this node, has room for."""
        room = self._executor.max_concurrent_jobs
        if room == 1:
            return 1
        if not node.executor_config:
            return sys.maxsize  # what has no room yet waits its turn
        options = self._context.types.executor_options(node)
        if not options.enable_parallel:
            return 1
        own, general = (getattr(each, "max_workers", None) for each in (options, self._executor.options))
        return sys.maxsize if own is None or own == general else int(own)

    def _is_for_an_array(self, fan_out: FanOut) -> bool:
        """Whether the executor wants the jobs of the branches at once: they are single tasks, with no limit of their own."""
        node = fan_out.node
        if self._executor.most_jobs_together == 1 or node.map is None or node.map.max_concurrency is not None:
            return False
        (graph,) = node.branches.values()
        return sum(not inner.is_terminal for inner in graph.nodes.values()) == 1 and (
            graph.get_node_by_name(graph.start_at).task is not None
        )

    def _open_together(self, fan_out: FanOut) -> None:
        """Open branches until the executor has all it can take at once, and trigger their jobs together."""
        room = min(
            self._executor.most_jobs_together, self._executor.max_concurrent_jobs - len(self._in_flight)
        )
        gathered: list[tuple[Pending, Job]] = []
        self._gathered = gathered
        try:
            with self._recorder.together():
                while fan_out.may_open and len(gathered) < room:
                    self._open_branch(fan_out)
        except StopRun:
            self._ready += [
                pending for pending, _ in gathered
            ]  # they have begun, and are to be recorded as stopped
            raise
        finally:
            self._gathered = None
        self._trigger_together(gathered)

    def _open_branch(self, fan_out: FanOut) -> None:
        index = fan_out.opened
        _, graph, item = fan_out.branches[index]
        fan_out.opened += 1
        fan_out.open += 1
        name = fan_out.internal_name(index)
        self._open_branches[name] = None
        walk = Walk(
            graph,
            name,
            open_branch(
                self._recorder, name, fan_out.walk.scope, item, is_open=name in self._attached.branches
            ),
            graph.start_at,
            map_variable=fan_out.walk.map_variable + (() if item is None else (item,)),
            scopes=fan_out.walk.scopes
            + (() if self._context.types.node_type(fan_out.node.type).branches_share_scope else (name,)),
            fan_out=fan_out,
            index=index,
            ran_something=fan_out.must_run,
            deadline=self._deadline(graph),
        )
        self._advance(walk)

    def _close(self, walk: Walk, status: Status) -> None:
        """A terminal node was reached."""
        fan_out = walk.fan_out
        if fan_out is None:
            self._result = status
            return
        del self._open_branches[walk.branch]
        self._recorder.add_branch_log(BranchLog(walk.branch, status))
        if walk.branch in walk.scopes:
            self._leave_folder(walk.branch)
        fan_out.close(walk.index, walk.scope.outputs if status is Status.SUCCESS else None)
        fan_out.ran_something |= walk.ran_something
        if fan_out.has_ended:
            self._fan_outs.remove(fan_out)
            self._after(fan_out.walk, fan_out.node, self._join(fan_out))

    def _join(self, fan_out: FanOut) -> Status:
        """All branches have ended: fail if one did, else hand on what they put into the parameters."""
        # Whoever finds the end of the node, after this process was killed, does not look into its branches any more.
        self._recorder.flush()
        step, walk = fan_out.step, fan_out.walk
        if self._rerun is not None and fan_out.ran_something and not walk.ran_something:
            forget_joins(self._context, walk.composites_to_come())
        walk.ran_something |= fan_out.ran_something
        walk.joined.add(step.internal_name)
        branches = [fan_out.internal_name(index) for index in range(len(fan_out.branches))]
        try:
            has_run = self._rerun is None or fan_out.ran_something
            join_files(self._context, step.internal_name, branches, walk.scopes, has_run=has_run)
        except MagnusError as error:
            step.message = str(error)
            return self._end_step(step, Status.FAIL)
        failed = fan_out.failed_branches()
        if failed:
            step.message = failure_of(failed)
            return self._end_step(step, Status.FAIL)
        outputs, notes = self._context.types.node_type(fan_out.node.type).fan_in(
            fan_out.node, fan_out.outputs_by_branch()
        )
        for note in notes:
            self._context.reporter.warning(f"step '{step.internal_name}': {note}")
        step.message = "; ".join(notes)
        if self._rerun is not None and not walk.ran_something:
            in_record = {name: value.in_record() for name, value in outputs.items()}
            if self._rerun.had_joined(step.internal_name, branches, in_record):
                step.mock = True
                step.message = self._rerun.message()
                outputs = {name: value for name, value in outputs.items() if name not in self._rerun.explicit}
            else:  # an item was left out, or they come in another order: what follows has something new to work on
                walk.ran_something = True
        record_join(self._recorder, step, walk.branch, walk.scope, outputs)
        self._context.reporter.step_ended(step)
        return Status.SUCCESS

    # The end before the end

    def _stop(self, stop: StopRun) -> None:
        """Stop what runs and record everything that was open as failed for this reason."""
        self._executor.stop_jobs()
        waiting = [*self._in_flight.values(), *(pending for _, _, pending in self._delayed)]
        waiting += [going for going in self._ready if isinstance(going, Pending)]
        for pending in waiting:
            self._record_stop(pending, stop)
        for branch in self._open_branches:
            self._recorder.add_branch_log(BranchLog(branch, Status.FAIL))
        for fan_out in reversed(self._fan_outs):
            fan_out.step.message = stop.reason
            self._end_step(fan_out.step, Status.FAIL)
        if self._attached.steps:
            # What an earlier traversal has begun, and this one had not come to again.
            record_left_open(self._context, stop.reason)

    def _record_stop(self, pending: Pending, stop: StopRun) -> None:
        begun = pending.begun() if pending.step.internal_name in self._in_flight else None
        record_stopped(self._context, pending.step, begun, stop)


def next_node_name(node: Node, graph: Graph, status: Status) -> str:
    """Return the node after *node*: `next` after success; `on_failure`, else the graph's fail node, after failure."""
    if status is Status.SUCCESS:
        if node.next is None:
            message = f"'{node.name}' closes its graph: nothing comes after it"
            raise TypeError(message)
        return node.next
    return node.on_failure or graph.get_fail_node().name
