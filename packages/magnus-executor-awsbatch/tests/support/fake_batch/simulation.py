"""The life of the fake's jobs in virtual time: what is due happens when somebody asks."""

from __future__ import annotations

import heapq
from collections import Counter
from functools import partial
from itertools import count
from math import inf
from typing import TYPE_CHECKING

from .containers import command_of, environment_of, log_place, timeout_seconds
from .jobs import BEFORE_STARTING
from .lifecycle import (
    EXITED,
    TIMED_OUT,
    Outcome,
    check_dependencies,
    end_attempt,
    run_attempt,
    start_attempt,
    stop_waiting,
)
from .scripts import KILLED, RunningJob

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .jobs import Job
    from .log_store import LogStore
    from .scripts import Plan, Script, Work


class Simulation:
    """Knows all jobs, and lets them go on."""

    def __init__(
        self, now: Callable[[], float], logs: LogStore, problem: Callable[[Job], str | None]
    ) -> None:
        """Follow the time that *now* tells in seconds.

        Args:
            now: Returns the time.
            logs: Where jobs print.
            problem: Returns why a job cannot be placed now; empty if that has no reason, None if it can be.
        """
        self.jobs: dict[str, Job] = {}
        self.seconds_to_die = 0.0
        """How long a running job goes on after it was terminated."""
        self._now = now
        self._logs = logs
        self._problem = problem
        self._scripts: dict[str, Script] = {}
        self._plans: dict[str, Plan] = {}
        self._waiting: dict[str, Job] = {}
        self._unplaced: dict[str, Job] = {}
        self._due: list[tuple[float, int, str, int, Callable[[float], None]]] = []
        self._sequence = count()
        self._turns = Counter[str]()
        self._is_advancing = False

    def add(self, jobs: Iterable[Job], script: Script) -> None:
        """Take new jobs, which follow *script*."""
        for job in jobs:
            self.jobs[job.job_id] = job
            self._scripts[job.job_id] = script if job.index is None else script.child(job.index)
            if not job.children:
                self._waiting[job.job_id] = job
        self._let_go(self._now())

    def advance(self) -> None:
        """Let everything happen that is due by now, in order."""
        if self._is_advancing:  # the work of a job asks the service
            return
        self._is_advancing = True
        try:
            now = self._now()
            self._let_go(now)
            while self._due and self._due[0][0] <= now:
                at, _, job_id, turn, act = heapq.heappop(self._due)
                if turn == self._turns[job_id]:
                    act(at)
        finally:
            self._is_advancing = False

    def stop(self, job: Job, reason: str, *, is_terminated: bool) -> None:
        """Terminate or cancel a job, and its children if it is an array."""
        now = self._now()
        for one in (job, *job.children):
            if one.has_ended:
                continue
            if one.status in BEFORE_STARTING:
                stop_waiting(one, reason, _milliseconds(now), is_terminated=is_terminated)
            elif is_terminated and not one.is_terminated:
                one.is_terminated = True
                self._turns[one.job_id] += 1
                outcome = Outcome(reason, KILLED if one.status == "RUNNING" else None, is_final=True)
                self._later(now + self.seconds_to_die, one, partial(self._end, one, outcome))
        self.advance()

    def _let_go(self, now: float) -> None:
        """Let jobs go on that waited for others, or for a place."""
        has_changed = True
        while has_changed:
            has_changed = False
            for job in list(self._waiting.values()):
                has_changed |= check_dependencies(job, self.jobs.get, _milliseconds(now))
                if job.status == "RUNNABLE":
                    del self._waiting[job.job_id]
                    self._make_runnable(job, now)
                elif job.has_ended:
                    del self._waiting[job.job_id]
        for job in list(self._unplaced.values()):
            del self._unplaced[job.job_id]
            if not job.has_ended:
                self._make_runnable(job, now)

    def _make_runnable(self, job: Job, now: float) -> None:
        problem = self._problem(job)
        if problem is not None:
            job.status_reason = problem or None
            self._unplaced[job.job_id] = job
            return
        plan = self._plans[job.job_id] = self._scripts[job.job_id].plan(len(job.attempts) + 1)
        if plan.waits_because:
            job.status_reason = plan.waits_because
        self._later(now + plan.waits, job, partial(self._start, job))

    def _start(self, job: Job, now: float) -> None:
        if job.has_ended:
            return
        plan = self._plans[job.job_id]
        start_attempt(job, f"{next(self._sequence):032x}")
        if plan.has_container:
            self._later(now + plan.starts, job, partial(self._run, job))
        else:
            self._later(now + plan.starts, job, partial(self._end, job, plan.outcome))

    def _run(self, job: Job, now: float) -> None:
        plan, attempt, place = self._plans[job.job_id], job.attempts[-1], log_place(job)
        stream = f"{place.prefix}/default/{attempt.task_id}" if place else None
        run_attempt(job, stream, _milliseconds(now))
        if place and stream:
            self._logs.create(place.group, stream)
        timeout = timeout_seconds(job) or inf
        for seconds, line in plan.lines:
            if place and stream and seconds <= min(plan.runs, timeout):
                self._logs.put(place.group, stream, now + seconds, line)
        outcome = plan.outcome
        if plan.work:
            outcome = self._work(job, plan.work, now)
        if plan.runs > timeout:
            timed_out = Outcome(TIMED_OUT, KILLED, is_final=True)
            self._later(now + timeout, job, partial(self._end, job, timed_out))
        else:
            self._later(now + plan.runs, job, partial(self._end, job, outcome))

    def _work(self, job: Job, work: Work, now: float) -> Outcome:
        attempt, place = job.attempts[-1], log_place(job)

        def put(line: str) -> None:
            if place and attempt.log_stream_name:
                self._logs.put(place.group, attempt.log_stream_name, now, line)

        seen = RunningJob(
            name=job.name,
            job_id=job.job_id,
            queue=job.queue_name,
            attempt=attempt.number,
            index=job.index,
            command=command_of(job),
            environment=environment_of(job, attempt, f"{job.queue_name}-environment"),
            print=put,
        )
        done = work(seen)
        return done if isinstance(done, Outcome) else Outcome(EXITED, done or 0)

    def _end(self, job: Job, outcome: Outcome, now: float) -> None:
        attempt, place = job.attempts[-1], log_place(job)
        if place and attempt.log_stream_name:
            self._logs.cut(place.group, attempt.log_stream_name, now)
        end_attempt(job, outcome, _milliseconds(now))
        if job.status == "RUNNABLE":
            self._make_runnable(job, now)
        else:
            self._let_go(now)

    def _later(self, at: float, job: Job, act: Callable[[float], None]) -> None:
        if at != inf:
            heapq.heappush(self._due, (at, next(self._sequence), job.job_id, self._turns[job.job_id], act))


def _milliseconds(seconds: float) -> int:
    return int(seconds * 1000)
